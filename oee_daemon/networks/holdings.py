"""What a wallet holds, what a mint is, and what a token is worth: as far as a network can tell.

A network without a chain to read has none of these, and then nothing asks. Amounts are base units; prices are
exact decimals. What an order may spend is decided in `engine_order_checks`, never here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from oee_daemon.orders.swap import QuoteRequest


@dataclass(frozen=True, slots=True)
class Extension:
    """What a mint has beside a plain token. `risk`: somebody can take the token back by it, or stop it."""

    name: str
    detail: str = ""
    risk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MintFacts:
    """What the chain says of a mint. `symbol` and `name` are what the mint says of itself, which anybody can
    write."""

    mint: str
    decimals: int
    program: str
    mint_authority: str | None = None
    freeze_authority: str | None = None
    extensions: tuple[Extension, ...] = ()
    symbol: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What the wallet has of one token, in all of its accounts; `frozen` of it can't be moved now."""

    mint: str
    decimals: int
    units: int
    frozen: int = 0
    #: SOL in the form of a token, which a swap of SOL does not spend.
    wrapped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the wallet could put into one swap, of one moment.

    `native` of the network's own coin; `given` of the input token, where a swap takes it from. `fee`: the
    most that the network may be paid, `reserve`: what new accounts take and the wallet has to keep, both in
    the network's own coin. `spends_native`: the input is that coin. `facts`: by mint, of what is traded;
    none where nobody could read mints. `delegated`: the wallet's own accounts, by the mint of what is traded,
    that somebody else may spend from or close.
    """

    native: int
    given: int
    fee: int
    reserve: int
    spends_native: bool
    coin: str = "SOL"
    coin_decimals: int = 9
    facts: Mapping[str, MintFacts] | None = None
    delegated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFound:
    """A token that somebody's directory knows. Nothing is traded by it."""

    symbol: str
    name: str
    mint: str
    decimals: int | None
    verified: bool


class Holdings(Protocol):
    """The wallet's, asked of the chain. Each call raises `ChainUnavailable` where nobody answers."""

    async def balances(self, deadline_s: float) -> Sequence[Holding]:
        """Everything that the wallet holds, the network's own coin first; all of one node's moment."""
        ...

    async def means(
        self, request: QuoteRequest, deadline_s: float, *, every: bool = False, opens: Sequence[str] = ()
    ) -> Sequence[Means]:
        """What a node says of the wallet for this swap; with `every`, each node that answers. `opens`: as in
        `Toll`; the reserve counts those that are not there."""
        ...


class Mints(Protocol):
    """What the chain says of mints."""

    async def read(self, mints: Sequence[str], deadline_s: float) -> Mapping[str, MintFacts]:
        """By mint; what is no mint is left out. Raises `ChainUnavailable`."""
        ...


class Directory(Protocol):
    """A service that knows tokens by their names, and what they cost. Raises `VenueError`."""

    async def search(self, text: str, deadline_s: float) -> Sequence[TokenFound]: ...

    async def usd(self, mints: Sequence[str], deadline_s: float) -> Mapping[str, Decimal]:
        """US dollars for one whole token, by mint; what has no price is left out."""
        ...
