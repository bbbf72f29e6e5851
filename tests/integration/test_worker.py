"""A message end to end: Dramatiq's threads on Valkey, the actor, execution, Postgres. Nothing is faked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import dramatiq
import pytest
import redis

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_worker import Worker
from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.orders.swap import Anchor
from oee_daemon.settings import Settings
from tests.kit.daemons import until
from tests.kit.engine import Bench


@pytest.fixture
def settings(empty_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The shared database in place of one of the test's own."""
    return Settings(
        home=tmp_path / "home",
        database_url=empty_url,
        redis_url=redis_url,
        worker_threads=4,
        sim_latency_ms=0,
        sim_confirm_ms=0,
        sim_failure_rate=Decimal(0),
    )


@contextmanager
def running(settings: Settings, *, recovery: bool = True) -> Iterator[Worker]:
    """A worker, or its threads alone, so that nothing but Dramatiq can have rung."""
    worker = Worker(settings, owner="w")
    alone = dramatiq.Worker(worker.broker, worker_threads=4, worker_timeout=25)
    if recovery:
        worker.start()
    else:
        # Nothing is sent by a worker that has not looked for a halt.
        worker.recovery.beat()
        alone.start()
    try:
        yield worker
    finally:
        if recovery:
            worker.stop()
        else:
            alone.stop()
            worker.close()


def _final(bench: Bench, order_id: UUID) -> Status:
    until(lambda: bench.order(order_id).finished_at, what="the order's end")
    return bench.order(order_id).status


def test_an_accepted_order_is_run_by_a_worker_without_anybodys_help(bench: Bench, settings: Settings) -> None:
    with running(settings, recovery=False):
        placed = [bench.place() for _ in range(20)]
        assert {_final(bench, order.id) for order in placed} == {Status.CONFIRMED}
    for order in placed:
        assert bench.trail(order.id) == ["pending", "routing", "building", "submitted", "confirmed"]


def test_a_retry_runs_when_it_is_due_without_recovery(bench: Bench, settings: Settings) -> None:
    failing = replace(settings, sim_failure_rate=Decimal(1), max_attempts=2)
    with running(failing, recovery=False):
        order = bench.place()
        assert _final(bench, order.id) is Status.FAILED
    events = bench.events(order.id)
    assert bench.trail(order.id) == ["pending", "routing", "building", "submitted"] * 2 + ["failed"]
    again, routing = events[4], events[5]
    due = again.at + timedelta(milliseconds=again.data["retry_in_ms"])
    assert routing.at - due > timedelta(milliseconds=-25), "before its time"


def test_a_fault_of_ours_is_retried_without_recovery(
    bench: Bench, settings: Settings, tmp_path: Path
) -> None:
    failpoints.arm("signed=lose*1", tmp_path)
    with running(settings, recovery=False):
        order = bench.place()
        assert _final(bench, order.id) is Status.CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert (tmp_path / "failpoints" / "signed.0").exists()


def test_orders_whose_messages_were_lost_are_rung_by_recovery(
    bench: Bench, settings: Settings, redis_url: str
) -> None:
    placed = [bench.place() for _ in range(5)]
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    for order in placed:
        bench.set(order.id, next_run_at=bench.ago(seconds=2))
    with running(settings):
        assert {_final(bench, order.id) for order in placed} == {Status.CONFIRMED}
    assert all(bench.swaps(order.id) == [(1, "landed")] for order in placed)


def test_a_retry_whose_message_was_lost_is_rung_by_recovery(
    bench: Bench, settings: Settings, redis_url: str
) -> None:
    bench.execution(bench.chain(failure_rate="1")).run((order := bench.place()).id)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert bench.order(order.id).status is Status.PENDING
    with running(settings):
        assert _final(bench, order.id) is Status.CONFIRMED
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "landed")]


def test_an_order_that_is_rung_many_times_is_run_once(bench: Bench, settings: Settings) -> None:
    from oee_daemon.queue.queue_broker import ring

    order = bench.place()
    for _ in range(20):
        assert ring(bench.broker, order.id)
    with running(settings):
        assert _final(bench, order.id) is Status.CONFIRMED
    assert bench.trail(order.id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert bench.swaps(order.id) == [(1, "landed")]


def test_a_worker_that_stops_leaves_no_lease_behind(bench: Bench, settings: Settings) -> None:
    slow = replace(settings, sim_latency_ms=300)
    with running(slow):
        placed = [bench.place() for _ in range(4)]
        until(lambda: any(bench.order(o.id).status is Status.ROUTING for o in placed), what="the first")
    for order in placed:
        found = bench.order(order.id)
        assert found.status in (Status.CONFIRMED, Status.PENDING)
        assert bench.row(order.id).lease_owner is None


def test_a_worker_removes_what_is_old_where_it_is_told_to(bench: Bench, settings: Settings) -> None:
    old, young = bench.place(), bench.place()
    for order in (old, young):
        bench.intake.cancel(order.id)
    bench.set(old.id, finished_at=bench.ago(days=2))
    with running(replace(settings, keep_days=1)):
        until(lambda: bench.gone(old.id), what="the removal")
    assert not bench.gone(young.id)


def test_a_worker_in_which_a_thread_hangs_gives_no_more_signs_of_life(
    bench: Bench, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[None] = []
    asked, answered = threading.Event(), threading.Event()

    async def silent(chain: SimulatedChain, deadline_s: float, **what: Any) -> Anchor:
        asked.set()
        await asyncio.to_thread(answered.wait, 30)
        return await anchor(chain, deadline_s, **what)

    anchor = SimulatedChain.anchor
    monkeypatch.setattr(SimulatedChain, "anchor", silent)
    worker = Worker(settings, owner="w", alive=lambda: beats.append(None))
    # Before it has looked for a halt it would ask for an outcome, in vain, for ten seconds.
    worker.recovery.beat()
    running = threading.Thread(target=worker.execution.run, args=(bench.place().id,))
    running.start()
    try:
        assert asked.wait(10)
        worker.show_presence()
        assert len(beats) == 1
        worker._hangs_s = 0.0
        until(lambda: worker.execution.longest_s > 0.1, what="an order that takes too long")
        worker.show_presence()
        assert len(beats) == 1
        answered.set()
        running.join()
        worker.show_presence()
        assert len(beats) == 2
    finally:
        answered.set()
        running.join()
        worker.close()
