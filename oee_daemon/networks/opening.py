"""The setting `OEE_NETWORK` turned into a network.

A network is a room of its own beside this file; its `network` module puts it together. Only what was asked
for is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.settings import Settings


def _simulated(settings: Settings, database_url: str, named: NamedWallet) -> Network:
    from oee_daemon.networks.simulated.simulated_network import build

    return build(settings, database_url, named)


#: What makes each network, by its name in `OEE_NETWORK`.
BUILDERS: Mapping[str, Callable[[Settings, str, NamedWallet], Network]] = {"simulated": _simulated}


def open_network(settings: Settings, database_url: str, named: NamedWallet = lambda: None) -> Network:
    """The network that the settings name. Raises `StartFailed` where its wallet can't be used."""
    return BUILDERS[settings.network](settings, database_url, named)
