"""Looks, for orders that wait for a token to be listed, whether it is, and whether it may be bought.

A pool is not enough: the order fires once a venue has a price for its own size and every check has passed.
Where a check refuses, it fires too, and its attempt ends it with all verdicts; so does what is still unknown
when its time is nearly over. What is looked at in between is no event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.engine import routing
from oee_daemon.engine.new_token_checks import NewTokenChecks
from oee_daemon.engine.token_safety import Verdict
from oee_daemon.errors import AttemptFailed
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.listings import NewToken
from oee_daemon.networks.network import Network
from oee_daemon.orders.order import Order
from oee_daemon.store import listing_watch_sql
from oee_daemon.store.database import aside
from oee_daemon.store.order_rows import order_of

#: Seconds before the end of its time in which an order is looked at for the last time, by an attempt.
LAST_S = 3.0


class ListingWatch:
    """For the worker that leads."""

    def __init__(self, db: Engine, network: Network) -> None:
        self._db = db
        self._network = network
        self._checks = NewTokenChecks(network, FaultLog())

    async def once(self, fence: int) -> list[UUID]:
        """The orders that fired."""
        rows = await aside(self._db, listing_watch_sql.LISTED.all)
        orders = [(order_of(row._asdict()), row.left_s) for row in rows]
        found = await asyncio.gather(*(self._trigger(order, left_s) for order, left_s in orders))
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
        return [row[0] for row in await aside(self._db, listing_watch_sql.FIRE_LISTED.all, values)]

    async def _trigger(self, order: Order, left_s: float | None) -> Mapping[str, Any] | None:
        """What its event says, where it fires now."""
        try:
            token = await self._checks.look(order)
            if token is None or token.pool is None:
                return None
            verdicts = {one.verdict for one in self._checks.judge(order, token)}
            last = left_s is not None and left_s < LAST_S
            if last:
                return _told(token)
            if Verdict.UNKNOWN in verdicts:
                # What else there is to know is known soon, and is told with a refusal.
                return None
            if Verdict.REFUSED in verdicts or await self._is_quoted(order):
                return _told(token)
            return None
        except AttemptFailed:
            # Nobody could say: at the next look somebody may.
            return None

    async def _is_quoted(self, order: Order) -> bool:
        request = routing.request_of(order, self._network.tokens, order.number, order.attempt)
        answers = await routing.ask(self._network.venues, request)
        return any(answer.quote is not None for answer in answers)


def _told(token: NewToken) -> Mapping[str, Any]:
    pool = token.pool
    assert pool is not None
    return {
        "rule": "listed",
        "venue": pool.venue,
        "slot": pool.slot,
        "reserve_usd": None if pool.reserve_usd is None else str(pool.reserve_usd),
    }
