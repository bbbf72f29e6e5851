"""An order that waits for its condition: nobody claims, rings or counts it, and it can be stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from oee_daemon.contract.status import IllegalMove, Status
from oee_daemon.orders.order import Order
from oee_daemon.reads.reads_engine import Overviews
from oee_daemon.store import lease_sql, readiness_sql
from oee_daemon.store.listing_sql import Filter, page
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.tables import execution_slots, order_events, orders


@pytest.fixture
def waiting(bench: Bench) -> Order:
    """Written by hand, an hour ago, and every clock would say that it is due."""
    order = bench.place(valid_for_s=7200)
    long_ago = bench.ago(hours=1)
    bench.set(order.id, status="waiting", created_at=long_ago, updated_at=long_ago)
    with bench.db.connect() as conn:
        conn.execute(order_events.update().values(status="waiting", at=long_ago))
        lease_sql.ensure_slots(conn, 1)
    return bench.order(order.id)


def taken(bench: Bench) -> int:
    with bench.db.connect() as conn:
        return conn.execute(select(func.count(execution_slots.c.order_id))).scalar_one()


def test_it_is_not_claimed_and_takes_no_slot(bench: Bench, waiting: Order) -> None:
    assert bench.claim(waiting.id) is None
    assert bench.execution().run(waiting.id) is None
    assert taken(bench) == 0
    assert bench.order(waiting.id) == waiting
    assert bench.trail(waiting.id) == ["waiting"]
    row = bench.row(waiting.id)
    assert row.lease_owner is row.lease_until is row.next_run_at is None


def test_recovery_neither_takes_it_up_nor_forgets_it(bench: Bench, waiting: Order) -> None:
    recovery = bench.recovery()
    assert [recovery.once() for _ in range(3)] == [0, 0, 0]
    assert bench.row(waiting.id).rung_at is None
    with bench.db.connect() as conn:
        assert lease_sql.due(conn, network="simulated", owner="one", busy=[], limit=10) == []
        assert lease_sql.stuck(conn, "simulated", timedelta(minutes=5)) == 0
        lease_sql.forget_rings(conn, "simulated")
        assert lease_sql.clear_leases(conn, "") == 0
        assert lease_sql.reap(conn) is False
        assert readiness_sql.look(conn, "simulated").moving
    assert bench.order(waiting.id) == waiting


def test_it_is_counted_as_waiting_and_as_nothing_else(bench: Bench, waiting: Order) -> None:
    seen = Overviews(bench.db).look()
    assert {name: n for name, n in seen.count.live.items() if n} == {"waiting": 1}
    assert (seen.count.running, seen.count.due, seen.count.delayed, seen.count.stuck) == (0, 0, 0, 0)
    assert seen.count.overdue_s == 0 and seen.count.resting == seen.in_flight == []
    with bench.db.connect() as conn:
        found = page(conn, Filter(status=("waiting",)), limit=10, before=None)
    assert [order.id for order in found] == [waiting.id]


def test_it_is_cancelled(bench: Bench, waiting: Order) -> None:
    assert bench.intake.cancel(waiting.id).status is Status.CANCELLED
    assert bench.trail(waiting.id) == ["waiting", "cancelled"]
    assert bench.row(waiting.id).finished_at is not None


def test_it_expires(bench: Bench, waiting: Order) -> None:
    bench.set(waiting.id, expires_at=bench.ago(seconds=1))
    expired = bench.advance(bench.order(waiting.id), Status.EXPIRED)
    assert expired is not None and expired == bench.order(waiting.id)
    assert bench.trail(waiting.id) == ["waiting", "expired"]


@pytest.mark.parametrize("to", [Status.BUILDING, Status.SUBMITTED, Status.FAILED])
def test_it_goes_nowhere_else(bench: Bench, waiting: Order, to: Status) -> None:
    with pytest.raises(IllegalMove):
        bench.advance(waiting, to)
    assert bench.order(waiting.id) == waiting


def test_slots_of_one_class_are_not_taken_by_another(bench: Bench) -> None:
    market, other = bench.place(), bench.place()
    asked: dict[str, Any] = {"owner": "one", "network": "simulated", "slots": 1}
    with bench.db.connect() as conn:
        for name in ("market", "sniper"):
            lease_sql.ensure_slots(conn, 1, name)
        assert now(lease_sql.claim(bench.line, market.id, **asked)) is not None
        with pytest.raises(lease_sql.NoSlot):
            now(lease_sql.claim(bench.line, other.id, **asked))
        assert now(lease_sql.claim(bench.line, other.id, slot_class="sniper", **asked)) is not None
        classes = conn.execute(select(execution_slots.c["class"], execution_slots.c.order_id)).all()
    assert dict(map(tuple, classes)) == {"market": market.id, "sniper": other.id}


def test_thousands_that_wait_are_in_nobodys_way(bench: Bench) -> None:
    """What is due is looked for in an index that has none of them."""
    order = bench.place()
    names = [c.name for c in orders.c if c.name not in ("id", "number", "missed", "idempotency_key")]
    row = f"SELECT gen_random_uuid(), {', '.join(names)} FROM orders, generate_series(1, 5000)"  # noqa: S608
    bench.set(order.id, status="waiting")
    with bench.db.connect() as conn:
        conn.execute(text(f"INSERT INTO orders (id, {', '.join(names)}) {row}"))
        conn.execute(text("ANALYZE orders"))
        sizes = conn.execute(
            text("SELECT pg_relation_size('orders_due'), pg_relation_size('orders_waiting')")
        )
        due, waiting = sizes.one()
    assert due <= 16_384 < waiting
