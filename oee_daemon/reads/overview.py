"""The engine as it is now, for those who watch it: what stands where, is on its way, ended, and how fast.

Reads and changes nothing. It is asked again and again, however many orders are stored, so every
question goes by an index and has a limit; the one that must look at all live orders is asked more seldom the
longer it takes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from oee_daemon.contract.status import HOLDS_SLOT, LIVE, RUNNABLE
from oee_daemon.engine import foundation
from oee_daemon.orders.order import Order
from oee_daemon.store import moves, predicates
from oee_daemon.store.tables import orders, slots

#: An order that has not moved for this long is told as stuck, seconds.
STUCK_S = 300
#: Faults of an order's runs from which on it is told as faulty: one or two may be a connection that was lost.
FAULTY = 3
#: The part of one Postgres process's time that counting may take: a count of 0.5 s is made every 10 s.
SHARE = 0.05
#: Live orders up to which they are always counted anew: that takes some milliseconds.
FEW = 10_000
#: The most orders told of those on their way, and of those that ended.
SHOWN = 40
#: Seconds that the rates look back.
WINDOW_S = 60
#: Seconds after which no commit is late any more, and the second's count is kept.
LATE_S = 3
#: The ended orders whose quotes are looked at, and how old a quote may be, seconds.
QUOTED, QUOTES_S = 200, 300

_HELD = "(lease_until > clock_timestamp()) IS TRUE"
_RUNNABLE, _IN_FLIGHT = predicates.status_in(RUNNABLE), predicates.status_in(HOLDS_SLOT)
# One look at each live order; `orders_due` holds nothing else. One that waits for its condition is counted by
# its status and as nothing else.
_COUNT = text(f"""
    SELECT status, count(*),
        count(*) FILTER (WHERE {_RUNNABLE} AND {_HELD}),
        count(*) FILTER (WHERE {_RUNNABLE} AND NOT {_HELD} AND next_run_at > clock_timestamp()),
        count(*) FILTER (WHERE {_RUNNABLE}
            AND updated_at < clock_timestamp() - make_interval(secs => :stuck)),
        min(next_run_at) FILTER (WHERE {_RUNNABLE} AND NOT {_HELD}),
        count(*) FILTER (WHERE faults >= :faulty),
        coalesce((array_agg(id) FILTER (WHERE {_IN_FLIGHT} AND NOT {_HELD}))[1:{SHOWN}], '{{}}')
    FROM orders WHERE {predicates.LIVE} GROUP BY status
""")  # noqa: S608  # constants of this page
_ACCEPTED = text("""
    SELECT floor(extract(epoch FROM created_at))::bigint AS second, count(*) FROM orders
    WHERE created_at >= to_timestamp(:since)
    GROUP BY second
""")
_ENDED = text("""
    SELECT floor(extract(epoch FROM finished_at))::bigint AS second, count(*) FROM orders
    WHERE finished_at >= to_timestamp(:since)
    GROUP BY second
""")
# What venues said about the orders that ended last and about those in execution. `OFFSET 0`: always by each
# order's own events, never by all events there are.
_VENUES = text("""
    WITH asking AS (
        (SELECT id FROM orders WHERE finished_at > now() - make_interval(secs => :age)
            ORDER BY finished_at DESC LIMIT :orders)
        UNION
        SELECT order_id FROM slots WHERE order_id IS NOT NULL
    ), quotes AS (
        SELECT e.at, jsonb_path_query(e.data, '$.quotes[*]') AS quote
        FROM asking, LATERAL (
            SELECT at, data FROM order_events
            WHERE order_id = asking.id AND status IN ('building', 'pending', 'failed') OFFSET 0) e
        WHERE e.at > now() - make_interval(secs => :age)
    ), told AS (
        SELECT at, quote ->> 'venue' AS venue, quote -> 'error' ->> 'code' AS error,
            (quote ->> 'latencyMs')::numeric AS latency
        FROM quotes
    )
    SELECT venue, count(*), count(*) FILTER (WHERE error IS NULL),
        percentile_disc(0.5) WITHIN GROUP (ORDER BY latency) FILTER (WHERE error IS NULL),
        (array_agg(error ORDER BY at DESC) FILTER (WHERE error IS NOT NULL))[1]
    FROM told WHERE venue IS NOT NULL GROUP BY venue
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Where the live orders stood at `at`: `due` are due and no worker has taken them, `delayed` are due
    later. Those that wait for their condition are in `live` alone."""

    at: datetime
    live: dict[str, int]
    running: int
    due: int
    delayed: int
    stuck: int
    #: Whose runs end in faults of ours again and again.
    faulty: int
    #: For how long an order has been due without anybody at work on it, seconds; the longest.
    overdue_s: float
    #: In flight, and left alone until the chain is asked about them again.
    resting: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class VenueHealth:
    """What one venue answered of late."""

    venue: str
    asked: int
    answered: int
    p50_ms: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One look at everything, by Postgres's clock."""

    at: datetime
    count: Count
    #: Orders that were ever accepted, by the newest one's number.
    accepted: int
    in_flight: list[Order]
    ended: list[Order]
    venues: list[VenueHealth]
    #: Orders in each of the last whole seconds, the newest last.
    accepted_by_second: list[int]
    ended_by_second: list[int]


