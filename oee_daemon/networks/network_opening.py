"""Makes the network that the setting `OEE_NETWORK` names.

A network is a room of its own beside this file; its `*_network` module puts it together. Only what was asked
for is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from oee_daemon.contract.real_money import unconfirmed
from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.settings import Settings
from oee_daemon.start_errors import BadSetting


def _build_simulated(settings: Settings, database_url: str, named: NamedWallet) -> Network:
    from oee_daemon.networks.simulated.simulated_network import build

    return build(settings, database_url, named)


def _build_solana(settings: Settings, _database_url: str, named: NamedWallet) -> Network:
    from oee_daemon.networks.solana.solana_network import build
    from oee_daemon.networks.solana.solana_profile import PROFILES

    return build(PROFILES[settings.network], settings, named)


def _build_paper(settings: Settings, database_url: str, named: NamedWallet) -> Network:
    from oee_daemon.networks.paper.paper_network import build

    return build(settings, database_url, named)


#: What makes each network, by its name in `OEE_NETWORK`.
BUILDERS: Mapping[str, Callable[[Settings, str, NamedWallet], Network]] = {
    "simulated": _build_simulated,
    "localnet": _build_solana,
    "paper": _build_paper,
    "devnet": _build_solana,
    "mainnet": _build_solana,
}


def open_network(settings: Settings, database_url: str, named: NamedWallet = lambda: None) -> Network:
    """The network that the settings name, with the venues that they leave. Raises `StartFailed` where its
    wallet can't be used, where no venue is left, or where orders spend real money and nobody confirmed it."""
    reason = unconfirmed(settings.network, settings.real_money)
    if reason is not None:
        raise BadSetting(reason)
    network = BUILDERS[settings.network](settings, database_url, named)
    network = replace(network, max_impact=settings.max_impact)
    if settings.venues is None:
        return network
    wanted = settings.venues.split(",")
    venues = [venue for venue in network.venues if venue.name in wanted]
    if not venues:
        has = ", ".join(venue.name for venue in network.venues)
        raise BadSetting(f"OEE_VENUES leaves none of the venues of {network.name}: it has {has}.")
    return replace(network, venues=venues)
