"""What a network is: everything that differs from one to the next. `network_opening` makes it of settings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from oee_daemon.networks.chain import Chain
from oee_daemon.networks.guard import Guard
from oee_daemon.networks.holdings import Directory, Holdings, Mints
from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.network_endpoints import Endpoints
from oee_daemon.networks.network_fees import NetworkFees
from oee_daemon.networks.network_listings import Listings
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.prices import PriceSource
from oee_daemon.networks.venue import Venue
from oee_daemon.networks.wallet import Wallet

#: Tells the address of the wallet that the database belongs to; none where no engine has worked on it yet.
NamedWallet: TypeAlias = Callable[[], str | None]


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything that differs from one network to the next."""

    name: str
    venues: Sequence[Venue]
    chain: Chain
    wallet: Wallet
    tokens: TokenBook
    guard: Guard
    #: The addresses by which the chain is asked; none where there are none.
    endpoints: Endpoints | None = None
    #: Gives back what it holds open.
    close: Callable[[], Coroutine[Any, Any, None]]
    #: What the wallet holds; none where swaps move nothing of anybody's.
    holdings: Holdings | None = None
    #: What the chain says of tokens; none where there are the pinned ones alone.
    mints: Mints | None = None
    #: Marginal prices, by which orders wait for a price; none where no order can.
    prices: PriceSource | None = None
    #: Tokens that are not traded yet; none where nobody looks for any.
    listings: Listings | None = None
    #: Names and prices of tokens; none where nobody is asked.
    directory: Directory | None = None
    #: The most that a swap may pay the network, base units of its own coin; none where it takes nothing.
    fee_cap: int | None = None
    #: About what it would take of a swap; none where it takes nothing.
    fees: NetworkFees | None = None
    #: Basis points: what moves the price further is not chosen.
    max_impact: int | None = None
    #: Landings that its nodes tell in different ways.
    contests: Contests = field(default_factory=Contests)
    #: What the daemon does once at its start, before it takes orders: play money, where that is given away.
    begin: Callable[[], Coroutine[Any, Any, None]] = _nothing
