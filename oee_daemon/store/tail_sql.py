"""What has been committed since one last looked: every event, once, whatever hints, clocks and commits do.

An event carries the transaction that wrote it, and a look keeps its snapshot. What that snapshot did not see,
and this one does, is new: also the event of a commit that took longer than later ones. No clock and no
sequence could say so, since both are drawn before the commit.

A connection that is lost may mean a Postgres that forgot: then nobody knows what was missed, and one begins
anew.
"""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.orders.order import Event
from oee_daemon.store.database import LONG_S, open_database, transactions
from oee_daemon.store.order_rows import EVENT, event_of
from oee_daemon.store.sql_statement import Statement

_NOW = Statement("-- now: what is visible\nSELECT pg_current_snapshot()::text")
# From the oldest transaction that ran at the last look: what was written before it was seen then. A number
# from the future is of another server's, from which this database was copied.
_SINCE = Statement(f"""
    -- tail: what has been committed since a snapshot
    SELECT pg_current_snapshot()::text, found.* FROM (VALUES (1)) one LEFT JOIN (
        SELECT {EVENT} FROM order_events e JOIN orders o ON o.id = e.order_id
        WHERE xact >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
            AND xact < pg_snapshot_xmax(pg_current_snapshot())
            AND NOT pg_visible_in_snapshot(xact, %(seen)s::pg_snapshot)
        ORDER BY xact, seq LIMIT %(limit)s
    ) found ON true
""")  # noqa: S608  # the names are our own columns


class Tail:
    """One reader of all events, on a connection of its own. Not for several threads at once."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._conn: Connection | None = None
        self._seen = ""

    def look(self, limit: int) -> list[Event] | None:
        """The events since the last look, each order's in order. None: they are not known, or more than
        `limit`; the next look begins here.

        Raises `SQLAlchemyError` where Postgres is away.
        """
        try:
            if self._conn is None:
                self._conn = self._db.connect()
                self._seen = _NOW.value(self._conn)
                return None
            rows = _SINCE.all(self._conn, {"seen": self._seen, "limit": limit + 1})
        except SQLAlchemyError:
            self.close()
            raise
        self._seen = rows[0][0]
        if len(rows) > limit:
            return None
        return [event_of(*row) for _, *row in rows if row[0]]

    def close(self) -> None:
        """Forgets what was seen."""
        if self._conn is not None:
            with suppress(SQLAlchemyError):
                self._conn.close()
        self._conn = None


#: Whether the newest event is of a later transaction than this server's next.
_FOREIGN = Statement("""
    -- foreign: events of another server
    SELECT max(xact) >= pg_snapshot_xmax(pg_current_snapshot()) FROM order_events
""")
# No migration: a database may be copied at any revision, and again. A column is made anew at once; a million
# rows would not be.
_FORGET = Statement("""
    -- forget: which transactions wrote the events
    ALTER TABLE order_events DROP COLUMN xact, ADD COLUMN xact xid8,
        ALTER COLUMN xact SET DEFAULT pg_current_xact_id()
""")
_INDEX = Statement("""
    -- index: what a tail reads by, which was dropped with its column
    CREATE INDEX order_events_xact ON order_events (xact) WHERE xact IS NOT NULL
""")


def begin(db: Engine) -> None:
    """Forgets which transactions wrote the events of a database that was copied from another server: here
    those numbers are of transactions to come. Costs nothing where it was not."""
    with db.connect() as conn:
        foreign = _FOREIGN.value(conn)
    if not foreign:
        return
    # On a connection of its own, on which a statement may take as long as a long history needs.
    patient = open_database(db.url, pool_size=1, statement_s=LONG_S)
    try:
        with transactions(patient).begin() as conn:
            _FORGET.run(conn)
            _INDEX.run(conn)
    finally:
        patient.dispose()
