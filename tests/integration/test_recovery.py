"""Recovery: what is due, once, and whatever the queue has been through."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from dramatiq.message import Message
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.engine.recovery import Recovery
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.store.database import open_database, transactions
from oee_daemon.store.engine_row import where
from tests.integration.line_rig import until_waits
from tests.kit.daemons import until
from tests.kit.engine import Bench


@pytest.fixture
def queue(redis_url: str) -> Queue:
    return Queue(redis_url)


class Queue:
    """What is in it, read as Dramatiq would."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def empty(self) -> None:
        self._client.flushall()

    def ids(self) -> list[UUID]:
        """In the order in which a worker would get them."""
        keys: Any = self._client.lrange("oee:orders", 0, -1)
        raw: Any = self._client.hmget("oee:orders.msgs", keys) if keys else []
        messages: list[Message[None]] = [Message(**json.loads(r)) for r in raw if r is not None]
        assert all(m.actor_name == "execute" and m.queue_name == "orders" for m in messages)
        return [UUID(m.args[0]) for m in messages]


def overdue(bench: Bench, queue: Queue, count: int) -> list[UUID]:
    """Orders that Postgres says are due while the queue knows nothing of them; the oldest first."""
    placed = [bench.place().id for _ in range(count)]
    for n, order_id in enumerate(placed):
        bench.set(order_id, next_run_at=bench.ago(seconds=60 - n))
    # Each is rung for by another thread, once it is accepted.
    until(lambda: len(queue.ids()) == count, what="their own rings")
    queue.empty()
    return placed


def test_what_the_queue_has_lost_is_rung_again_once(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 3)
    recovery = bench.recovery()
    assert recovery.take_up()[0] == 3
    assert sorted(queue.ids()) == sorted(placed)
    assert recovery.take_up()[0] == 0
    assert len(queue.ids()) == 3


def test_nothing_is_rung_where_nothing_is_due(bench: Bench, queue: Queue) -> None:
    order = bench.place()
    until(queue.ids, what="its own ring")
    queue.empty()
    assert bench.recovery().take_up()[0] == 0
    assert queue.ids() == []
    assert bench.trail(order.id) == ["pending"]


def test_it_takes_up_as_many_as_there_are_threads_the_oldest_first(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 10)
    recovery = bench.recovery(threads=4)
    rung = []
    for expected in (4, 4, 2, 0):
        queue.empty()
        assert recovery.take_up()[0] == expected
        rung.append(set(queue.ids()))
    assert rung == [set(placed[:4]), set(placed[4:8]), set(placed[8:]), set()]


def test_of_those_the_oldest_is_rung_first(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 8)
    for order_id in placed[::2]:  # rows move about in the table when they are written
        bench.set(order_id, slippage_bps=51)
    assert bench.recovery().take_up()[0] == 8
    assert queue.ids() == placed


def test_a_recovery_that_starts_trusts_no_earlier_ring(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 2)
    assert bench.recovery().take_up()[0] == 2
    queue.empty()
    assert bench.recovery(owner="two").take_up()[0] == 2
    assert sorted(queue.ids()) == sorted(placed)


def test_while_the_queue_is_away_nothing_counts_as_rung(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 3)
    away = open_broker("unix:///nowhere/valkey.sock")
    execution = bench.execution()
    urgent = UrgentOrders(execution, bench.loop, most=10)
    recovery = Recovery(bench.db, away, execution, urgent, owner="one", network="simulated", threads=10)
    assert recovery.take_up()[0] == 3
    assert recovery.take_up()[0] == 3
    # The queue comes back: the same recovery rings when it next comes, without waiting ten seconds.
    recovery.broker = bench.broker
    assert recovery.take_up()[0] == 3
    assert sorted(queue.ids()) == sorted(placed)
    assert recovery.take_up()[0] == 0
    away.close()