class _BySecond:
    """Counts of each second, counted once: those that are over for a while stay as they are."""

    def __init__(self, statement: TextClause) -> None:
        self._statement = statement
        self._counts: dict[int, int] = {}
        self._settled = 0

    def last(self, conn: Connection, now: datetime) -> list[int]:
        """The last `WINDOW_S` whole seconds; the one that is running would always look like a drop."""
        current = int(now.timestamp())
        if self._settled > current:
            # The clock was set back.
            self._counts, self._settled = {}, 0
        since = max(current - WINDOW_S, self._settled)
        found = {int(second): int(n) for second, n in conn.execute(self._statement, {"since": since})}
        told = range(current - WINDOW_S, current)
        self._counts = {s: found.get(s, 0) if s >= since else self._counts.get(s, 0) for s in told}
        self._settled = current - LATE_S
        return [self._counts[s] for s in told]


class Overviews:
    """Looks for whoever asks."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._counting = threading.Lock()
        self._count: Count | None = None
        self._again = 0.0
        self._tallying = threading.Lock()
        self._accepted, self._ended = _BySecond(_ACCEPTED), _BySecond(_ENDED)

    def look(self) -> Overview:
        with self._db.connect() as conn:
            now: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
            count = self.count(conn)
            with self._tallying:
                came, went = self._accepted.last(conn, now), self._ended.last(conn, now)
            return Overview(
                at=now,
                count=count,
                accepted=accepted(conn),
                in_flight=_in_flight(conn, count.resting),
                ended=_ended(conn),
                venues=_venues(conn),
                accepted_by_second=came,
                ended_by_second=went,
            )

    def figures(self, connections: int) -> dict[str, Any]:
        """Counts, sizes and times for status and metrics, and what there is to fear of a Postgres that has to
        have `connections` for us."""
        with self._db.connect() as conn:
            return {
                "count": self.count(conn),
                "accepted": accepted(conn),
                "bytes": conn.execute(select(func.pg_database_size(func.current_database()))).scalar_one(),
                "version": conn.execute(text("SHOW server_version")).scalar_one().split()[0],
                "revision": conn.execute(text("SELECT version_num FROM alembic_version")).scalar(),
                "now": conn.execute(select(func.clock_timestamp())).scalar_one(),
                "weaknesses": [asdict(weakness) for weakness in foundation.look(conn, connections)],
            }

    def count(self, conn: Connection) -> Count:
        """Counted now, or a moment ago where counting takes long."""
        with self._counting:
            if self._count is None or time.monotonic() >= self._again:
                began = time.monotonic()
                self._count = _counted(conn)
                rest = (time.monotonic() - began) / SHARE
                self._again = began + (rest if sum(self._count.live.values()) > FEW else 0)
            return self._count


def accepted(conn: Connection) -> int:
    """How many orders were ever accepted: their numbers count them."""
    row = conn.execute(text("SELECT last_value, is_called FROM order_numbers")).one()
    return int(row[0]) if row[1] else 0


def _counted(conn: Connection) -> Count:
    rows = conn.execute(_COUNT, {"stuck": STUCK_S, "faulty": FAULTY}).all()
    now: datetime = conn.execute(select(func.clock_timestamp())).scalar_one()
    live = {s.value: 0 for s in LIVE} | {row[0]: row[1] for row in rows}
    running, delayed = sum(row[2] for row in rows), sum(row[3] for row in rows)
    first_due = min((row[5] for row in rows if row[5] is not None), default=now)
    return Count(
        at=now,
        live=live,
        running=running,
        due=sum(live[s] for s in RUNNABLE) - running - delayed,
        delayed=delayed,
        stuck=sum(row[4] for row in rows),
        faulty=sum(row[6] for row in rows),
        overdue_s=max(0.0, (now - first_due).total_seconds()),
        resting=[order_id for row in rows for order_id in row[7]][:SHOWN],
    )


def _in_flight(conn: Connection, resting: list[UUID]) -> list[Order]:
    """Those in execution and those that may be on the chain, the longest in its step first."""
    o = orders.c
    taken = conn.execute(select(slots.c.order_id).where(slots.c.order_id.is_not(None))).scalars()
    known = o.id == any_(literal([*taken, *resting], ARRAY(Uuid)))
    found = select(*moves.COLUMNS).where(known, o.status.in_([s.value for s in HOLDS_SLOT]))
    return [moves.order_of(row) for row in conn.execute(found.order_by(o.updated_at).limit(SHOWN))]


def _ended(conn: Connection) -> list[Order]:
    o = orders.c
    found = select(*moves.COLUMNS).where(o.finished_at.is_not(None)).order_by(o.finished_at.desc())
    return [moves.order_of(row) for row in conn.execute(found.limit(SHOWN))]


def _venues(conn: Connection) -> list[VenueHealth]:
    rows = conn.execute(_VENUES, {"orders": QUOTED, "age": QUOTES_S})
    return [
        VenueHealth(venue, asked, answered, None if p50 is None else int(p50), error)
        for venue, asked, answered, p50, error in rows
    ]
