"""A venue of mainnet as the paper network trades on it: its live quotes, and a paper swap built of them."""

from __future__ import annotations

from oee_daemon.networks.paper.paper_swap import unsigned_of
from oee_daemon.networks.solana.solana_priority_fees import fee_of, units_about
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap

#: Compute units that a swap asks for: as one through two pools.
UNIT_LIMIT = units_about(2)
#: Micro-lamports for each unit where the chain does not tell what is paid: Raydium's high figure.
_HINT = 10_000


class PaperVenue:
    """`venue`: mainnet's own adapter, which is asked for quotes alone."""

    def __init__(self, venue: Venue, pricing: Pricing) -> None:
        self._venue = venue
        self._pricing = pricing

    @property
    def name(self) -> str:
        return self._venue.name

    @property
    def fee_bps(self) -> int | None:
        return self._venue.fee_bps

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return await self._venue.quote(request, deadline_s)

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        paid = await self._pricing.paid([], deadline_s)
        price = self._pricing.price(paid, _HINT, plan, UNIT_LIMIT)
        return unsigned_of(plan, anchor, fee_of(UNIT_LIMIT, price))
