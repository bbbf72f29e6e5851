"""Snipers on the worker's loop: prepared before their moment, and executed past the queue and its threads.

Ten market orders that wait for the chain hold ten threads; who was sent for one millisecond waits for none of
them. All else is as for every order: a claim, a lease, the same steps, and recovery where this process dies.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from oee_daemon.errors import OeeError
from oee_daemon.orders.order import Order
from oee_daemon.store.line import Line

log = logging.getLogger(__name__)


class Runs(Protocol):
    """What executes an order."""

    async def run_urgent(self, order_id: UUID, line: Line | None = None) -> timedelta | None: ...

    async def prepare(self, order: Order, line: Line) -> None: ...


class UrgentOrders:
    """Those of one worker."""

    def __init__(self, execution: Runs) -> None:
        self._execution = execution
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    def begin(self, order_id: UUID, line: Line | None = None) -> None:
        """Executes the order, to its end or until this worker stops. Harmless where it is executed already.
        `line`: see `run_urgent`."""
        if not self._stopped.is_set():
            task = asyncio.get_running_loop().create_task(self._run(order_id, line))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, order_id: UUID, line: Line | None) -> None:
        pause = await self._execution.run_urgent(order_id, line)
        while pause is not None:
            try:
                async with asyncio.timeout(max(0.0, pause.total_seconds())):
                    await self._stopped.wait()
            except TimeoutError:
                pause = await self._execution.run_urgent(order_id)
            else:
                # Whoever else works finds it due.
                return

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
            await asyncio.wait(self._running)
