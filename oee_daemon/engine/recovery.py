"""Takes up what the queue lost, delayed or never heard of: a beat a second, in every worker.

Postgres says what is due and whom nobody holds; it is handed to this worker's own threads, as many as are
free. The queue has no part in it: it may be full, read-only or gone, and orders run all the same. Nothing
here moves an order.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.engine.execution import Execution
from oee_daemon.queue.broker import Broker, ring
from oee_daemon.store import leases, readiness

log = logging.getLogger(__name__)

#: Seconds between two beats, and where there was more to take up than free threads.
BEAT_S = 1.0
SOON_S = 0.25
#: An order that has not moved for this long is worth a line in the log.
STUCK = timedelta(minutes=5)
#: Beats between two looks for such orders.
LOOK_EVERY = 60


class Recovery:
    """The beat of one worker. `owner` and `execution.busy` tell its own dead leases from its live ones;
    `former` begins the names of those that are known to be dead, and is empty where none is."""

    def __init__(
        self,
        db: Engine,
        broker: Broker,
        execution: Execution,
        *,
        owner: str,
        network: str,
        threads: int,
        former: str = "",
        each_beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._db = db
        self._broker = broker
        self._execution = execution
        self._owner = owner
        self._former = former
        self._network = network
        self._threads = threads
        self._each_beat = each_beat
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="recovery", daemon=True)
        # At start, and when Postgres comes back, nothing is known of what was handed to whom.
        self._doubt = True
        self._more = False
        self._fault = ""
        self._beats = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        with suppress(SQLAlchemyError), self._db.connect() as conn:
            readiness.left(conn, self._owner)

    def _beat(self) -> None:
        looked = 0.0
        while not self._stopped.wait(0 if self._beats == 0 else SOON_S if self._more else BEAT_S):
            self._beats += 1
            try:
                if time.monotonic() - looked >= BEAT_S:
                    looked = time.monotonic()
                    self._each_beat()
                self.once()
                self._fault = ""
            except SQLAlchemyError as e:
                self._away(type(e.__cause__ or e).__name__, e)
            except Exception:
                log.exception("recovery failed, and goes on")

    def _away(self, kind: str, error: SQLAlchemyError) -> None:
        """Said once for as long as it lasts."""
        self._doubt = True
        self._more = False
        if kind != self._fault:
            log.warning("recovery can't reach Postgres", extra={"reason": str(error.__cause__ or error)})
        self._fault = kind

    def once(self) -> int:
        """One beat: takes up what is due, oldest first, as much as there are threads for. How many orders."""
        with self._db.connect() as conn:
            if self._doubt:
                self._begin(conn)
            busy = self._execution.busy
            room = max(0, self._threads - len(busy) - self._broker.waiting_here())
            found = (
                leases.due(conn, network=self._network, owner=self._owner, busy=busy, limit=room)
                if room
                else []
            )
            readiness.beat(conn, self._owner, self._network)
            if self._beats % LOOK_EVERY == 0:
                self._look(leases.stuck(conn, self._network, STUCK))
        self._more = 0 < room == len(found)
        for order_id in found:
            # Where no thread works here (any more), whoever else works may take it.
            if not (self._broker.hand(order_id) or ring(self._broker, order_id)):
                self._doubt = True
                break
        if found:
            log.info("taken up", extra={"orders": len(found)})
        return len(found)

    def _begin(self, conn: Connection) -> None:
        if self._former:
            freed = leases.clear_leases(conn, self._former, but=self._owner)
            log.info("took over", extra={"leases": freed})
        leases.forget_rings(conn, self._network)
        self._doubt = False

    @staticmethod
    def _look(count: int) -> None:
        if count:
            log.warning("orders have not moved for 5 minutes", extra={"orders": count})
