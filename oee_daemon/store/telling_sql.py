"""The SQL of who is told what: for each target how far it has been told, and what has happened since.

How far is a snapshot, as in `tail_sql`: what it did not see, and a later one does, is news, in whatever order
commits came. A row's lease lets one daemon of several tell. A target that is new is told from now on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg.rows import class_row
from sqlalchemy import Connection

from oee_daemon.contract.status import UNASKED
from oee_daemon.orders.order import Event
from oee_daemon.store.order_rows import EVENT, event_of
from oee_daemon.store.predicates import over, status_in
from oee_daemon.store.sql_statement import Statement, named_row

#: The most events of one absence that are told one by one; of those before them only how many there were.
MOST = 100
#: Up to so many of those before are counted: a target that was away for a million would be told of none, for
#: to count them all takes longer than a statement may.
COUNTED = 10_000
#: For how long one daemon tells a target without a sign of life.
LEASE = timedelta(seconds=60)

#: What is worth telling, and as what.
_KIND = f"""CASE WHEN e.{status_in(UNASKED)} THEN e.status
        WHEN e.status = 'pending' AND e.data ? 'trigger' THEN 'fired'
        WHEN e.status = 'waiting' AND e.data -> 'why' ->> 'code' = 'under_floor' THEN 'latched' END"""


class Mark(NamedTuple):
    """How far a target has been told: a snapshot, and the number of a halt."""

    seen: str
    halt: int


class Gap(NamedTuple):
    """A pair of which nobody has seen a fresh price since then, and why: `stale` or `blind`."""

    pair: str
    begun: datetime
    reason: str


class News(NamedTuple):
    """What has happened since, the newest `MOST` in their order, and how many came before those, `COUNTED` at
    most."""

    mark: Mark
    events: list[tuple[str, Event]]
    left_out: int
    #: Since when and why the engine is halted, where that is news.
    halted: tuple[datetime, str | None] | None
    blind: list[Gap]


# A snapshot from the future is of another server's, from which this database was copied.
_CLAIM = Statement(
    f"""
    -- claim: the right to tell a target, for a while
    INSERT INTO tellings AS t (target, seen, halt, owner, lease_until)
    VALUES (%(target)s, pg_current_snapshot()::text, coalesce((SELECT number FROM halt), 0), %(owner)s,
        clock_timestamp() + %(lease)s)
    ON CONFLICT (target) DO UPDATE SET owner = EXCLUDED.owner, lease_until = EXCLUDED.lease_until,
        seen = CASE WHEN pg_snapshot_xmax(t.seen::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
            THEN EXCLUDED.seen ELSE t.seen END
    WHERE t.owner = EXCLUDED.owner OR {over("t.lease_until")}
    RETURNING seen, halt
    """,  # noqa: S608  # the names are our own
    class_row(Mark),
)
_NEWS = Statement(
    f"""
    -- news: of what a snapshot did not see, the newest; and the halt that holds, if any
    WITH fresh AS MATERIALIZED (
        SELECT e.xact, e.order_id, e.seq, {_KIND} AS kind FROM order_events e
        WHERE xact >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
            AND xact < pg_snapshot_xmax(pg_current_snapshot())
            AND NOT pg_visible_in_snapshot(xact, %(seen)s::pg_snapshot) AND {_KIND} IS NOT NULL
        ORDER BY e.xact DESC, e.seq DESC LIMIT {MOST} + %(counted)s
    ), newest AS (
        SELECT f.xact, f.kind, {EVENT} FROM (SELECT * FROM fresh ORDER BY xact DESC, seq DESC LIMIT {MOST}) f
        JOIN order_events e ON e.order_id = f.order_id AND e.seq = f.seq JOIN orders o ON o.id = e.order_id
    )
    SELECT pg_current_snapshot()::text AS seen, (SELECT count(*) FROM fresh) AS found, h.number AS halt,
        h.at AS halted_at, h.reason, n.*
    FROM (VALUES (1)) one LEFT JOIN halt h ON h.halted LEFT JOIN newest n ON true ORDER BY n.xact, n.seq
    """,  # noqa: S608  # the names are our own
    named_row,
)
# Up to the snapshot of the other news, so that each gap is news once. What was over before anybody could look
# is told of the order alone.
_BLIND = Statement(
    f"""
    -- blind: gaps in the prices that a snapshot did not see
    SELECT pair, begun, reason FROM gaps
    WHERE xact >= pg_snapshot_xmin(%(since)s::pg_snapshot)
        AND NOT pg_visible_in_snapshot(xact, %(since)s::pg_snapshot)
        AND pg_visible_in_snapshot(xact, %(seen)s::pg_snapshot) AND reason <> 'away'
    ORDER BY begun DESC LIMIT {MOST}
    """,  # noqa: S608
    class_row(Gap),
)
_TOLD = Statement("""
    -- told: up to here; not once another tells
    UPDATE tellings SET seen = %(seen)s, halt = %(halt)s, lease_until = clock_timestamp() + %(lease)s
    WHERE target = %(target)s AND owner = %(owner)s RETURNING target
""")


def claim(conn: Connection, target: str, owner: str) -> Mark | None:
    """How far the target has been told. None: another daemon tells it."""
    return _CLAIM.first(conn, {"target": target, "owner": owner, "lease": LEASE})


def news(conn: Connection, since: Mark) -> News:
    rows = _NEWS.all(conn, {"seen": since.seen, "counted": COUNTED})
    first = rows[0]
    # The event's own columns come last.
    events = [(row.kind, event_of(*row[7:])) for row in rows if row.kind is not None]
    halted = None
    if first.halt is not None and first.halt > since.halt:
        halted = (first.halted_at, first.reason)
    mark = Mark(first.seen, since.halt if halted is None else first.halt)
    blind = _BLIND.all(conn, {"since": since.seen, "seen": mark.seen})
    return News(mark, events, first.found - len(events), halted, list(blind)[::-1])


def told(conn: Connection, target: str, owner: str, mark: Mark) -> bool:
    """Notes how far the target has been told. False: another daemon tells it by now."""
    values = {"target": target, "owner": owner, "lease": LEASE, **mark._asdict()}
    return _TOLD.first(conn, values) is not None
