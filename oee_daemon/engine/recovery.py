"""Takes up what the queue lost, delayed or never heard of: a beat a second, in every worker.

Postgres says what is due and whom nobody holds; it is handed to this worker's own threads, as many as are
free; what can't wait for a thread begins past them. The queue has no part in it: it may be full, read-only or
gone, and orders run all the same. Nothing here moves an order.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.boot_clock import clock_s
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.engine.execution import Execution
from oee_daemon.queue.queue_broker import Broker, ring
from oee_daemon.store import halt_row, lease_sql, readiness_sql
from oee_daemon.timing import USUAL, Timing

log = logging.getLogger(__name__)

#: An order that has not moved for this long is worth a line in the log.
STUCK = timedelta(minutes=5)
#: Orders that can't wait for a thread and are taken up at one look.
MOST_URGENT = 20
#: Seconds between two looks for such orders.
LOOK_EVERY_S = 60.0


@dataclass(eq=False)
class Recovery:
    """One worker's. `urgent`: executes orders past the threads. `owner` and what is at work tell its own dead
    leases from its live ones; `former` begins the names of those that are known to be dead, and is empty
    where none is."""

    db: Engine
    broker: Broker
    execution: Execution
    urgent: UrgentOrders
    _: KW_ONLY
    owner: str
    network: str
    threads: int
    former: str = ""
    timing: Timing = USUAL

    # At start, and when Postgres comes back, nothing is known of what was handed to whom.
    _doubt: bool = field(default=True, init=False)

    def once(self) -> bool:
        """Takes up what is due. True: there may be more, and threads are free for it."""
        try:
            return self.take_up()[1]
        except SQLAlchemyError:
            self._doubt = True
            raise

    def unlocked(self) -> None:
        """What waited for a signature is taken up at the next look."""
        self._doubt = True

    def take_up(self) -> tuple[int, bool]:
        """Takes up the orders that are due, oldest first, as many as there are threads for: how many, and
        whether there may be more. Says in Postgres that this worker looks for them."""
        with self.db.connect() as conn:
            if self._doubt or self.execution.left_some:
                self._begin(conn)
            room = max(0, self.threads - self.execution.busy_threads - self.broker.waiting_here())
            found = self._due(conn, room) if room else []
            # Only where there is no thread for each.
            urgent = self._due(conn, MOST_URGENT, urgent=True) if len(found) == room else []
            self._beat(conn, self.network)
        for order_id in urgent:
            self.urgent.take_up(order_id)
        for order_id in found:
            # Where no thread works here (any more), whoever else works may take it.
            if not (self.broker.hand(order_id) or ring(self.broker, order_id)):
                self._doubt = True
                break
        if found or urgent:
            log.info("taken up", extra={"orders": len(found) + len(urgent)})
        return len(found) + len(urgent), 0 < room == len(found) or len(urgent) == MOST_URGENT

    def beat(self, *, leaving: bool = False) -> bool:
        """Says that this worker is there, or `leaving`, and heeds a halt; takes up nothing."""
        with self.db.connect() as conn:
            self._beat(conn, readiness_sql.NOWHERE if leaving else self.network)
        return False

    def _beat(self, conn: Connection, network: str) -> None:
        gate, asked_s = self.execution.gate, clock_s()
        halt = readiness_sql.beat(conn, self.owner, network)
        gate.saw(halt, asked_s)
        if halt is not None and gate.is_quiet():
            halt_row.quiet(conn, self.owner, halt)

    def _due(self, conn: Connection, limit: int, *, urgent: bool = False) -> list[UUID]:
        return lease_sql.due(
            conn,
            network=self.network,
            owner=self.owner,
            busy=[*self.execution.busy, *self.urgent.orders()],
            limit=limit,
            overdue=self.timing.overdue,
            ring_again=self.timing.ring_again,
            locked=self.execution.slots.locked(),
            urgent=urgent,
            where=self.execution.slots.where,
        )

    def _begin(self, conn: Connection) -> None:
        self._doubt = True
        self.execution.left_some = False
        if self.former:
            freed = lease_sql.clear_leases(conn, self.former, but=self.owner)
            log.info("took over", extra={"leases": freed})
        lease_sql.forget_rings(conn, self.network)
        self._doubt = False

    def look_for_stuck(self) -> bool:
        """Says how many orders have not moved for long."""
        with self.db.connect() as conn:
            count = lease_sql.stuck(conn, self.network, STUCK)
        if count:
            log.warning("orders have not moved for 5 minutes", extra={"orders": count})
        return False

    def leave(self) -> None:
        """Says in Postgres, if it can be reached, that this worker takes nothing up any more."""
        with suppress(SQLAlchemyError):
            self.beat(leaving=True)

    def end(self) -> None:
        """Says there that this worker has ended."""
        with suppress(SQLAlchemyError), self.db.connect() as conn:
            readiness_sql.gone(conn, self.owner)
