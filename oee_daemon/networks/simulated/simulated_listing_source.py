"""The new tokens of the simulated network, as the engine asks for them: listings at the chain's height."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.network_listings import NewPool, NewToken, Upcoming
from oee_daemon.networks.simulated import simulated_listings
from oee_daemon.networks.simulated.simulated_chain import SLOT_S
from oee_daemon.networks.simulated.simulated_listings import Listing, Trap
from oee_daemon.networks.simulated.simulated_market import REFERENCE_USD, Pool
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import Token

#: Slots over which it is seen whether a pool is being emptied.
SEEN_SLOTS = 2


class SimulatedListings:
    """`height`: of the chain; `spacing`: slots between two listings."""

    pace_s = 0.0

    def __init__(self, height: Callable[[], Awaitable[int]], *, seed: int, spacing: int) -> None:
        self._height = height
        self._seed = seed
        self._spacing = spacing

    def of_mint(self, mint: str) -> Listing | None:
        return simulated_listings.of_mint(self._seed, mint, self._spacing)

    def traded(self, given: Token, taken: Token) -> Listing | None:
        """The new token among the two, if one is. What has a reference price is none, and costs nothing."""
        for token in (given, taken):
            if token.symbol not in REFERENCE_USD and (found := self.of_mint(token.mint)) is not None:
                return found
        return None

    async def quote(self, pool: Pool, token: Listing, ask: QuoteRequest) -> Quote:
        """Raises `VenueRefused` and `ChainUnavailable`."""
        return simulated_listings.quote(self._seed, pool, token, ask, await self._height())

    def facts(self, mint: str) -> MintFacts | None:
        """What a mint is, where it is one of these."""
        found = self.of_mint(mint)
        return None if found is None else found.facts

    async def look(self, mint: str, against: str, deadline_s: float, *, urgent: bool) -> NewToken | None:
        found = self.of_mint(mint)
        if found is None:
            return None
        height = await self._height()
        return NewToken(
            facts=found.facts,
            fee_bps=simulated_listings.KEPT if found.trap is Trap.FEE else 0,
            fee_can_change=found.trap in (Trap.FEE, Trap.FEE_LATER),
            can_be_closed=False,
            pool=self._pool(found, height) if height >= found.listed_at else None,
        )

    def _pool(self, token: Listing, height: int) -> NewPool:
        before = height - SEEN_SLOTS
        return NewPool(
            venue=token.venue.venue,
            slot=height,
            age_s=(height - token.listed_at) * SLOT_S,
            opens_in_s=max(0, token.opens_at - height) * SLOT_S,
            reserve_usd=Decimal(token.reserve_usd(height)),
            reserve_before_usd=(Decimal(token.reserve_usd(before)) if before >= token.listed_at else None),
            locked_bps=0 if token.trap is Trap.LP_FREE else 10_000,
            holders_bps=simulated_listings.holders_bps(self._seed, token),
        )

    async def sold_back(self, request: QuoteRequest, quote: Quote, deadline_s: float) -> int | None:
        token = self.of_mint(request.output_token.mint)
        return None if token is None else simulated_listings.sold_back(token, request, quote)

    async def upcoming(self, limit: int) -> Sequence[Upcoming]:
        height = await self._height()
        # A token of that number comes at the earliest so many spacings after the chain began.
        first = max(0, height // self._spacing - 2)
        tokens = (
            simulated_listings.listing(self._seed, number, self._spacing)
            for number in range(first, first + limit + 4)
        )
        ahead = sorted((t for t in tokens if t.listed_at > height), key=lambda t: t.listed_at)
        return [
            Upcoming(mint=t.mint, symbol=t.symbol, in_s=(t.listed_at - height) * SLOT_S)
            for t in ahead[:limit]
        ]
