"""Rings again what the queue lost, delayed or never heard of: a beat a second, in every worker.

Postgres says what is due and whom nobody holds; the rest is ringing. Nothing here moves an order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import dramatiq
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon import leases
from oee_daemon.broker import ring
from oee_daemon.execution import Execution

log = logging.getLogger(__name__)

#: Seconds between two beats.
BEAT_S = 1.0
#: An order that has not moved for this long is worth a line in the log.
STUCK = timedelta(minutes=5)
#: Beats between two looks for such orders.
LOOK_EVERY = 60


class Recovery:
    """The beat of one worker. `owner` and `execution.busy` tell its own dead leases from its live ones."""

    def __init__(
        self,
        db: Engine,
        broker: dramatiq.Broker,
        execution: Execution,
        *,
        owner: str,
        network: str,
        threads: int,
        each_beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._broker = broker
        self._execution = execution
        self._owner = owner
        self._network = network
        self._limit = 2 * threads
        self._each_beat = each_beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="recovery", daemon=True)
        # At start, and when the queue comes back, nothing is known of what it still has.
        self._doubt = True
        self._beats = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(0 if self._beats == 0 else BEAT_S):
            self._beats += 1
            try:
                self._each_beat()
                self.once()
            except SQLAlchemyError as e:
                log.warning("recovery can't reach Postgres", extra={"reason": str(e.__cause__ or e)})
            except Exception:
                log.exception("recovery failed, and goes on")

    def once(self) -> int:
        """One beat: rings what is due, oldest first, at most twice the threads. How many were rung."""
        with self._db.connect() as conn:
            if self._doubt:
                leases.forget_rings(conn, self._network)
            busy = self._execution.busy
            found = leases.due(conn, network=self._network, owner=self._owner, busy=busy, limit=self._limit)
            if self._beats % LOOK_EVERY == 0:
                self._look(leases.stuck(conn, self._network, STUCK))
        # The first that can't be rung ends it: a queue that is away costs its time-out once a beat.
        self._doubt = not all(ring(self._broker, order_id) for order_id in found)
        if found:
            log.info("rung again", extra={"orders": len(found)})
        return len(found)

    @staticmethod
    def _look(count: int) -> None:
        if count:
            log.warning("orders have not moved for 5 minutes", extra={"orders": count})
