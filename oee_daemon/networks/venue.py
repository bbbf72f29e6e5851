"""What every venue offers: a firm price, and a swap built from it. Neither has an effect.

A venue honours its deadline by itself, with a timeout on every call it makes; a new one passes the suite in
`networks.conformance` before anything trades on it. What it builds is judged by the network's guard. Its
coroutines run on the loop of everybody's orders: none may block it, and each ends when it is cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be swapped: the chosen quote of an order's attempt, and the bound it must keep.

    `quote.route` is what the venue gave with that quote, also after a crash. `bound` is the least to receive
    (`ExactIn`) or the most to spend (`ExactOut`), base units. `payer` is the wallet's address. `by_quote`:
    nobody but that quote says what the bound is. `fee_cap`: the most that it may pay the network, base units
    of its own coin; none where the settings alone say it.
    """

    order_id: UUID
    request: QuoteRequest
    quote: Quote
    bound: int
    payer: str
    by_quote: bool = False
    fee_cap: int | None = None


class Venue(Protocol):
    """One place that quotes and builds."""

    @property
    def name(self) -> str: ...

    @property
    def fee_bps(self) -> int | None:
        """What it takes of every input, in basis points; none where that differs from pool to pool."""
        ...

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        """A firm price within `deadline_s` seconds.

        Raises `VenueRefused` where asking again won't help, `VenueLate` where it may.
        """
        ...

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        """The swap to sign, within `deadline_s` seconds, which can land up to the anchor's height.

        Its bytes carry the order's id, so that the chain's fills tell whose they are. Raises `VenueError`.
        """
        ...