def test_what_this_worker_works_on_is_left_alone_and_its_dead_leases_are_not(
    bench: Bench, queue: Queue
) -> None:
    working, dead = overdue(bench, queue, 2)
    chain = bench.chain()
    execution = bench.execution(chain, owner="one")
    recovery = bench.recovery(execution, owner="one")
    bench.held(dead, "one")
    rung: list[int] = []

    def while_it_runs() -> None:
        assert execution.busy == [working]
        bench.set(working, next_run_at=bench.ago(seconds=60))
        rung.append(recovery.take_up()[0])

    chain.before_anchor = while_it_runs
    execution.run(working)
    assert rung == [1]
    assert queue.ids() == [dead]
    assert execution.busy == []


def test_an_order_whose_worker_died_is_rung_when_its_lease_is_over(bench: Bench, queue: Queue) -> None:
    (order_id,) = overdue(bench, queue, 1)
    bench.to(bench.held(order_id, "dead"), Status.ROUTING)
    bench.set(order_id, next_run_at=bench.ago(seconds=60))
    recovery = bench.recovery()
    assert recovery.take_up()[0] == 0
    bench.set(order_id, lease_until=bench.ago(seconds=1))
    assert recovery.take_up()[0] == 1
    assert queue.ids() == [order_id]


def test_nothing_is_taken_up_that_no_claim_would_take(bench: Bench, queue: Queue) -> None:
    """Between a restart of Postgres and the look that sees it: it would be left alone for ten seconds."""
    placed = overdue(bench, queue, 2)
    with bench.db.connect() as conn:
        here = where(conn)
    assert here is not None
    execution = bench.execution()
    recovery = bench.recovery(execution)
    execution.slots.where = here._replace(started=here.started - timedelta(seconds=1))
    assert recovery.take_up() == (0, False)
    execution.slots.where = here
    assert recovery.take_up()[0] == 2
    assert sorted(queue.ids()) == sorted(placed)


def test_what_a_claim_lost_with_its_connection_is_taken_up_at_the_next_look(
    bench: Bench, queue: Queue
) -> None:
    (order_id,) = overdue(bench, queue, 1)
    execution = bench.execution()
    recovery = bench.recovery(execution)
    assert recovery.take_up()[0] == 1
    with ThreadPoolExecutor() as pool, transactions(bench.db).begin() as held:
        held.execute(text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": order_id})
        run = pool.submit(execution.run, order_id)
        until_waits(bench.db)
        held.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        held.commit()
        assert run.result() is None
    assert bench.trail(order_id) == ["pending"]
    assert recovery.take_up()[0] == 1
    assert recovery.take_up()[0] == 0


def test_while_there_is_more_than_room_it_comes_again_soon(bench: Bench, queue: Queue) -> None:
    overdue(bench, queue, 5)
    recovery = bench.recovery(threads=4)
    assert recovery.once()
    assert not recovery.once()
    # Where there is no room, nobody is helped by coming soon.
    assert not bench.recovery(owner="two", threads=0).once()


def test_a_postgres_that_was_away_leaves_every_earlier_ring_in_doubt(bench: Bench, queue: Queue) -> None:
    placed = overdue(bench, queue, 2)
    recovery = bench.recovery()
    assert recovery.take_up() == (2, False)
    db, recovery.db = recovery.db, open_database("postgresql+psycopg://oee@/oee?host=/nowhere", pool_size=1)
    with pytest.raises(OperationalError):
        recovery.once()
    recovery.db.dispose()
    recovery.db = db
    queue.empty()
    assert not recovery.once()
    assert sorted(queue.ids()) == sorted(placed)


def test_what_has_not_moved_for_long_is_said(
    bench: Bench, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    for order_id in overdue(bench, queue, 2):
        bench.set(order_id, updated_at=bench.ago(minutes=6))
    with caplog.at_level(logging.WARNING):
        assert not bench.recovery().look_for_stuck()
    (said,) = [r for r in caplog.records if r.message == "orders have not moved for 5 minutes"]
    assert said.__dict__["orders"] == 2
