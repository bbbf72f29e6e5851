"""Removes orders that ended longer ago than the user wants to keep them, with their events and swaps.

A chore of every worker, a small batch a commit, one worker at a time. Never a live order, and never a key: it
stays in `spent_keys`, so that a repetition of a removed order is refused instead of placed a second time.
The chain's ledger is the chain's own and stays whole.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import Connection, Engine

from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.errors import Conflict
from oee_daemon.store import retention_sql
from oee_daemon.store.database import transactions

log = logging.getLogger(__name__)

#: Orders removed in one commit: some 20 ms of Postgres's time.
BATCH = 100
#: Seconds that a run may take before it lets others go first.
BUSY_S = 0.25
#: Seconds between two runs: while there is more to remove, and otherwise.
MORE_S, EVERY_S = 1.0, 60.0


class Retention:
    """`days`: how long an order is kept after its end."""

    def __init__(self, db: Engine, *, days: int) -> None:
        self._db = transactions(db)
        self._kept = timedelta(days=days)

    def once(self) -> bool:
        """Removes orders for a moment. True: there may be more."""
        return self.remove_old()[1]

    def remove_old(self) -> tuple[int, bool]:
        """How many orders it removed, and whether there may be more."""
        until = time.monotonic() + BUSY_S
        removed, last = 0, BATCH
        while last == BATCH and time.monotonic() < until:
            last = self._remove_batch()
            removed += last
        if removed:
            log.info("removed old orders", extra={"orders": removed})
        return removed, last == BATCH

    def _remove_batch(self) -> int:
        with self._db.begin() as conn:
            if not retention_sql.LOCK.value(conn):
                return 0
            ids = retention_sql.OLD.column(conn, {"kept": self._kept, "most": BATCH})
            if ids:
                for statement in retention_sql.REMOVE:
                    statement.run(conn, {"ids": ids})
            return len(ids)


def refuse_spent(conn: Connection, key: str) -> None:
    """Raises `Conflict` where the order of this key is one that was removed."""
    row = retention_sql.SPENT.first(conn, {"key": key})
    if row is not None:
        raise Conflict(
            f"Idempotency-Key belongs to order {row.order_id}, which ended as {row.status} on"
            f" {row.finished_at:%Y-%m-%d} and is no longer kept. Nothing was placed.",
            code="idempotency_key_spent",
            field=KEY_HEADER,
            hint="Use a new key for a new order.",
        )
