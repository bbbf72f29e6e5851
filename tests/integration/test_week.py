"""A week of waiting in seconds: Postgres's clock and the chain's are set from hour to hour, over a weekend in
which clocks here go forward or back. Instants are written by hand, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from oee_cli.cli_errors import UsageFault
from oee_cli.text.future_text import read_future
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.orders.order import Order
from oee_daemon.reads.reads_waiting import WaitingOrders
from oee_daemon.store import postgres_connection
from oee_daemon.store.database import open_database
from tests.kit.databases import Connection, connect
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.waiting import (
    limit,
)

HOUR = timedelta(hours=1)
#: When, and which order.
Fired = tuple[datetime, Any]
#: In front of Postgres's own: what every statement asks for the time.
CLOCK = """
CREATE SCHEMA held;
CREATE TABLE held.clock (ahead interval);
INSERT INTO held.clock VALUES ('0');
"""
ASKED = """
CREATE FUNCTION held.{name}() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.{name}() + ahead FROM held.clock'
"""


class Week:
    """The bench, at a time that the test sets."""

    def __init__(self, bench: Bench, sql: Connection) -> None:
        self.bench, self._sql = bench, sql
        self.at = datetime.now(UTC)
        self.watcher = bench.watcher()

    def begin(self, at: datetime) -> None:
        self._sql.execute("UPDATE held.clock SET ahead = %s", (at - datetime.now(UTC),))
        self.at = at

    def go_on(self, until: datetime, *, watched: bool = True, step: timedelta = 2 * HOUR) -> list[Fired]:
        """What fires on the way, and when. `watched`: with a look at each step, as one of all those between;
        without it the daemon is away until then."""
        fired = []
        while self.at < until:
            before, self.at = self.at, min(until, self.at + step) if watched else until
            self._sql.execute("UPDATE held.clock SET ahead = ahead + %s", (self.at - before,))
            if watched:
                self._sql.execute(
                    "UPDATE watch SET seen_at = seen_at + %s, lease_until = lease_until + %s",
                    (self.at - before,) * 2,
                )
            self.bench.clock.wind(s=round((self.at - before).total_seconds()))
            fired += [(self.at, found) for found in self.look()] if watched else []
        return fired

    def look(self) -> list[Any]:
        waited = self._of_status("waiting")
        now(self.watcher.beat())
        now(self.watcher.tick())
        return [*(waited & self._of_status("pending"))]

    def _of_status(self, status: str) -> set[Any]:
        found = self._sql.execute("SELECT id FROM orders WHERE status = %s", (status,))
        return {row[0] for row in found}

    def ended_at(self, order: Order) -> datetime:
        found = self.bench.order(order.id)
        assert found.status is Status.EXPIRED and found.finished_at is not None
        assert self.bench.events(order.id)[-1].data == {"by": "expiresAt"}
        return found.finished_at


@pytest.fixture
def week(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Week]:
    sql = connect(database_url)
    sql.execute(CLOCK)
    for name in ("clock_timestamp", "statement_timestamp", "now"):
        sql.execute(ASKED.format(name=name).encode())
    monkeypatch.setitem(postgres_connection._PINNED, "search_path", "'held, pg_catalog, public'")
    db, ledger = open_database(database_url, pool_size=8), open_file(tmp_path / "chain.db")
    bench = Bench(db, redis_url, ledger)
    yield Week(bench, sql)
    sql.close()
    bench.close()
    db.dispose()
    ledger.dispose()


class Change(NamedTuple):
    """A weekend on which clocks are set. `friday`: noon here; the others as people type them here, with what
    they are in UTC; `apart`: a time that is no time, or two, and what it may mean."""

    zone: str
    friday: str
    monday: tuple[str, str]
    sunday: tuple[str, str]
    apart: tuple[str, str, str, str]
    night: tuple[str, str]


#: https://en.wikipedia.org/wiki/Daylight_saving_time_by_country; the last Sundays of March and October in
#: Berlin, the second one of March and the first one of November in New York.
CHANGES = (
    Change(
        "Europe/Berlin", "2027-03-26T11:00Z", ("2027-03-29T09:00", "2027-03-29T07:00Z"),
        ("2027-03-28T18:00", "2027-03-28T16:00Z"),
        ("2027-03-28T02:30", "no_such_time", "2027-03-28T00:30Z", "2027-03-28T01:30Z"),
        ("2027-03-27T21:00Z", "2027-03-28T05:00Z"),
    ),
    Change(
        "Europe/Berlin", "2027-10-29T10:00Z", ("2027-11-01T09:00", "2027-11-01T08:00Z"),
        ("2027-10-31T18:00", "2027-10-31T17:00Z"),
        ("2027-10-31T02:30", "ambiguous_time", "2027-10-31T00:30Z", "2027-10-31T01:30Z"),
        ("2027-10-30T20:00Z", "2027-10-31T06:00Z"),
    ),
    Change(
        "America/New_York", "2027-03-12T17:00Z", ("2027-03-15T09:00", "2027-03-15T13:00Z"),
        ("2027-03-14T18:00", "2027-03-14T22:00Z"),
        ("2027-03-14T02:30", "no_such_time", "2027-03-14T06:30Z", "2027-03-14T07:30Z"),
        ("2027-03-14T03:00Z", "2027-03-14T11:00Z"),
    ),
    Change(
        "America/New_York", "2027-11-05T16:00Z", ("2027-11-08T09:00", "2027-11-08T14:00Z"),
        ("2027-11-07T18:00", "2027-11-07T23:00Z"),
        ("2027-11-07T01:30", "ambiguous_time", "2027-11-07T05:30Z", "2027-11-07T06:30Z"),
        ("2027-11-07T02:00Z", "2027-11-07T12:00Z"),
    ),
)  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


def name(change: Change) -> str:
    return f"{change.zone} {change.friday[:7]}"


def typed(change: Change, text: str) -> datetime:
    return read_future(text, "--expires", now=utc(change.friday), zone=ZoneInfo(change.zone))


@pytest.mark.parametrize("change", CHANGES, ids=name)
def test_what_is_typed_on_friday_is_meant_by_the_clocks_of_its_own_day(change: Change) -> None:
    wall, code, first, second = change.apart
    with pytest.raises(UsageFault) as unclear:
        typed(change, wall)
    assert unclear.value.code == code
    assert unclear.value.hint is not None
    assert all(reading[:-1] in unclear.value.hint for reading in (first, second)), unclear.value.hint
    for text, meant in (change.monday, change.sunday):
        assert typed(change, text) == utc(meant)
    assert typed(change, "7d") == utc(change.friday) + timedelta(days=7)


#: The engine has no zone: one change forward, and one back on the other side of Greenwich.
@pytest.mark.parametrize("change", [CHANGES[0], CHANGES[3]], ids=name)
def test_a_week_in_which_clocks_are_set(week: Week, change: Change) -> None:
    friday, bench = utc(change.friday), week.bench
    week.begin(friday)
    launched = bench.place(launch_at=typed(change, change.monday[0]))
    sunday = limit(bench, "0.5", good_until=typed(change, change.sunday[0]), far=True)
    seven_days = limit(bench, "0.5", good_until=typed(change, "7d"), far=True)
    overnight = limit(bench, "0.97", good_until=utc(change.night[0]) + 3 * HOUR)
    met_overnight = limit(bench, "0.97")
    trails = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    assert week.look() == [] and week.go_on(utc(change.night[0])) == []
    bench.move_market(200)
    assert week.look() == []
    # The daemon is away for the night in which clocks are set; the market comes to a limit, and goes back.
    bench.move_market(-400)
    gone_at = week.at
    week.go_on(utc(change.night[1]), watched=False)
    bench.move_market(200)
    assert week.look() == []
    assert week.ended_at(overnight) == pytest.approx(utc(change.night[1]), abs=HOUR / 60)
    # Both fire by what somebody has seen, and nobody saw the night.
    assert {bench.order(o.id).status for o in (met_overnight, trails)} == {Status.WAITING}
    ((begun, ended, why),) = WaitingOrders(bench.db).gaps(trails.id)
    assert why == "away" and ended is not None
    assert abs(begun - gone_at) < HOUR / 60 and abs(ended - utc(change.night[1])) < HOUR / 60
    # On Sunday and Monday each by its own hour, and not by that of the day before.
    assert week.go_on(utc(change.sunday[1]) - HOUR / 60) == []
    assert bench.order(sunday.id).status is Status.WAITING
    week.go_on(utc(change.sunday[1]))
    assert week.ended_at(sunday) == pytest.approx(utc(change.sunday[1]), abs=HOUR / 60)
    assert week.go_on(utc(change.monday[1]) - HOUR / 60) == []
    week.go_on(utc(change.monday[1]) + HOUR / 60)
    assert bench.events(launched.id)[1].data["trigger"]["rule"] == "time"
    assert abs(bench.events(launched.id)[1].at - utc(change.monday[1])) <= HOUR / 30
    # The trailing stop follows over days, one way alone, and fires by the best price of them all.
    peak = bench.row(trails.id).peak
    for bps in (500, 350, 800, 600):
        bench.move_market(bps)
        assert week.go_on(week.at + 6 * HOUR, step=3 * HOUR) == []
    best = bench.row(trails.id).peak
    assert best > peak and abs(bench.row(trails.id).arm_price - best * Decimal("0.97")) < Decimal("1e-9")
    bench.move_market(450)
    fired = week.go_on(week.at + 2 * HOUR, step=HOUR)
    assert [order_id for _, order_id in fired] == [trails.id]
    done = bench.run_to_end(bench.execution(), trails.id)
    assert done.status is Status.CONFIRMED and done.filled_out and done.filled_out >= (done.min_receive or 0)
    # A week of hours is 168 of them, whatever clocks show.
    week.go_on(friday + timedelta(days=7) - HOUR / 60, step=6 * HOUR)
    assert bench.order(seven_days.id).status is Status.WAITING
    week.go_on(friday + timedelta(days=7) + HOUR / 60)
    assert week.ended_at(seven_days) == pytest.approx(friday + timedelta(days=7), abs=HOUR / 30)


def test_a_clock_that_jumps_an_hour_fires_nothing_early_and_nothing_twice(week: Week) -> None:
    week.begin(utc("2027-03-26T11:00Z"))
    launched = week.bench.place(launch_at=utc("2027-03-26T13:00Z"))
    waits = limit(week.bench, "0.97")
    assert week.go_on(utc("2027-03-26T12:30Z")) == []
    week.begin(utc("2027-03-26T11:30Z"))
    assert week.look() == []
    week.bench.move_market(-400)
    assert [i for _, i in week.go_on(utc("2027-03-26T12:00Z"), step=HOUR / 60)][:1] == [waits.id]
    assert week.bench.order(launched.id).status is Status.WAITING
    week.go_on(utc("2027-03-26T13:01Z"))
    assert week.bench.order(launched.id).firings == week.bench.order(waits.id).firings == 1
