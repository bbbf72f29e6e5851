"""The engine as it is now, for those who watch it: what stands where, is on its way, ended, and how fast.

Reads and changes nothing; the SQL is in `store.overview_sql`. It is asked again and again, however many
orders are stored: the one question that must look at all live orders is asked the more seldom the longer it
takes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from oee_daemon.contract.status import LIVE, RUNNABLE, Status
from oee_daemon.engine import engine_durability
from oee_daemon.orders.order import Order
from oee_daemon.store import halt_row, waiting_sql
from oee_daemon.store import overview_sql as statements
from oee_daemon.store.halt_row import Halt
from oee_daemon.store.sql_statement import Statement

#: An order that has not moved for this long counts as stuck, seconds.
STUCK_S = 300
#: Faults of an order's runs from which on it is told as faulty: one or two may be a connection that was lost.
FAULTY = 3
#: The part of one Postgres process's time that counting may take: a count of 0.5 s is made every 10 s.
SHARE = 0.05
#: Orders that may run, or that wait, up to which they are always counted anew: that takes some milliseconds.
FEW = 10_000
#: Seconds between two counts of more than so many that wait: nothing else is known by their number.
WAITS_S = 10.0
#: The most orders listed of those on their way, and of those that ended.
LISTED = 40
#: Seconds that the rates look back.
WINDOW_S = 60
#: Seconds after which no commit is late any more, and the second's count is kept.
LATE_S = 3
#: The ended orders whose quotes are looked at, and how old a quote may be, seconds.
QUOTED, QUOTES_S = 200, 300


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
    #: The row of `waiting_sql.GLANCE`: the watch over prices.
    watch: Any
    #: None while the engine works.
    halt: Halt | None = None


class BySecond:
    """Counts what happened in each second, once: the count of a second that is over for a while stays."""

    def __init__(self, statement: Statement[Any]) -> None:
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
        found = dict(self._statement.all(conn, {"since": since}))
        window = range(current - WINDOW_S, current)
        self._counts = {s: found.get(s, 0) if s >= since else self._counts.get(s, 0) for s in window}
        self._settled = current - LATE_S
        return [self._counts[s] for s in window]


class Overviews:
    """Makes an `Overview` for whoever asks; counts less often where counting takes long."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._counting = threading.Lock()
        self._count: Count | None = None
        self._waits = 0
        #: When each of them is counted again.
        self._again = self._waits_again = 0.0
        self._tallying = threading.Lock()
        self._accepted = BySecond(statements.ACCEPTED_BY_SECOND)
        self._ended = BySecond(statements.ENDED_BY_SECOND)

    def look(self) -> Overview:
        with self._db.connect() as conn:
            now = statements.NOW.value(conn)
            count = self.count(conn)
            flying = statements.IN_FLIGHT.all(conn, {"resting": count.resting, "most": LISTED})
            ended = statements.ENDED.all(conn, {"most": LISTED})
            venues = statements.VENUES.all(conn, {"orders": QUOTED, "age": QUOTES_S})
            with self._tallying:
                came, went = self._accepted.last(conn, now), self._ended.last(conn, now)
            return Overview(
                at=now,
                count=count,
                accepted=statements.ACCEPTED.value(conn),
                in_flight=flying,
                ended=ended,
                venues=[VenueHealth(**row._asdict()) for row in venues],
                accepted_by_second=came,
                ended_by_second=went,
                watch=waiting_sql.GLANCE.first(conn),
                halt=halt_row.read(conn),
            )

    def figures(self, connections: int) -> dict[str, Any]:
        """Counts, sizes and times for status and metrics, and what there is to fear of a Postgres that has to
        have `connections` for us."""
        with self._db.connect() as conn:
            database = statements.DATABASE.one(conn)
            return {
                "count": self.count(conn),
                "accepted": statements.ACCEPTED.value(conn),
                "bytes": database.bytes,
                "version": database.version.split()[0],
                "revision": database.revision,
                "now": database.now,
                "halt": halt_row.read(conn),
                "watch": waiting_sql.GLANCE.first(conn),
                "weaknesses": [asdict(weakness) for weakness in engine_durability.look(conn, connections)],
            }

    def count(self, conn: Connection) -> Count:
        """The live orders, counted now, or a moment ago where counting takes long."""
        with self._counting:
            if time.monotonic() >= self._waits_again:
                began = time.monotonic()
                self._waits = statements.WAITS.value(conn)
                rest = max(WAITS_S, (time.monotonic() - began) / SHARE)
                self._waits_again = began + (rest if self._waits > FEW else 0)
            if self._count is None or time.monotonic() >= self._again:
                began = time.monotonic()
                self._count = _count_live(conn)
                rest = (time.monotonic() - began) / SHARE
                self._again = began + (rest if sum(self._count.live.values()) > FEW else 0)
            return replace(self._count, live=self._count.live | {Status.WAITING.value: self._waits})


def _count_live(conn: Connection) -> Count:
    """But for those that wait."""
    rows = statements.COUNT.all(conn, {"stuck": STUCK_S, "faulty": FAULTY, "most": LISTED})
    now = statements.NOW.value(conn)
    live = {s.value: 0 for s in LIVE} | {row.status: row.orders for row in rows}
    running, delayed = sum(row.running for row in rows), sum(row.delayed for row in rows)
    first_due = min((row.first_due for row in rows if row.first_due is not None), default=now)
    return Count(
        at=now,
        live=live,
        running=running,
        due=sum(live[s] for s in RUNNABLE) - running - delayed,
        delayed=delayed,
        stuck=sum(row.stuck for row in rows),
        faulty=sum(row.faulty for row in rows),
        overdue_s=max(0.0, (now - first_due).total_seconds()),
        resting=[order_id for row in rows for order_id in row.resting][:LISTED],
    )
