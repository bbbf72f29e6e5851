"""Tokens that are not traded yet, as a network shows them: what each is, and its pool once there is one.

Facts alone: what speaks against buying is judged in `engine.engine_token_safety`. What nobody could read is
none, and never counts as harmless. The coroutines run on the loop of everybody's orders: none may block it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from oee_daemon.networks.holdings import MintFacts
from oee_daemon.orders.swap import Quote, QuoteRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPool:
    """The pool of a new token. `opens_in_s`: 0 where it is open. `reserve_usd`: of its quote side alone, now
    and two slots ago; the token's own worth is whatever its maker says. `route`: a quote's of that
    pool, where its venue has several for a pair."""

    venue: str
    route: bytes = b""
    slot: int
    age_s: float
    opens_in_s: float | None
    reserve_usd: Decimal | None
    reserve_before_usd: Decimal | None
    #: Basis points: of the liquidity that nobody can take out, of the supply that ten wallets hold.
    locked_bps: int | None
    holders_bps: int | None
    #: Why something above is none, by the name of the check that asks for it; a sentence without a full stop.
    unsaid: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token at one moment. `fee_bps`: the most that is kept of a transfer, now or in the next epoch;
    `fee_can_change`: somebody may set it. `pool`: none where there is none. `elsewhere`: a market that has a
    pool which nobody here reads, where one was seen."""

    facts: MintFacts
    fee_bps: int | None
    fee_can_change: bool | None
    can_be_closed: bool | None
    pool: NewPool | None
    elsewhere: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A token that will be traded. `in_s`: about when."""

    mint: str
    symbol: str
    in_s: float


class Listings(Protocol):
    #: Seconds between two looks at a token that is not near: 0, where a look costs nobody anything.
    pace_s: float

    async def look(self, mint: str, against: str, deadline_s: float, *, urgent: bool) -> NewToken | None:
        """The token now, and its pool for the token `against`; none where it is none. `urgent`: for an order
        that is executed, not one that waits. Raises `ChainUnavailable`."""
        ...

    async def sold_back(self, request: QuoteRequest, quote: Quote, deadline_s: float) -> int | None:
        """What comes back of the input, in base units, if what `quote` brings is sold again in the same
        moment; nothing moves. None where nobody can say. Raises `OeeError`."""
        ...

    async def upcoming(self, limit: int) -> Sequence[Upcoming] | None:
        """What will be traded next, the nearest first; none where nobody knows. Raises `ChainUnavailable`."""
        ...
