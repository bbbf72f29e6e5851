"""Fires orders at their launch time: never before it, by Postgres's clock, and within milliseconds after.

The watcher's beat tells which moment is near. From then on a task of its own prepares what can be prepared,
learns how Postgres's clock stands to ours, and asks for the orders in that millisecond, on a connection that
nobody else waits for. Where it dies, the next beat of any worker fires them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.contract.order_types import OrderType
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.orders.order import Order
from oee_daemon.store import launch_sql
from oee_daemon.store.database import aside
from oee_daemon.store.order_rows import order_of
from oee_daemon.store.postgres_line import Line
from oee_daemon.store.watch_sql import MOST

log = logging.getLogger(__name__)

#: Seconds before a moment in which its orders are prepared, and in which the clock is learned at last.
PREPARE_S, CLOCK_S = 3.0, 0.2
#: Looks at Postgres's clock: the quickest answer says most.
LOOKS = 5
#: Seconds before the moment in which the task waits by turns of the loop: timers are coarser.
SPIN_S = 0.003
#: Questions for orders whose moment has come, where the first came too early, and seconds between them.
ASKS, ASK_AGAIN_S = 40, 0.0005


#: An order that has fired, and its type.
Fired: TypeAlias = tuple[UUID, str]


@dataclass(eq=False)
class Launches:
    """`line`: of its own, so that no flight of other orders is waited for. `fired`: is told what has fired,
    and its type, after the commit. `may`: whether this worker may fire just now."""

    db: Engine
    line: Line
    urgent: UrgentOrders
    _: KW_ONLY
    fired: Callable[[Sequence[Fired]], None]
    may: Callable[[], bool]

    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def near(self, away_s: float) -> bool:
        """The next moment is so many seconds away. True: it is seen to from here on."""
        if self._task is not None and self._task.done():
            self._task = None
        if self._task is None and away_s < PREPARE_S:
            self._task = asyncio.get_running_loop().create_task(self._see_to())
        return self._task is not None

    async def _see_to(self) -> None:
        """All moments that are near, one after the other. A fault leaves the rest to the next beat."""
        try:
            while (rows := await aside(self.db, launch_sql.NEAR.all, {"ahead": PREPARE_S})) and self.may():
                await self._launch(rows)
        except SQLAlchemyError as e:
            log.warning("a launch is left to the next beat", extra={"reason": str(e.__cause__ or e)})
        except Exception:
            log.exception("a launch is left to the next beat")

    async def _launch(self, rows: Sequence[Any]) -> None:
        """The first moment of `rows`."""
        first = rows[0]
        at = time.monotonic() + first.away_s
        together = [row for row in rows if row.launch_at == first.launch_at]
        found = [order_of(row._asdict()) for row in together if row.type == OrderType.SNIPER]
        # Who waits for a token as well begins to look then, and to buy later.
        snipers = [order for order in found if order.token_address is None]
        ready = asyncio.gather(*(self.urgent.prepare(order, self.line) for order in snipers))
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + first.away_s - CLOCK_S):
                await ready
        except TimeoutError:
            # Whoever is not ready by then is asked once it is time.
            pass
        await _sleep_until(at - CLOCK_S)
        at = await self._moment(first.launch_at.timestamp())
        await _sleep_until(at - SPIN_S)
        while time.monotonic() < at:  # noqa: ASYNC110  # there is nobody to set an event
            await asyncio.sleep(0)
        for _ in range(ASKS):
            if not self.may():
                return
            due, early = await self._fire(snipers)
            if due or not early:
                await self._fire_rest(due)
                return
            await asyncio.sleep(ASK_AGAIN_S)

    async def _fire_rest(self, due: int) -> None:
        """What one statement was too short for, by further ones; what is beyond those the next beat fires."""
        for _ in range(launch_sql.BATCHES - 1):
            if due < MOST or not self.may():
                return
            due, _early = await self._fire(())

    async def _moment(self, launch: float) -> float:
        """When it is `launch`, seconds of Postgres's clock, by ours that only goes on."""
        # What is due already fires now; and what is asked then is prepared.
        await self._fire(())
        best = (float("inf"), 0.0)
        for _ in range(LOOKS):
            asked = time.monotonic()
            row = await self.line.ask(launch_sql.CLOCK, {})
            took = time.monotonic() - asked
            assert row is not None
            # Taken as read when it was asked: at worst the first question comes too early, and finds none.
            best = min(best, (took, asked + launch - row["now"]))
        return best[1]

    async def _fire(self, snipers: Sequence[Order]) -> tuple[int, bool]:
        """How many were due, and whether it is not quite time for the next. The claim of a sniper flies
        behind, in the same transaction: it is told of one wait for the disk instead of two. Where nothing
        fires there is nothing to claim."""
        firing = asyncio.ensure_future(self.line.ask(launch_sql.LAUNCH_NOW, {}))
        for order in snipers:
            self.urgent.begin(order.id, self.line)
        row = await firing
        assert row is not None
        self.fired([(UUID(each["id"]), each["type"]) for each in row["fired"] or ()])
        return row["due"], row["early"]

    async def stop(self) -> None:
        """Nothing fires here any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.line.close()


async def _sleep_until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))
