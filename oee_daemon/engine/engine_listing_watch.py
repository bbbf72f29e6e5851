"""Looks, for orders that wait for a token to be listed, whether it is, and whether it may be bought.

A pool is not enough: the order fires once a venue has a price for its own size and every check has passed.
Where a check refuses, it fires too, and its attempt ends it with all verdicts; so does what is still unknown
when its time is nearly over. What is looked at in between is no event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_new_token_checks import NewTokenChecks
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.engine.engine_token_safety import Verdict
from oee_daemon.errors import AttemptFailed
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_listings import NewPool, NewToken
from oee_daemon.orders.order import Order
from oee_daemon.store import listing_watch_sql
from oee_daemon.store.database import aside
from oee_daemon.store.order_rows import order_of

#: Seconds before the end of its time in which an order is looked at for the last time, by an attempt.
LAST_S = 3.0
#: Seconds after its launch time in which a token is looked at as often as prices are.
NEAR_S = 60.0
#: Tokens of which is remembered when they were looked at.
MOST_KEPT = 10_000
#: A token, and what is paid with; an order, and the seconds that it has left.
_Subject: TypeAlias = tuple[str | None, str]
_Waiting: TypeAlias = tuple[Order, float | None]


class ListingWatch:
    """For the worker that leads."""

    def __init__(self, db: Engine, network: Network) -> None:
        self._db = db
        self._network = network
        self._checks = NewTokenChecks(network, FaultLog())
        self._desk = TokenDesk(db, network)
        #: By token and what is paid with, when it is looked at next, by the monotonic clock.
        self._next: dict[_Subject, float] = {}

    async def once(self, fence: int) -> list[UUID]:
        """The orders that fired."""
        rows = await aside(self._db, listing_watch_sql.LISTED.all)
        orders = self._due([(order_of(row._asdict()), row.left_s) for row in rows])
        looks = await self._looks([order for order, _ in orders])
        found = await asyncio.gather(
            *(self._trigger(order, left_s, looks[_subject(order)]) for order, left_s in orders)
        )
        met = [(order, trigger) for (order, _), trigger in zip(orders, found, strict=True) if trigger]
        if not met:
            return []
        failpoints.hit("before_fire")
        values = {
            "fence": fence,
            "ids": [order.id for order, _ in met],
            "triggers": [Jsonb(trigger) for _, trigger in met],
            "fences": [order.fence for order, _ in met],
        }
        return await aside(self._db, listing_watch_sql.FIRE_LISTED.column, values)

    def _due(self, orders: list[_Waiting]) -> list[_Waiting]:
        """Those to look at now: one that is near, or of which a pool is there, at each look."""
        now = time.monotonic()
        near = {
            _subject(order)
            for order, left_s in orders
            if _is_near(order) or (left_s is not None and left_s < LAST_S)
        }
        waiting = {_subject(order) for order, _ in orders}
        due = near | {subject for subject in waiting if self._next.get(subject, 0.0) <= now}
        if len(self._next) > MOST_KEPT:
            self._next = {subject: at for subject, at in self._next.items() if at > now}
        for subject in due:
            self._next[subject] = now + self._checks.pace_s
        return [one for one in orders if _subject(one[0]) in due]

    async def _looks(self, orders: list[Order]) -> dict[_Subject, NewToken | None]:
        """One look for all who wait for the same; none where nobody could say."""
        first = {_subject(order): order for order in orders}

        async def look(order: Order) -> NewToken | None:
            try:
                return await self._checks.look(order)
            except AttemptFailed:
                # At the next look somebody may.
                return None

        found = await asyncio.gather(*(look(order) for order in first.values()))
        for subject, token in zip(first, found, strict=True):
            if token is not None and token.pool is not None:
                self._next[subject] = 0.0
        return dict(zip(first, found, strict=True))

    async def _trigger(
        self, order: Order, left_s: float | None, token: NewToken | None
    ) -> Mapping[str, Any] | None:
        """What its event says, where it fires now."""
        if token is None or token.pool is None:
            return None
        verdicts = {one.verdict for one in self._checks.judge(order, token)}
        if left_s is not None and left_s < LAST_S:
            return _token_data(token)
        if Verdict.UNKNOWN in verdicts:
            # What else there is to know is known soon, and is told with a refusal.
            return None
        if Verdict.REFUSED in verdicts or await self._is_quoted(order, token.pool):
            return _token_data(token)
        return None

    async def _is_quoted(self, order: Order, pool: NewPool) -> bool:
        try:
            # The daemon has read it from the chain, and this worker may not have met it.
            await self._desk.know((order.input_mint, order.output_mint))
            request = engine_quotes.request_of(order, self._network.tokens, order.number, order.attempt)
        except AttemptFailed:
            return False
        # Where it may not ask there, another venue may list the token yet.
        asked = [one for one in self._network.venues if one.name == pool.venue]
        venues = [one for one in asked if engine_quotes.may_ask(order, one.name)]
        answers = await engine_quotes.ask(venues, replace(request, route=pool.route))
        return any(answer.quote is not None for answer in answers)


def _subject(order: Order) -> _Subject:
    return order.token_address, order.input_mint


def _is_near(order: Order) -> bool:
    """Whether the moment that its user named was just now."""
    launch = order.launch_at
    return launch is not None and datetime.now(UTC) - launch < timedelta(seconds=NEAR_S)


def _token_data(token: NewToken) -> Mapping[str, Any]:
    pool = token.pool
    assert pool is not None
    return {
        "rule": "listed",
        "venue": pool.venue,
        "slot": pool.slot,
        "reserve_usd": None if pool.reserve_usd is None else str(pool.reserve_usd),
    }
