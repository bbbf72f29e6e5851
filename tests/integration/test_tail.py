"""What was committed since the last look: each event once, whatever the order of commits."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from oee_daemon.contract.status import Status
from oee_daemon.store import tail_sql
from oee_daemon.store.database import open_database, transactions
from oee_daemon.store.tail_sql import Tail
from tests.kit.engine import Bench
from tests.kit.now import Within, now

LIMIT = 100


@pytest.fixture
def reader(bench: Bench) -> Iterator[Tail]:
    """One who has looked just now."""
    found = Tail(bench.db)
    assert found.look(LIMIT) is None
    yield found
    found.close()


def seen(reader: Tail) -> list[tuple[UUID, int, str]]:
    found = reader.look(LIMIT)
    assert found is not None
    return [(e.order_id, e.seq, e.status.value) for e in found]


def test_what_was_there_is_not_seen_and_what_comes_is_seen_once(bench: Bench) -> None:
    bench.place()
    reader = Tail(bench.db)
    assert reader.look(LIMIT) is None
    order = bench.place()
    bench.to(bench.held(order.id), Status.BUILDING)
    steps = ["pending", "routing", "building"]
    assert seen(reader) == [(order.id, n, status) for n, status in enumerate(steps, 1)]
    assert seen(reader) == []
    reader.close()


def test_a_commit_that_takes_longer_than_later_ones_is_seen_when_it_is_there(
    bench: Bench, reader: Tail
) -> None:
    slow, quick = bench.held(bench.place().id), bench.place()
    seen(reader)
    with transactions(bench.db).begin() as conn:
        # Written first, by clock and by number.
        assert now(bench.moved(slow, Status.BUILDING, line=Within(conn))) is not None
        bench.held(quick.id)
        assert seen(reader) == [(quick.id, 2, "routing")]
        assert seen(reader) == []
    assert seen(reader) == [(slow.id, 3, "building")]
    assert seen(reader) == []


def test_a_clock_that_is_set_back_hides_nothing(bench: Bench, reader: Tail) -> None:
    order = bench.place()
    seen(reader)
    with bench.db.connect() as conn:
        conn.execute(
            text(
                "INSERT INTO order_events (order_id, seq, status, attempt, at, data)"
                " VALUES (:id, 2, 'routing', 1, now() - interval '1 hour', '{}')"
            ),
            {"id": order.id},
        )
    assert seen(reader) == [(order.id, 2, "routing")]


def test_more_than_can_be_told_is_said_and_forgotten(bench: Bench, reader: Tail) -> None:
    for _ in range(4):
        bench.place()
    assert reader.look(3) is None
    order = bench.place()
    assert seen(reader) == [(order.id, 1, "pending")]


def test_a_connection_that_is_lost_means_that_nothing_is_known(bench: Bench, reader: Tail) -> None:
    assert reader._conn is not None
    pid = reader._conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with bench.db.connect() as conn:
        conn.execute(text("SELECT pg_terminate_backend(CAST(:pid AS integer), 5000)"), {"pid": pid})
    with pytest.raises(OperationalError):
        reader.look(LIMIT)
    bench.place()
    assert reader.look(LIMIT) is None
    order = bench.place()
    assert seen(reader) == [(order.id, 1, "pending")]


def test_the_events_of_another_server_never_come_up_again(bench: Bench) -> None:
    """As in a database that was restored: their numbers are of transactions that are still to come here."""
    order = bench.place()
    with bench.db.connect() as conn:
        ahead = "(pg_snapshot_xmax(pg_current_snapshot())::text::bigint + :n)::text::xid8"
        conn.execute(text("UPDATE order_events SET xact = " + ahead), {"n": 6})  # noqa: S608
    tail_sql.begin(bench.db)
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT to_regclass('order_events_xact') IS NOT NULL")).scalar_one()
    reader = Tail(bench.db)
    assert reader.look(LIMIT) is None
    found = []
    for _ in range(5):
        placed = bench.place()
        bench.set(placed.id, rung_at=bench.ago(seconds=1))
        found += seen(reader)
    assert len(found) == 5 and order.id not in {i for i, _, _ in found}
    reader.close()


def test_a_history_that_takes_long_to_read_keeps_no_daemon_from_starting(
    empty_url: str, bench: Bench
) -> None:
    """After a restore the index is made anew, of millions of events."""
    bench.place()
    hasty = open_database(empty_url, pool_size=1, statement_s=1.0)
    try:
        with bench.db.connect() as conn:
            conn.execute(text("UPDATE order_events SET xact = '9000000000000000'::xid8"))
            for statement in _SLOW_INDEX:
                conn.exec_driver_sql(statement)
        tail_sql.begin(hasty)
    finally:
        hasty.dispose()
        with bench.db.connect() as conn:
            conn.exec_driver_sql("DROP EVENT TRIGGER slow")
            conn.exec_driver_sql("DROP FUNCTION slow")
            assert conn.execute(text("SELECT to_regclass('order_events_xact') IS NOT NULL")).scalar_one()


#: To make an index takes longer than a statement usually may.
_SLOW_INDEX = (
    "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.2); END'",
    "CREATE EVENT TRIGGER slow ON ddl_command_start WHEN tag IN ('CREATE INDEX') EXECUTE FUNCTION slow()",
)
