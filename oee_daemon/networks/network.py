"""What a network is, and the setting `OEE_NETWORK` turned into one.

A network is a room of its own beside this file; its `network` module puts it together. Only what was asked
for is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from oee_daemon.networks.chain import Chain
from oee_daemon.networks.guard import Guard
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.networks.venue import Venue
from oee_daemon.networks.wallet import Wallet
from oee_daemon.settings import Settings

#: Tells the address of the wallet that the database belongs to; none where no engine has worked on it yet.
NamedWallet: TypeAlias = Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything that differs from one network to the next."""

    name: str
    venues: Sequence[Venue]
    chain: Chain
    wallet: Wallet
    tokens: TokenBook
    guard: Guard
    #: Gives back what it holds open.
    close: Callable[[], None]


def _simulated(settings: Settings, database_url: str, named: NamedWallet) -> Network:
    from oee_daemon.networks.simulated.network import build

    return build(settings, database_url, named)


#: What makes each network, by its name in `OEE_NETWORK`.
BUILDERS: Mapping[str, Callable[[Settings, str, NamedWallet], Network]] = {"simulated": _simulated}


def open_network(settings: Settings, database_url: str, named: NamedWallet = lambda: None) -> Network:
    """The network that the settings name. Raises `StartFailed` where its wallet can't be used."""
    return BUILDERS[settings.network](settings, database_url, named)
