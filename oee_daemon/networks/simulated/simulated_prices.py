"""The marginal prices of the simulated market, computed: they cost nothing, and asking begins to move a pair.

Faults that can be ordered of it (`contract.planned_faults`): it repeats an old slot, answers nothing, or
lags.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

from oee_daemon.contract.order_types import Side
from oee_daemon.contract.planned_faults import FEED, FEED_FAULTS
from oee_daemon.errors import ChainUnavailable, VenueRefused
from oee_daemon.networks.prices import Price, Watched, best_of, price_of, probe
from oee_daemon.networks.simulated import simulated_listings, simulated_market
from oee_daemon.networks.simulated.simulated_chain import SLOT_S
from oee_daemon.networks.simulated.simulated_faults import MARKET, Fault, Faults
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_path import Moved, key_of
from oee_daemon.orders.swap import Quote, QuoteRequest


@dataclass(eq=False)
class SimulatedPrices:
    """`height`: of the chain, by which prices move; `volatility`: basis points a slot."""

    name = "simulated"
    cadence_s = SLOT_S
    max_age_s = 2.0
    #: The venues stand apart, so that the best bid is above the best ask.
    must_be_ordered = False
    estimates = False
    most_firm = 20

    faults: Faults
    height: Callable[[], Awaitable[int]]
    _: KW_ONLY
    seed: int
    volatility: int
    listings: SimulatedListings | None = None

    def __post_init__(self) -> None:
        #: Of each pair that was asked for: its path, and a little of it, sold and bought.
        self._asks: dict[Watched, tuple[str, QuoteRequest, QuoteRequest]] = {}
        #: Since when each path is watched.
        self._begun: dict[str, int] = {}
        #: Where a feed that froze stands.
        self._frozen: int | None = None

    async def prices(self, pairs: Sequence[Watched]) -> Mapping[str, Price]:
        try:
            fault = await self.faults.take(FEED, FEED_FAULTS, None)
            height = await self.height()
            shifts = await self.faults.shifts()
            for pair in pairs:
                if pair not in self._asks:
                    self._asks[pair] = _asks_of(pair)
                key = self._asks[pair][0]
                if key not in self._begun:
                    self._begun[key] = await self.faults.watch(key, height)
        except ChainUnavailable:
            return {}
        shown = self._told_height(fault, height)
        if shown is None:
            return {}
        age_s = (height - shown) * SLOT_S
        found = ((pair, self._price(pair, shown, age_s, shifts)) for pair in pairs)
        return {pair.name: price for pair, price in found if price is not None}

    def _told_height(self, fault: Fault | None, height: int) -> int | None:
        """The height of which it tells, none where it tells nothing."""
        kind = None if fault is None else fault.kind
        if kind != "freeze":
            self._frozen = None
        if fault is not None and kind == "lag":
            return max(0, height - round((fault.ms or 0) / 1000 / SLOT_S))
        if kind == "freeze":
            self._frozen = height if self._frozen is None else self._frozen
            return self._frozen
        return None if kind == "blind" else height

    def _price(self, pair: Watched, height: int, age_s: float, shifts: Mapping[str, int]) -> Price | None:
        key, sale, purchase = self._asks[pair]
        at = self._places(self._begun[key], height, shifts)
        sold, bought = self._best(sale, at, height), self._best(purchase, at, height)
        if sold is None or bought is None:
            return None
        return Price(
            bid=price_of(sold, Side.SELL, pair.base, pair.quote),
            ask=price_of(bought, Side.BUY, pair.base, pair.quote),
            slot=height,
            age_s=age_s,
            bid_venue=sold.venue,
            ask_venue=bought.venue,
        )

    async def firm(self, request: QuoteRequest, may: Callable[[Quote], bool] | None = None) -> Quote | None:
        """As the venues would answer now; of a pair that nobody has watched yet, as if somebody began to."""
        key = key_of(request.input_token, request.output_token)
        try:
            height = await self.height()
            _, begun = await self.faults.met(FEED, (), None, key)
            shifts = await self.faults.shifts()
        except ChainUnavailable:
            return None
        at = self._places(height if begun is None else begun, height, shifts)
        return self._best(request, at, height, may)

    async def probed(self, pair: Watched, side: Side) -> Quote | None:
        return await self.firm(probe(pair, side, simulated_market.usd(pair.base)))

    def _places(self, begun: int, height: int, shifts: Mapping[str, int]) -> list[Moved]:
        """Where a path is that is watched since that height, by pool."""
        slots, market = max(0, height - begun), shifts.get(MARKET, 0)
        return [
            Moved(slots, self.volatility, shifts.get(pool.venue, 0) + market)
            for pool in simulated_market.POOLS
        ]

    def _best(
        self,
        request: QuoteRequest,
        places: Sequence[Moved],
        height: int,
        may: Callable[[Quote], bool] | None = None,
    ) -> Quote | None:
        quotes: list[Quote] = []
        tokens = request.input_token, request.output_token
        new = None if self.listings is None else self.listings.traded(*tokens)
        for pool, at in zip(simulated_market.POOLS, places, strict=True):
            try:
                if new is not None:
                    quotes.append(simulated_listings.quote(self.seed, pool, new, request, height))
                else:
                    quotes.append(simulated_market.quote(self.seed, pool, request, at))
            except VenueRefused:
                continue
        return best_of(quotes, request.mode, may)


def _asks_of(pair: Watched) -> tuple[str, QuoteRequest, QuoteRequest]:
    usd = simulated_market.usd(pair.base)
    return key_of(pair.base, pair.quote), probe(pair, Side.SELL, usd), probe(pair, Side.BUY, usd)
