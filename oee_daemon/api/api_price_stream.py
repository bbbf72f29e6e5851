"""The prices that clients watch: one look for all of them, only while somebody watches.

What the watch over waiting orders sees already is read where it stored it; the other pairs are asked of the
network's source. Nothing fires by what is seen here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from oee_daemon.api import order_wire
from oee_daemon.contract.decimals import decimal_text
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.prices import Price, PriceSource, Watched
from oee_daemon.reads.reads_waiting import WaitingOrders

#: Seconds between two looks at their quickest.
LOOK_S = 0.4


class PriceWatch:
    """Of one daemon and its event loop."""

    def __init__(self, network: Network, waits: WaitingOrders) -> None:
        self._network = network
        self._waits = waits
        self._faults = FaultLog()
        #: How many clients watch each pair.
        self._watched: Counter[Watched] = Counter()
        self._seen: dict[str, dict[str, Any]] = {}
        self._looked = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self, pair: Watched) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What is seen of the pair, look by look; a slow client gets the newest alone."""
        self._watched[pair] += 1
        source = self._network.prices
        if source is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(source))
        try:
            yield self._looks(pair)
        finally:
            self._watched[pair] -= 1
            self._watched += Counter()
            self._seen.pop(pair.name, None)
            if not self._watched and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _looks(self, pair: Watched) -> AsyncIterator[dict[str, Any]]:
        while True:
            async with self._looked:
                await self._looked.wait()
            if (seen := self._seen.get(pair.name)) is not None:
                yield seen

    async def _look(self, source: PriceSource) -> None:
        while self._watched:
            pairs = list(self._watched)
            try:
                stored = await run_in_threadpool(self._waits.prices, [pair.name for pair in pairs])
            except SQLAlchemyError:
                stored = {}
            asked = [pair for pair in pairs if pair.name not in stored]
            prices = await self._ask(source, asked) if asked else {}
            for pair in pairs:
                row = stored.get(pair.name)
                told = _asked_json(prices.get(pair.name), source) if row is None else _stored_json(row)
                self._seen[pair.name] = {"pair": order_wire.pair_text(pair.name, self._network.tokens)} | told
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(max(LOOK_S, source.cadence_s))

    async def _ask(self, source: PriceSource, pairs: Sequence[Watched]) -> Mapping[str, Price]:
        """None where the source hangs or breaks: its watchers see that nobody sees a price, and are told of
        the next one."""
        try:
            async with asyncio.timeout(source.max_age_s):
                return await source.prices(pairs)
        except Exception as e:
            self._faults.say("the prices failed", e)
            return {}


def _asked_json(price: Price | None, source: PriceSource) -> dict[str, Any]:
    if price is None:
        blank = dict.fromkeys(("bid", "ask", "at", "ageMs", "slot"))
        return blank | {"source": source.name, "state": "blind"}
    at = datetime.now(UTC) - timedelta(seconds=price.age_s)
    return {
        "bid": decimal_text(price.bid),
        "ask": decimal_text(price.ask),
        "at": order_wire.moment(at),
        "ageMs": round(price.age_s * 1000),
        "slot": price.slot,
        "source": source.name,
        "state": "live" if price.age_s <= source.max_age_s else "stale",
    }


def _stored_json(row: Any) -> dict[str, Any]:
    """`row` of `waiting_sql.PRICES`."""
    return {
        "bid": row.bid,
        "ask": row.ask,
        "at": order_wire.moment(row.at),
        "ageMs": max(0, round(row.age_s * 1000)),
        "slot": row.slot,
        "source": row.source,
        "state": "live",
    }
