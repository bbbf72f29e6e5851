"""Ready means: an order that is due would be taken up now."""

from __future__ import annotations

from oee_daemon.store import halt_row, readiness_sql
from oee_daemon.store.database import transactions
from oee_daemon.store.readiness_sql import Readiness
from tests.kit.engine import Bench


def look(bench: Bench, *, read_only: bool = False) -> Readiness:
    with bench.db.connect() as conn:
        if read_only:
            conn.exec_driver_sql("SET default_transaction_read_only = on")
        found = readiness_sql.look(conn, "simulated")
        conn.exec_driver_sql("RESET default_transaction_read_only")
        return found


def test_a_worker_is_there_while_it_beats_and_no_longer_when_it_says_so_or_falls_silent(bench: Bench) -> None:
    assert look(bench) == Readiness(writable=True, worker=False, moving=True)
    recovery = bench.recovery()
    recovery.once()
    assert look(bench).worker
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE workers SET seen_at = seen_at - interval '6 seconds'")
    assert not look(bench).worker
    recovery.once()
    recovery.leave()
    assert not look(bench).worker
    with bench.db.connect() as conn:
        readiness_sql.beat(conn, "elsewhere", "mainnet")
    assert not look(bench).worker


def test_a_beat_waits_for_nobody_whom_it_would_forget(bench: Bench) -> None:
    """After the clock jumped two workers each forgot the other, and the one's beat was lost in a deadlock."""
    with bench.db.connect() as conn:
        for owner in ("gone", "one", "two"):
            readiness_sql.beat(conn, owner, "simulated")
        conn.exec_driver_sql("UPDATE workers SET seen_at = seen_at - interval '5 minutes'")
        with transactions(bench.db).begin() as one:
            one.exec_driver_sql("SELECT FROM workers WHERE owner IN ('gone', 'one') FOR UPDATE")
            readiness_sql.beat(conn, "two", "simulated")
            assert {seen.owner for seen in halt_row.workers(conn)} == {"gone", "one", "two"}
        readiness_sql.beat(conn, "two", "simulated")
        assert [seen.owner for seen in halt_row.workers(conn)] == ["two"]


def test_an_order_that_nobody_takes_up_is_a_standstill_and_a_backlog_is_none(bench: Bench) -> None:
    order, other = bench.place(), bench.place()
    assert look(bench).moving
    bench.set(order.id, next_run_at=bench.ago(seconds=9))
    assert not look(bench).moving
    bench.held(other.id)
    assert look(bench).moving
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE execution_slots SET taken_at = taken_at - interval '9 seconds'")
    assert not look(bench).moving
    bench.held(order.id)
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE execution_slots SET taken_at = taken_at - interval '9 seconds'")
    assert look(bench).moving


def test_a_postgres_that_takes_no_writes_is_not_ready(bench: Bench) -> None:
    assert not look(bench, read_only=True).writable
    assert look(bench).writable
