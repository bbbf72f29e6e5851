"""Removes orders that ended longer ago than the user wants to keep them, with their events and swaps.

A chore of every worker, a small batch a commit, one worker at a time. Never a live order, and never a key: it
stays in `spent_keys`, so that a repetition of a removed order is refused instead of placed a second time.
The chain's ledger is the chain's own and stays whole.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from sqlalchemy import Connection, Engine, text

from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.errors import Conflict
from oee_daemon.store.database import transactions

log = logging.getLogger(__name__)

#: Orders removed in one commit: some 20 ms of Postgres's time.
BATCH = 100
#: Seconds that a run may take before it lets others go first.
BUSY_S = 0.25
#: Seconds between two runs: while there is more to remove, and otherwise.
MORE_S, EVERY_S = 1.0, 60.0
#: Any number that is ours: whoever holds it in a transaction is the one who removes.
_LOCK = 0x0EE_01D

# A key that is being asked for right now is left for the next run: `store.create` holds the same lock while
# it looks for the key, so it finds either the order or the spent key, and never neither.
# The statement's time, not the clock's, which moves on: only that bounds a search in an index.
_OLD = text("""
    SELECT id FROM (
        SELECT id, idempotency_key FROM orders
        WHERE finished_at < statement_timestamp() - CAST(:kept AS interval)
        ORDER BY finished_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE idempotency_key IS NULL OR pg_try_advisory_xact_lock(hashtextextended(idempotency_key, 0))
""")
_KEEP_KEYS = text("""
    INSERT INTO spent_keys (idempotency_key, order_id, status, finished_at)
    SELECT idempotency_key, id, status, finished_at FROM orders
    WHERE id = ANY (:ids) AND idempotency_key IS NOT NULL
""")
_REMOVE = (
    text("DELETE FROM order_events WHERE order_id = ANY (:ids)"),
    text("DELETE FROM swaps WHERE order_id = ANY (:ids)"),
    text("DELETE FROM orders WHERE id = ANY (:ids)"),
)
_SPENT = text("SELECT order_id, status, finished_at FROM spent_keys WHERE idempotency_key = :key")


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
            last = self._batch()
            removed += last
        if removed:
            log.info("removed old orders", extra={"orders": removed})
        return removed, last == BATCH

    def _batch(self) -> int:
        with self._db.begin() as conn:
            if not conn.execute(
                text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}
            ).scalar_one():
                return 0
            ids = list(conn.execute(_OLD, {"kept": self._kept, "batch": BATCH}).scalars())
            if ids:
                for statement in (_KEEP_KEYS, *_REMOVE):
                    conn.execute(statement, {"ids": ids})
            return len(ids)


def refuse_spent(conn: Connection, key: str) -> None:
    """Raises `Conflict` where the order of this key is one that was removed."""
    row = conn.execute(_SPENT, {"key": key}).first()
    if row is not None:
        raise Conflict(
            f"Idempotency-Key belongs to order {row.order_id}, which ended as {row.status} on"
            f" {row.finished_at:%Y-%m-%d} and is no longer kept. Nothing was placed.",
            code="idempotency_key_spent",
            field=KEY_HEADER,
            hint="Use a new key for a new order.",
        )
