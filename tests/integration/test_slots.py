"""The wallet's execution slots: how many orders may be in execution at once, over all workers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from psycopg import RawCursor
from sqlalchemy import func, select, text, update

from oee_daemon.contract.status import Status
from oee_daemon.engine.execution import COME_AGAIN
from oee_daemon.engine.execution_slots import Slots
from oee_daemon.store import lease_sql, move_sql
from oee_daemon.store.database import transactions
from oee_daemon.store.sql_statement import driver
from tests.integration.test_scale import cost
from tests.kit.engine import Bench
from tests.kit.executions import discard
from tests.kit.now import now
from tests.kit.tables import execution_slots


def claim(bench: Bench, order_id: Any, owner: str, places: int) -> Any:
    with bench.db.connect() as conn:
        lease_sql.ensure_slots(conn, places)
        lease_sql.reap(conn)
    return now(lease_sql.claim(bench.line, order_id, owner=owner, network="simulated", slots=places))


def age(bench: Bench, **by: float) -> None:
    """As if every slot had been taken so long ago."""
    with bench.db.connect() as conn:
        conn.execute(update(execution_slots).values(taken_at=func.clock_timestamp() - timedelta(**by)))


def taken(bench: Bench) -> int:
    with bench.db.connect() as conn:
        return conn.execute(select(func.count(execution_slots.c.order_id))).scalar_one()


def test_no_worker_gets_more_than_there_is(bench: Bench) -> None:
    first, second, third = (bench.place().id for _ in range(3))
    assert claim(bench, first, "one", 2) and claim(bench, second, "two", 2)
    for owner in ("one", "two", "three"):
        with pytest.raises(lease_sql.NoSlot):
            claim(bench, third, owner, 2)
    assert bench.order(third).status is Status.PENDING
    assert bench.row(third).fence == 0
    # With more slots, one of them is free.
    assert claim(bench, third, "three", 3)


@pytest.mark.parametrize("way", ["confirmed", "failed", "pending", "cancelled", "left", "cleared"])
def test_whoever_is_no_longer_executed_gives_its_slot_back(bench: Bench, way: str) -> None:
    order, waiting = bench.held(bench.place().id, "home:one"), bench.place().id
    assert taken(bench) == 1
    with bench.db.connect() as conn:
        if way == "confirmed":
            bench.to(order, Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)
        elif way == "failed":
            bench.advance(order, Status.FAILED)
        elif way == "pending":
            bench.advance(order, Status.PENDING, delay=timedelta(seconds=9))
        elif way == "cancelled":
            move_sql.cancel(conn, order.id)
        elif way == "left":
            lease_sql.let_go(conn, order, timedelta(seconds=9))
        else:
            assert lease_sql.clear_leases(conn, "home:") == 1
    assert taken(bench) == 0
    assert claim(bench, waiting, "two", 1)


def test_a_killed_worker_keeps_its_slot_no_longer_than_its_lease(bench: Bench) -> None:
    held, waiting = bench.held(bench.place().id, "killed"), bench.place().id
    age(bench, seconds=60)
    # A long run is no death: its lease holds.
    with pytest.raises(lease_sql.NoSlot):
        claim(bench, waiting, "two", 1)
    bench.set(held.id, lease_until=bench.ago(seconds=1))
    assert claim(bench, waiting, "two", 1)
    # Woken up again, it neither holds nor moves the order, and gives back nothing that is not its own any
    # more.
    with bench.db.connect() as conn:
        assert lease_sql.extend(conn, held) is None
        lease_sql.let_go(conn, held, timedelta(0))
    assert bench.advance(held, Status.BUILDING) is None
    assert bench.row(held.id).lease_owner is None
    assert bench.order(waiting).status is Status.ROUTING
    assert taken(bench) == 1


def test_a_lease_that_is_renewed_in_the_moment_in_which_its_slot_is_asked_for_keeps_it(bench: Bench) -> None:
    """Whoever frees the slot has seen a lease that was over, and waits; it looks again."""
    held = bench.held(bench.place().id, "frozen")
    age(bench, seconds=60)
    bench.set(held.id, lease_until=bench.ago(seconds=1))
    with ThreadPoolExecutor(1) as pool:
        with transactions(bench.db).begin() as conn:
            assert lease_sql.extend(conn, held) is not None

            def reap() -> bool:
                with bench.db.connect() as other:
                    return lease_sql.reap(other)

            assert pool.submit(reap).result(10) is False
        assert pool.submit(reap).result(10) is False
    assert bench.advance(held, Status.BUILDING) is not None
    assert taken(bench) == 1


def test_the_slot_of_an_order_that_is_gone_is_free_again(bench: Bench) -> None:
    held, waiting = bench.held(bench.place().id, "one"), bench.place().id
    age(bench, seconds=60)
    bench.set(held.id, status="cancelled", finished_at=bench.ago(seconds=1))
    assert claim(bench, waiting, "two", 1)
    with bench.db.connect() as conn:
        assert lease_sql.reap(conn) is False


@pytest.mark.parametrize("taken_s", [60, -3 * 3600])
def test_a_lease_from_a_clock_that_jumped_keeps_no_slot(bench: Bench, taken_s: int) -> None:
    held, waiting = bench.held(bench.place().id, "killed"), bench.place().id
    age(bench, seconds=taken_s)
    bench.set(held.id, lease_until=bench.ago(hours=-3))
    assert claim(bench, waiting, "two", 1)


def test_an_order_that_is_claimed_again_uses_its_own_slot(bench: Bench) -> None:
    held = bench.held(bench.place().id, "one")
    bench.set(held.id, lease_until=bench.ago(seconds=1))
    assert claim(bench, held.id, "two", 1)
    assert taken(bench) == 1


def at_once(bench: Bench, order_ids: list[Any]) -> int:
    """The most that were between `routing` and their end at any moment, as their events say."""
    steps = []
    for order_id in order_ids:
        events = bench.events(order_id)
        steps += [(events[1].at, 1), (events[-1].at, -1)]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most


def test_two_workers_with_ten_threads_each_keep_to_three_slots(bench: Bench) -> None:
    chain, three = bench.chain(), threading.Barrier(3)
    # On a busy machine one could end before the next begins.
    chain.before_anchor = lambda: discard(three.wait(60))
    workers = [bench.execution(chain, owner=name, max_active=3) for name in ("one", "two")]
    placed = [bench.place().id for _ in range(24)]
    with ThreadPoolExecutor(20) as pool:
        runs = [pool.submit(workers[n % 2].run, order_id) for n, order_id in enumerate(placed)]
    assert [run.result() for run in runs] == [None] * 24
    assert {bench.order(i).status for i in placed} == {Status.CONFIRMED}
    assert at_once(bench, placed) == 3
    assert taken(bench) == 0


def test_who_waits_for_a_slot_when_its_worker_stops_comes_back(bench: Bench) -> None:
    bench.held(bench.place().id, "other")
    execution, waiting = bench.execution(owner="one", max_active=1), bench.place().id
    found: list[timedelta | None] = []
    thread = threading.Thread(target=lambda: found.append(execution.run(waiting)))
    thread.start()
    execution.stop()
    thread.join(5)
    assert found == [COME_AGAIN]
    assert bench.order(waiting).status is Status.PENDING


def test_a_slot_that_is_given_back_is_taken_at_once(bench: Bench) -> None:
    held, waiting = bench.held(bench.place().id, "one"), bench.place().id
    places = Slots(bench.db, bench.line, owner="one", network="simulated", most=1)
    begun = time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(now, places.claim(waiting))
        bench.to(held, Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)
        places.given_back()
        assert run.result(5) is not None
    assert time.monotonic() - begun < 5


def test_a_claim_reads_one_order_however_many_wait(bench: Bench) -> None:
    waiting = [bench.place().id for _ in range(150)]
    newest_first = reversed(waiting)
    # Its own entry, by its id, a few times; not those of all that are due.
    assert cost(bench.db, lambda: bench.held(next(newest_first))).entries < 20


def test_no_index_on_what_is_due_can_ever_serve_a_claim(bench: Bench) -> None:
    """Whatever Postgres believes of the table: without the way by the id it would read all orders instead."""
    with transactions(bench.db).connect() as conn:
        conn.execute(text("ALTER TABLE orders DROP CONSTRAINT orders_pkey"))
        conn.execute(text("SET LOCAL enable_seqscan = off"))
        claim = f"EXPLAIN {lease_sql._claim('market').texts[0]}"
        plan = RawCursor(driver(conn)).execute(claim.encode(), ["[]"]).fetchall()
        conn.rollback()
    assert [line for (line,) in plan if "orders" in line and "Index" in line] == []
    assert any("Seq Scan on orders" in line for (line,) in plan)
