"""Stops and snipers on the worker's loop: executed past the queue and its threads, in the order in which they
came; snipers are prepared before their moment.

Ten market orders that wait for the chain hold ten threads; what is to end a loss, or was sent for one
millisecond, waits for none of them. All else is as for every order: a claim, a lease, the same steps, and
recovery where this process dies.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from oee_daemon.engine.engine_loop import Loop
from oee_daemon.errors import OeeError
from oee_daemon.orders.order import Order
from oee_daemon.store.postgres_line import Line

log = logging.getLogger(__name__)


class Runs(Protocol):
    """What executes an order."""

    async def run_urgent(self, order_id: UUID, line: Line | None = None) -> timedelta | None: ...

    async def prepare(self, order: Order, line: Line) -> None: ...


class UrgentOrders:
    """Those of one worker. `most`: how many are executed at once; the others wait here for their turn, where
    each costs nothing."""

    def __init__(self, execution: Runs, loop: Loop, *, most: int) -> None:
        self._execution = execution
        self._loop = loop
        self._places = asyncio.Semaphore(most)
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._stopped = asyncio.Event()

    def orders(self) -> list[UUID]:
        """Those that are executed or wait for their turn; for any thread."""
        return list(self._running)

    def take_up(self, order_id: UUID) -> None:
        """As `begin`, for another thread than the loop's."""
        self._loop.call(partial(self.begin, order_id))

    def begin(self, order_id: UUID, line: Line | None = None) -> None:
        """Executes the order, to its end or until this worker stops. Harmless where it is executed already.
        `line`: see `run_urgent`."""
        if not self._stopped.is_set() and order_id not in self._running:
            task = asyncio.get_running_loop().create_task(self._run(order_id, line))
            self._running[order_id] = task
            task.add_done_callback(lambda _: self._running.pop(order_id))

    async def _run(self, order_id: UUID, line: Line | None) -> None:
        pause: timedelta | None = await self._once(order_id, line)
        while pause is not None:
            try:
                async with asyncio.timeout(max(0.0, pause.total_seconds())):
                    await self._stopped.wait()
            except TimeoutError:
                pause = await self._once(order_id)
            else:
                # Whoever else works finds it due.
                return

    async def _once(self, order_id: UUID, line: Line | None = None) -> timedelta | None:
        async with self._places:
            # Whoever else works finds it due.
            return None if self._stopped.is_set() else await self._execution.run_urgent(order_id, line)

    async def prepare(self, order: Order, line: Line) -> None:
        """Asks what an attempt will ask, and forgets the answers: what they came by is open then."""
        try:
            await self._execution.prepare(order, line)
        except OeeError as e:
            log.info("a sniper is not prepared", extra={"order_id": order.id, "reason": e.message})
        except Exception:
            log.warning("a sniper is not prepared", extra={"order_id": order.id}, exc_info=True)

    def stop(self) -> None:
        """None begins any more; one between two attempts is left to others."""
        self._stopped.set()

    async def finish(self) -> None:
        """Returns once what runs has ended or been let go."""
        while self._running:
            await asyncio.wait(self._running.values())
