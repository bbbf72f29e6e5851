"""The marginal prices of a Solana network: one look for all pairs, however many orders wait for them.

A look is an estimate: the pair's own pool by the chain where it is deep, else Jupiter's prices of both
tokens, fifty in a request, brought to the level of the best venue by a firm quote for a little every so
often. Nothing fires by an estimate alone (`estimates`). Where the chain's slot stands still, so does time:
whatever Jupiter says then is as old as the chain.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from oee_daemon.contract.order_types import Side, SwapMode
from oee_daemon.errors import OeeError, VenueRefused
from oee_daemon.networks.prices import PROBE_USD, Price, Watched, best_of, price_of, rounded
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_pool_reader import PoolReader, Sight
from oee_daemon.networks.solana.solana_profile import Pace
from oee_daemon.networks.solana.venues.cpmm_pool import Pool
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS, Token

log = logging.getLogger(__name__)

#: Seconds that a venue has to quote, and past which one that ignores it is left alone.
QUOTE_S, LATE_S = 1.0, 1.25
#: US dollars that a pool has to hold of each token for its price to stand for the pair's.
DEEP_USD = 50_000
#: Seconds for which a level counts.
LEVEL_KEPT_S = 600.0
#: How much worse than the estimate the best quote may be where a better venue may be missing: beyond it the
#: only one that quoted may be a pool that nobody trades on.
ODD = Fraction(2, 100)
#: How much better than an estimate by Jupiter's prices, or by a pool, which may stand apart from the market
#: by its fee, a quote may be to move it.
DEAR_USD, DEAR_POOL = ODD, Fraction(5, 100)
#: Times a little that is asked for where a little is dear: 1,000 US dollars.
MORE = 100
#: Part of a pool that a little of a token is where nobody knows its worth.
_LITTLE = 10_000
#: The venue whose pools are read, the one that asks all markets, and venues of which each is one of these.
_POOLS, _ASKS_ALL = "cpmm", "jupiter"
_AMONG = {"meteora": _ASKS_ALL, "orca": _ASKS_ALL}
#: What a venue says; None: it has not answered.
_Answer = Quote | VenueRefused | None


@dataclass(slots=True)
class _Level:
    """What the best venue's price is of the estimate, by side, which venue that is, and at which slot it said
    so. `by_pool`: of which estimate."""

    by_pool: bool
    at: float
    parts: dict[Side, tuple[Fraction, str, int]]


@dataclass(frozen=True, slots=True)
class _Estimate:
    price: Fraction
    by_pool: bool
    age_s: float
    slot: int


class SolanaPrices:
    """`venues`: those that orders trade on; no `directory` where Jupiter is not there. Of one event loop."""

    #: An estimate is brought to the level of each side's best venue, and these may stand apart.
    must_be_ordered = False
    estimates = True

    def __init__(
        self, reader: PoolReader, directory: JupiterDirectory | None, venues: Sequence[Venue], pace: Pace
    ) -> None:
        self.name = "rpc" if directory is None else "rpc+jupiter"
        self._reader = reader
        self._directory = directory
        self._venues = venues
        self._pace = pace
        self.cadence_s = pace.look_s
        self.max_age_s = pace.max_age_s
        self.most_firm = pace.most_firm
        #: US dollars for one whole token, and when and at which slot that was asked for.
        self._usd: dict[str, tuple[Fraction, float, int]] = {}
        #: The slot of the last look: two that the chain has not moved on between are one observation.
        self._slot = 0
        #: Tokens that prices were asked of.
        self._priced: set[str] = set()
        self._usd_at = self._level_at = -pace.usd_s - pace.level_s
        self._levels: dict[str, _Level] = {}
        self._seen: dict[str, tuple[_Estimate, Pool | None]] = {}
        self._fresh_at = 0.0

    async def prices(self, pairs: Sequence[Watched]) -> Mapping[str, Price]:
        # What only looks is not to go blind while orders execute: past half of its age it is as urgent.
        urgent = time.monotonic() - self._fresh_at > self.max_age_s / 2
        asked_at = time.monotonic()
        sight, usd = await asyncio.gather(
            self._reader.look(pairs, urgent=urgent), self._ask_usd(pairs, urgent=urgent)
        )
        self._slot = self._slot if sight is None else sight.slot
        self._usd |= {mint: (Fraction(price), asked_at, self._slot) for mint, price in usd.items()}
        if sight is None:
            return {}
        if sight.age_s < self.cadence_s:
            self._fresh_at = time.monotonic()
        self._seen = {}
        for pair in pairs:
            pool = self._choose_believed(pair, sight)
            if (estimate := self._estimate(pair, pool, sight)) is not None:
                self._seen[pair.name] = estimate, pool
        await self._level(pairs)
        return {pair.name: self._price(pair) for pair in pairs if pair.name in self._seen}

    async def firm(self, request: QuoteRequest, may: Callable[[Quote], bool] | None = None) -> Quote | None:
        # What executes goes before: a price for what may fire is asked as what is looked at.
        answers = await _ask_all(self._venues, replace(request, number=0))
        return best_of([one for one in answers if isinstance(one, Quote)], request.mode, may)

    async def probed(self, pair: Watched, side: Side) -> Quote | None:
        return await self._probe(pair, side, urgent=True)

    # The estimate.

    async def _ask_usd(self, pairs: Sequence[Watched], *, urgent: bool) -> Mapping[str, Decimal]:
        if self._directory is None:
            return {}
        now = time.monotonic()
        mints = sorted({token.mint for pair in pairs for token in (pair.base, pair.quote)})
        # Who has no price is not asked for more often than the others.
        new = not self._priced.issuperset(mints)
        if not new and now - self._usd_at < self._pace.usd_s:
            return {}
        self._usd_at = now
        self._priced = set(mints)
        try:
            return await self._directory.usd(mints, QUOTE_S, urgent=urgent)
        except OeeError as e:
            log.debug("Jupiter tells no prices", extra={"reason": e.message})
            return {}

    def _choose_believed(self, pair: Watched, sight: Sight) -> Pool | None:
        """Of two endpoints that tell of a pool what is far apart, the one that Jupiter's prices bear out,
        where these are not old."""
        pool, other = sight.pools.get(pair.name), sight.others.get(pair.name)
        usd = [self._usd.get(token.mint) for token in (pair.base, pair.quote)]
        if usd[0] is None or usd[1] is None or other is None:
            return pool
        if time.monotonic() - min(usd[0][1], usd[1][1]) > self.max_age_s:
            return pool
        by_usd = usd[0][0] / usd[1][0]
        if pool is not None and abs(_mid(pool, pair) - _mid(other, pair)) <= ODD * _mid(other, pair):
            return pool
        return min(
            [one for one in (pool, other) if one is not None], key=lambda one: abs(_mid(one, pair) - by_usd)
        )

    def _estimate(self, pair: Watched, pool: Pool | None, sight: Sight) -> _Estimate | None:
        usd = [self._usd.get(token.mint) for token in (pair.base, pair.quote)]
        by_usd = None
        if usd[0] is not None and usd[1] is not None:
            now = time.monotonic()
            age_s = max(sight.age_s, *(now - one[1] for one in usd if one is not None))
            slot = min(one[2] for one in usd if one is not None)
            by_usd = _Estimate(usd[0][0] / usd[1][0], False, age_s, slot)
        if pool is None:
            return by_usd
        by_pool = _Estimate(_mid(pool, pair), True, sight.age_s, sight.slot)
        if self._directory is None:
            return by_pool
        quote_usd = usd[1][0] if by_usd is not None and usd[1] is not None else 0
        held = Fraction(pool.held_out, 10**pair.quote.decimals) * (1 if pair.quote.stable else quote_usd)
        # A shallow pool says nothing, whether or not Jupiter knows better.
        return by_pool if held >= DEEP_USD else by_usd

    def _price(self, pair: Watched) -> Price:
        estimate = self._seen[pair.name][0]
        level = self._levels.get(pair.name)
        kept = level is not None and level.by_pool is estimate.by_pool
        plain = Fraction(1), _POOLS if estimate.by_pool else _ASKS_ALL, estimate.slot
        parts = level.parts if level is not None and kept else {}
        bid, bid_venue, bid_slot = parts.get(Side.SELL, plain)
        ask, ask_venue, ask_slot = parts.get(Side.BUY, plain)
        return Price(
            bid=rounded(estimate.price * bid, Side.SELL),
            ask=rounded(estimate.price * ask, Side.BUY),
            # What was asked once is one observation, however often it is multiplied.
            slot=max(estimate.slot, min(bid_slot, ask_slot)),
            age_s=estimate.age_s,
            bid_venue=bid_venue,
            ask_venue=ask_venue,
        )

    # Its level.

    async def _level(self, pairs: Sequence[Watched]) -> None:
        """Asks the venues for a little of those pairs whose level is the oldest, each side at once."""
        now = time.monotonic()
        seen = [pair for pair in pairs if pair.name in self._seen]
        due = [pair for pair in seen if self._is_due(pair, now)]
        if not due or now - self._level_at < self._pace.level_s:
            return
        self._level_at = now
        due.sort(key=lambda pair: self._levels[pair.name].at if pair.name in self._levels else 0.0)
        asked = [(pair, side) for pair in due[: self._pace.levels] for side in Side]
        for pair, _ in asked:
            self._levels.setdefault(pair.name, _Level(self._seen[pair.name][0].by_pool, now, {})).at = now
        await asyncio.gather(*(self._probe(pair, side, urgent=False) for pair, side in asked))

    def _is_due(self, pair: Watched, now: float) -> bool:
        level = self._levels.get(pair.name)
        if level is not None and now - level.at > LEVEL_KEPT_S:
            # Nobody watched it for a while: what it was worth then says nothing.
            del self._levels[pair.name]
            level = None
        return level is None or now - level.at >= self._pace.level_s

    async def _probe(self, pair: Watched, side: Side, *, urgent: bool) -> Quote | None:
        estimate, pool = self._seen.get(pair.name, (None, None))
        given, taken = (pair.base, pair.quote) if side is Side.SELL else (pair.quote, pair.base)
        amount = self._little(pair, given, pool)
        if estimate is None or amount is None:
            return None
        request = QuoteRequest(
            input_token=given,
            output_token=taken,
            amount=amount,
            mode=SwapMode.EXACT_IN,
            number=int(urgent),
        )
        slot = self._slot
        answers = await _ask_all(self._small, request)
        quote = best_of(_quotes(answers, estimate), request.mode)
        if quote is not None:
            part = Fraction(price_of(quote, side, pair.base, pair.quote)) / estimate.price
            worse = 1 - part if side is Side.SELL else part - 1
            if worse > ODD and not _is_whole(answers, estimate):
                return None
            # So dear a price may be that of a pool of a few dollars: it moves no estimate, which trailing
            # stops follow, and keeps no stop from firing whose market pays less for more.
            if -worse > (DEAR_POOL if estimate.by_pool else DEAR_USD):
                return await self._of_more(quote, request, estimate) if urgent else quote
            level = self._levels.get(pair.name)
            if level is None or level.by_pool is not estimate.by_pool:
                level = self._levels[pair.name] = _Level(estimate.by_pool, time.monotonic(), {})
            level.parts[side] = part, quote.venue, slot
        return quote

    async def _of_more(self, dear: Quote, request: QuoteRequest, estimate: _Estimate) -> Quote:
        """The best quote for so much that a pool of a few dollars can't fill it well; the dear one where
        nobody has another."""
        more = replace(request, amount=min(MAX_UNITS, MORE * request.amount))
        return best_of(_quotes(await _ask_all(self._small, more), estimate), request.mode) or dear

    @property
    def _small(self) -> Sequence[Venue]:
        """Without those whose markets another one asks too."""
        names = {venue.name for venue in self._venues}
        return [venue for venue in self._venues if _AMONG.get(venue.name) not in names]

    def _little(self, pair: Watched, given: Token, pool: Pool | None) -> int | None:
        """Base units of `given`, worth about `PROBE_USD`."""
        usd = Fraction(1) if given.stable else self._usd.get(given.mint, (None,))[0]
        if usd is None and given == pair.base and pair.quote.stable and pair.name in self._seen:
            usd = self._seen[pair.name][0].price
        if usd is not None:
            return min(MAX_UNITS, max(1, int(PROBE_USD / usd * 10**given.decimals)))
        if pool is None:
            return None
        return max(1, (pool.held_in if given == pair.base else pool.held_out) // _LITTLE)


async def _ask_all(venues: Sequence[Venue], request: QuoteRequest) -> Sequence[_Answer]:
    return await asyncio.gather(*(_ask(venue, request) for venue in venues))


def _quotes(answers: Sequence[_Answer], estimate: _Estimate) -> Sequence[Quote]:
    """A shallow pool may pay anything for a little: it counts where no other venue quotes."""
    quotes = [answer for answer in answers if isinstance(answer, Quote)]
    if estimate.by_pool:
        return quotes
    return [quote for quote in quotes if quote.venue != _POOLS] or quotes


def _is_whole(answers: Sequence[_Answer], estimate: _Estimate) -> bool:
    """Whether no better venue is missing. One that refuses what Jupiter has a price for may have lost its
    routes for a while; where Jupiter itself quotes, all markets were asked."""
    quoted = [isinstance(answer, Quote) for answer in answers]
    of_all = any(isinstance(answer, Quote) and answer.venue == _ASKS_ALL for answer in answers)
    return None not in answers and (estimate.by_pool or of_all or all(quoted))


async def _ask(venue: Venue, request: QuoteRequest) -> _Answer:
    try:
        async with asyncio.timeout(LATE_S):
            return await venue.quote(request, QUOTE_S)
    except VenueRefused as e:
        return e
    except (OeeError, TimeoutError) as e:
        log.debug("a venue has no price", extra={"venue": venue.name, "reason": str(e)})
    except Exception:
        # A venue's own fault must not keep the others' prices from being used.
        log.exception("a venue failed", extra={"venue": venue.name})
    return None


def _mid(pool: Pool, pair: Watched) -> Fraction:
    """Quote per base, in whole tokens, of no amount at all."""
    return Fraction(pool.held_out * 10**pair.base.decimals, pool.held_in * 10**pair.quote.decimals)
