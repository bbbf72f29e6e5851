"""One tick of the leader: prices of all pairs at once, and the orders that they have reached fire.

Between two ticks nothing is held per order. A tick that reaches nobody costs no statement: the nearest price
of each pair and rule is known, and is only a hint; what decides is the statement that fires, which compares
again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from oee_daemon import failpoints
from oee_daemon.contract.order_types import URGENT, Side
from oee_daemon.engine import engine_conditions_met
from oee_daemon.engine.engine_conditions_met import Candidate, Held
from oee_daemon.engine.engine_launches import Fired
from oee_daemon.engine.engine_price_post import Lead, Post, one_look_for, post_of, told
from oee_daemon.engine.engine_quotes import may_choose, request_of
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.prices import Price, PriceSource, Watched, price_of
from oee_daemon.orders.conditions import Rule, is_reached
from oee_daemon.orders.swap import Quote
from oee_daemon.store import watch_sql
from oee_daemon.store.database import aside
from oee_daemon.store.order_rows import order_of

#: Seconds until what was learned of an order is doubted, for liquidity comes back; for which one rests that
#: no venue has a price for; and between two firm prices by which trailing stops follow an estimate.
LEARNED_S, UNPRICED_S, FOLLOW_S = 30.0, 2.0, 5.0
#: Fired and unsent limit orders for each that may be in execution: more would be old when they are tried.
ROOM = 4
#: Seconds after which the limits of no further pair are asked about in one look.
LIMITS_S = 1.0
#: What the prices have reached, by pair.
Reached = dict[str, list[Candidate]]
#: What may fire, and for how many milliseconds its condition has held; a limit's need not.
Ready = Sequence[tuple[Candidate, int | None]]


class PriceTicks:
    """`max_active`: orders in execution at once."""

    def __init__(self, db: Engine, network: Network, source: PriceSource, *, max_active: int) -> None:
        self._db = db
        self._network = network
        self._source = source
        self._desk = TokenDesk(db, network)
        #: Whether venues are asked before anything fires.
        self.estimates = source.estimates
        self._most = ROOM * max_active
        self._held = Held()
        #: Orders of several pairs can be of one group: one statement at a time fires.
        self._firing = asyncio.Lock()
        self._faults = FaultLog()
        #: At which of the pairs that are met the limits begin.
        self._turn = 0
        #: Fired, and not counted in Postgres yet.
        self._fired_of_late = 0
        #: Near misses that are not counted there yet, and those that the last look left without room.
        self._missed_of_late = self._deferred = 0
        self._asked_at = -inf
        self.posts: dict[str, Post] = {}
        #: What each of them was read from.
        self._rows: dict[str, Any] = {}

    def confirm_anew(self) -> None:
        """Whoever begins to lead, or leads again, knows nothing of what was in between."""
        self._held.keep(())

    async def read_posts(self) -> None:
        """What is nearest now; what is known of a pair's price is kept."""
        rows = await aside(self._db, watch_sql.POSTS.all)
        # Of a token that this worker does not know a price would be off by powers of ten.
        await self._desk.know({mint for row in rows for mint in row.pair.split("/")})
        known, self.posts = self.posts, {}
        before, self._rows = self._rows, {row.pair: row for row in rows}
        for row in rows:
            post = known.get(row.pair)
            if post is None or before.get(row.pair) != row:
                post = post_of(row, self._network.tokens, post)
            if post is not None:
                self.posts[row.pair] = post

    async def once(self, lead: Lead, hand: Callable[[Sequence[Fired]], None]) -> list[UUID]:
        """The orders that fired. `hand` is given them as they do: stops wait neither for limits nor for the
        stops of other pairs."""
        asked_at = time.monotonic()
        every = one_look_for(self.posts.values(), self._source)
        if every > 1 and asked_at - self._asked_at < (every - 0.5) * self._source.cadence_s:
            # The nearest of all is far.
            return []
        self._asked_at, self._deferred = asked_at, 0
        prices = await self._source.prices([post.pair for post in self.posts.values()])
        good = {name: price for name, price in prices.items() if self._believe(name, price, asked_at)}
        reached = {name: price for name, price in good.items() if self.posts[name].reached(price)}
        if not reached:
            self._held.keep(())
            return []
        found = await self._probe(reached)
        self._held.keep([c.order for candidates in found.values() for c in candidates])
        fired: list[UUID] = []

        async def fire(name: str, *, limits: bool) -> None:
            price, candidates = reached[name], [c for c in found[name] if c.is_limit is limits]
            if candidates:
                price_at = lead.moment(asked_at, price.age_s)
                try_to = self._fire_limits if limits else self._fire_stops
                done = await try_to(lead, price, price_at, candidates)
                kinds = {c.order.id: c.order.type for c in candidates}
                hand([(order_id, kinds[order_id]) for order_id in done])
                fired.extend(done)

        tried = await asyncio.gather(*(fire(name, limits=False) for name in found), return_exceptions=True)
        # One pair after another: each takes of the room that is left. Another one begins each time: what
        # venues take to answer makes the price too old for those that come last, and hides all stops.
        names = deque(found)
        names.rotate(-self._turn)
        until, asked = time.monotonic() + LIMITS_S, 0
        while asked < len(names) and (not asked or time.monotonic() < until):
            tried += await asyncio.gather(fire(names[asked], limits=True), return_exceptions=True)
            asked += 1
        self._turn += asked if asked < len(names) else 1
        for fault in tried:
            self._note(fault)
        return fired

    def _note(self, fault: BaseException | None) -> None:
        """What fails of one pair keeps no other from firing; without Postgres none does."""
        if isinstance(fault, OperationalError | asyncio.CancelledError):
            raise fault
        if fault is not None:
            self._faults.say("orders of a pair could not be fired", fault)

    def _believe(self, name: str, price: Price, asked_at: float) -> bool:
        post = self.posts[name]
        believable = engine_conditions_met.believable(price, post.last, self._source.must_be_ordered)
        good = post.note(price, believable)
        if price.age_s <= self._source.max_age_s:
            # Not by when the answer came: no price is younger than it says.
            post.fresh_at = asked_at - price.age_s
        # By one that is too old nothing trails, either.
        post.good = price if good and price.age_s < self._source.max_age_s else None
        return good and price.age_s < self._source.max_age_s

    async def _probe(self, reached: Mapping[str, Price]) -> Reached:
        values = {
            "pairs": list(reached),
            "bids": [price.bid for price in reached.values()],
            "asks": [price.ask for price in reached.values()],
        }
        found: Reached = {}
        for row in await aside(self._db, watch_sql.PROBE.all, values):
            order = order_of(row._asdict())
            found.setdefault(order.pair, []).append(
                Candidate(order, Rule(row.arm_rule), Decimal(row.arm_price))
            )
        return found

    async def _fire_stops(
        self, lead: Lead, price: Price, price_at: datetime, stops: Sequence[Candidate]
    ) -> list[UUID]:
        now_s = time.monotonic()
        held = [(stop, self._held.ms(stop.order, price.slot, now_s)) for stop in stops]
        ready: Ready = [(stop, ms) for stop, ms in held if ms is not None]
        if ready and self._source.estimates:
            price_at = lead.moment(time.monotonic())
            price, ready = await self._borne_out(price, ready)
        return await self._fire_orders(lead, price, price_at, ready)

    async def _fire_limits(
        self, lead: Lead, price: Price, price_at: datetime, limits: Sequence[Candidate]
    ) -> list[UUID]:
        return await self._fire_orders(
            lead, price, price_at, [(c, None) for c in await self._limits_met(limits, price)]
        )

    async def _fire_orders(self, lead: Lead, price: Price, price_at: datetime, ready: Ready) -> list[UUID]:
        fired: list[UUID] = []
        for first in range(0, len(ready), watch_sql.MOST):
            part = ready[first : first + watch_sql.MOST]
            async with self._firing:
                failpoints.hit("before_fire")
                fired += await aside(self._db, self._fire_now, lead, price, price_at, part)
                failpoints.hit("after_fire")
        self._fired_of_late += len(fired)
        return fired

    async def _borne_out(self, price: Price, stops: Ready) -> tuple[Price, Ready]:
        """The stops that a firm price for a little bears out, and that price: an estimate fires none. One
        that it does not bear out has to hold anew."""
        pair = self.posts[stops[0][0].order.pair].pair
        sides = {stop.order.side for stop, _ in stops}
        firm = await self._firm_price(pair, price, sides)
        if firm is None:
            return price, []
        kept: list[tuple[Candidate, int | None]] = []
        for stop, held in stops:
            if is_reached(stop.rule, stop.armed, firm.bid, firm.ask):
                kept.append((stop, held))
            else:
                self._held.drop(stop.order)
        return firm, kept

    async def _firm_price(self, pair: Watched, price: Price, sides: Collection[Side]) -> Price | None:
        """The estimate with what the venues say now for a little, on these sides; none where one has none."""
        asked = [side for side in Side if side in sides]
        quotes = await asyncio.gather(*(self._source.probed(pair, side) for side in asked))
        for side, quote in zip(asked, quotes, strict=True):
            if quote is None:
                return None
            found = price_of(quote, side, pair.base, pair.quote)
            if side is Side.SELL:
                price = replace(price, bid=found, bid_venue=quote.venue, age_s=0.0)
            else:
                price = replace(price, ask=found, ask_venue=quote.venue, age_s=0.0)
        return price

    def _fire_now(
        self, conn: Connection, lead: Lead, price: Price, price_at: datetime, ready: Ready
    ) -> list[UUID]:
        fixed = [engine_conditions_met.fixed_at(c, self._network.tokens) for c, _ in ready]
        source = self._source.name
        triggers = [
            Jsonb(engine_conditions_met.trigger(c, price, source, held_ms=held, fence=lead.fence))
            for c, held in ready
        ]
        values: dict[str, Any] = {
            "fence": lead.fence,
            "price_at": price_at,
            "max_age": timedelta(seconds=self._source.max_age_s),
            "bid": price.bid,
            "ask": price.ask,
            "ids": [c.order.id for c, _ in ready],
            "triggers": triggers,
            "limits": [limit for limit, _, _ in fixed],
            "receives": [None if units is None else Decimal(units) for _, units, _ in fixed],
            "spends": [None if units is None else Decimal(units) for _, _, units in fixed],
            "fences": [c.order.fence for c, _ in ready],
        }
        return watch_sql.FIRE.column(conn, values)

    async def _limits_met(self, limits: Sequence[Candidate], price: Price) -> list[Candidate]:
        """The limits that the firm price of their own size meets, best first, as many as there is room for;
        what is not met is looked at again when the market has moved that far."""
        room = self._most - int(await aside(self._db, watch_sql.ROOM.value) or 0)
        asked = limits[: self._source.most_firm]
        quotes = await asyncio.gather(*(self._firm(c) for c in asked))
        priced = [(c, quote) for c, quote in zip(asked, quotes, strict=True) if quote is not None]
        await self._rest([c for c, quote in zip(asked, quotes, strict=True) if quote is None])
        met = [c for c, quote in priced if engine_conditions_met.is_met(c.order, quote)]
        missed = [(c, quote) for c, quote in priced if not engine_conditions_met.is_met(c.order, quote)]
        if missed:
            await self._learn(missed, price)
        # What can't wait asks for no room: a stop that has fired and waits for its limit.
        urgent = [c for c in met if c.order.type in URGENT]
        others = [c for c in met if c.order.type not in URGENT]
        self._deferred += max(0, len(others) - max(0, room))
        return urgent + others[: max(0, room)]

    async def _firm(self, candidate: Candidate) -> Quote | None:
        order = candidate.order
        request = request_of(order, self._network.tokens, order.number, order.attempt)
        most = self._network.max_impact
        return await self._source.firm(request, lambda quote: may_choose(order, quote, most))

    async def _learn(self, missed: Sequence[tuple[Candidate, Quote]], price: Price) -> None:
        """At which price of the pair each would be met."""
        tokens = self._network.tokens
        prices = [engine_conditions_met.learned(c, quote, price, tokens) for c, quote in missed]
        self._missed_of_late += len(missed)
        await self._arm([c for c, _ in missed], prices, LEARNED_S)

    async def _rest(self, unpriced: Sequence[Candidate]) -> None:
        """Those that no venue can fill now make room for others of their pair. By their own prices: what was
        learned is looked at again at once."""
        if unpriced:
            await self._arm(unpriced, [engine_conditions_met.wanted(c) for c in unpriced], UNPRICED_S)

    async def _arm(self, looked: Sequence[Candidate], prices: Sequence[Decimal], rest_s: float) -> None:
        values = {
            "rest": timedelta(seconds=rest_s),
            "ids": [c.order.id for c in looked],
            "olds": [c.armed for c in looked],
            "fences": [c.order.fence for c in looked],
            "prices": prices,
        }
        await aside(self._db, watch_sql.LEARN.run, values)

    async def follow(self, lead: Lead) -> None:
        """Trailing stops follow the newest price: once a second, and stored before it counts."""
        posts = [post for post in self.posts.values() if post.trails and self._fresh(post)]
        # All at once: where a venue hangs no stop is seen meanwhile.
        for post, price in zip(posts, await asyncio.gather(*map(self._price_to_follow, posts)), strict=True):
            if price is None:
                continue
            values = {
                "pair": post.pair.name,
                "bid": price.bid,
                "ask": price.ask,
                "fence": lead.fence,
                "price_at": lead.moment(post.fresh_at),
                "max_age": timedelta(seconds=self._source.max_age_s),
            }
            await aside(self._db, watch_sql.PEAKS.run, values)

    async def _price_to_follow(self, post: Post) -> Price | None:
        """What trailing stops follow: where there is an estimate a firm price that it is not ahead of, so
        that no slip of somebody's price list moves a stop."""
        price, now = post.good, time.monotonic()
        if price is None or not self._source.estimates:
            return price
        if now - post.followed_at < FOLLOW_S:
            return None
        post.followed_at = now
        rules = {Side.SELL: Rule.SELL_STOP, Side.BUY: Rule.BUY_STOP}
        sides = [side for side, rule in rules.items() if post.nearest[rule] is not None]
        firm = await self._firm_price(post.pair, price, sides)
        if firm is None:
            return None
        return replace(firm, bid=min(firm.bid, price.bid), ask=max(firm.ask, price.ask))

    def _fresh(self, post: Post) -> bool:
        return time.monotonic() - post.fresh_at <= self._source.max_age_s

    async def tell(self, lead: Lead, gap_s: float) -> None:
        """Stores what is seen of each pair, and a gap where nothing fresh is."""
        every = one_look_for(self.posts.values(), self._source)
        cadence_ms = round(every * self._source.cadence_s * 1000)
        source = self._source
        rows = [told(post, source, lead, self._fresh(post), cadence_ms) for post in self.posts.values()]
        values = {"rows": Jsonb(rows), "fence": lead.fence, "gap": timedelta(seconds=gap_s)}
        values |= {"fired": self._fired_of_late, "missed": self._missed_of_late, "deferred": self._deferred}
        self._fired_of_late = self._missed_of_late = 0
        await aside(self._db, watch_sql.SEEN.run, values)
