"""What nobody planned costs one order a pause, and neither a place nor a message nor another order's time."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import func, select

from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_outside
from oee_daemon.networks import network_bounded
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, UnsignedSwap
from oee_daemon.settings import Settings
from oee_daemon.store import lease_sql, order_rows
from oee_daemon.timing import USUAL
from tests.integration.test_worker import running, settings  # noqa: F401
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.tables import execution_slots

CONFIRMED = ["pending", "routing", "building", "submitted", "confirmed"]


class Unplanned(Exception):
    """Nothing in the engine knows it."""


def taken(bench: Bench) -> int:
    with bench.db.connect() as conn:
        return conn.execute(select(func.count(execution_slots.c.order_id))).scalar_one()


def breaks(*_: Any, **__: Any) -> Any:
    raise Unplanned


def test_a_fault_gives_lease_and_slot_back_and_the_pauses_grow(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.place()
    monkeypatch.setattr(order_rows, "live_swap", breaks)
    execution = bench.execution()
    monkeypatch.setattr(execution._attempt, "route", breaks)
    pauses = []
    for n in range(1, 12):
        pause = execution.run(order.id)
        assert pause is not None
        pauses.append(pause.total_seconds())
        row = bench.row(order.id)
        assert (row.faults, row.lease_owner, row.lease_until, row.status) == (n, None, None, "routing")
        assert row.fault.startswith("Unplanned at ")
        assert taken(bench) == 0
        bench.wake(order.id)
    assert pauses[:4] == pytest.approx([0.5, 1, 2, 4], abs=0.05)
    assert pauses[-1] == pytest.approx(60, abs=0.1)
    # Nothing was told that did not happen, and it goes on once it can.
    assert bench.trail(order.id) == CONFIRMED[:2]
    monkeypatch.undo()
    assert bench.execution().run(order.id) is None
    assert bench.trail(order.id) == CONFIRMED


def test_what_faults_for_ever_expires_when_its_time_is_over_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.place()
    execution = bench.execution()
    monkeypatch.setattr(execution._attempt, "route", breaks)
    bench.set(order.id, faults=7, expires_at=bench.ago(seconds=-30))
    pause = execution.run(order.id)
    # Not after a minute: its time ends before.
    assert pause is not None and pause <= timedelta(seconds=30)
    bench.set(order.id, next_run_at=bench.ago(seconds=0), expires_at=bench.ago(seconds=0))
    assert execution.run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.error and found.error["code"]) == (Status.EXPIRED, "engine_fault")
    assert found.error is not None and "8 of them, the last Unplanned at" in found.error["message"]
    assert bench.ledgered(order.id) == []


def test_a_fault_after_the_swap_was_stored_leaves_the_order_submitted_however_often(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.place()
    execution = bench.execution()
    monkeypatch.setattr(execution._settlement, "settle", breaks)
    for _ in range(3):
        bench.wake(order.id)
        assert execution.run(order.id) is not None
        assert bench.order(order.id).status is Status.SUBMITTED
    bench.set(order.id, expires_at=bench.ago(seconds=1))
    bench.wake(order.id)
    assert execution.run(order.id) is not None
    assert bench.order(order.id).status is Status.SUBMITTED
    monkeypatch.undo()
    bench.set(order.id, expires_at=bench.ago(seconds=-60))
    bench.wake(order.id)
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED


def test_one_kind_of_fault_has_one_traceback_in_the_log(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    execution = bench.execution()
    monkeypatch.setattr(execution._attempt, "route", breaks)
    with caplog.at_level(logging.ERROR):
        for order in [bench.place() for _ in range(3)]:
            execution.run(order.id)
    said = [r for r in caplog.records if r.message == "a run ended in a fault"]
    assert [bool(r.exc_info) for r in said] == [True, False, False]
    assert all(r.__dict__["reason"].startswith("Unplanned at ") for r in said)


# Venues and the chain.


def raising(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def build(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        raise error

    monkeypatch.setattr(SimulatedVenue, "build", build)


@pytest.mark.parametrize("error", [Unplanned(), TimeoutError(), KeyError("x"), OSError(5, "no")])
def test_whatever_a_venue_raises_while_it_builds_ends_the_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    raising(monkeypatch, error)
    order = bench.run_to_end(bench.execution(), bench.place().id)
    assert (order.status, order.attempt, order.faults) == (Status.FAILED, 3, 0)
    assert order.error is not None
    assert order.error["code"] == ("venue_late" if isinstance(error, TimeoutError) else "venue_error")
    assert bench.trail(order.id) == ["pending", "routing", "building"] * 3 + ["failed"]
    assert taken(bench) == 0


@pytest.mark.parametrize("built", [None, UnsignedSwap(message=b"no message", last_valid_height=9)])
def test_what_a_venue_built_and_nobody_can_sign_ends_the_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, built: Any
) -> None:
    async def build(*_: Any) -> Any:
        return built

    monkeypatch.setattr(SimulatedVenue, "build", build)
    order = bench.run_to_end(bench.execution(), bench.place().id)
    assert (order.status, order.attempt) == (Status.FAILED, 3)
    assert order.error is not None and order.error["code"] == "venue_error"


def test_a_venue_that_hangs_while_it_builds_ends_the_attempt_and_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_outside, "BUILD_S", 0.05)
    hanging = threading.Event()
    build = SimulatedVenue.build

    async def hang(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        if self.name == "raydium":
            await asyncio.to_thread(hanging.wait, 30)
        return await build(self, plan, anchor, deadline_s)

    monkeypatch.setattr(SimulatedVenue, "build", hang)
    execution = bench.execution()
    orders = [bench.place(amount=n * 10**9).id for n in range(1, 9)]
    for order_id in orders:
        execution.run(order_id)
    ends = [bench.events(i)[-1] for i in orders]
    hung = [e for e in ends if e.status is Status.PENDING]
    assert hung and {e.data["error"]["code"] for e in hung} == {"venue_late"}
    # Its threads are its own: the other one is asked, and builds.
    assert all("meteora" in {a["venue"] for a in e.data["answers"]} for e in ends if e.data.get("answers"))
    assert taken(bench) == 0
    hanging.set()


@pytest.mark.parametrize("call", ["before_submit", "before_outcome"])
def test_whatever_the_chain_raises_decides_nothing(bench: Bench, call: str) -> None:
    bench.timing = replace(USUAL, ask_s=0.0, resend_s=0.01)
    order, chain = bench.place(), bench.chain()
    setattr(chain, call, breaks)
    execution = bench.execution(chain)
    assert execution.run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.faults) == (Status.SUBMITTED, 0)
    setattr(chain, call, lambda: None)
    bench.timing = USUAL
    bench.wake(order.id)
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert len(bench.ledgered(order.id)) == 1


def test_an_anchor_that_hangs_ends_the_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_bounded, "CHAIN_S", 0.05)
    order, chain, hanging = bench.place(), bench.chain(), threading.Event()
    monkeypatch.setattr(chain, "before_anchor", lambda: hanging.wait(30))
    assert bench.execution(chain).run(order.id) is not None
    (said,) = [e for e in bench.events(order.id)[1:] if e.status is Status.PENDING]
    assert said.data["error"]["code"] == "chain_unavailable"
    hanging.set()


# A whole worker.


def test_twenty_orders_that_fault_leave_a_healthy_one_its_way(
    bench: Bench,
    settings: Settings,  # noqa: F811
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than there are places and threads; and the queue holds nothing of them."""
    with running(replace(settings, worker_threads=10)) as worker:
        route = worker.execution._attempt.route

        async def routed(order: Any) -> Any:
            return breaks() if order.amount == 7 else await route(order)

        monkeypatch.setattr(worker.execution._attempt, "route", routed)
        sick = [bench.place(amount=7).id for _ in range(20)]
        until(lambda: all(bench.row(i).faults > 1 for i in sick), what="the faults")
        healthy = bench.place()
        until(lambda: bench.order(healthy.id).status is Status.CONFIRMED, within=15, what="the healthy one")
        with redis.Redis.from_url(redis_url) as client:
            keys: Any = client.keys("oee:*")
            left = {k: client.hlen(k) for k in keys if client.type(k) == b"hash"}
            until(lambda: not any(client.hlen(k) for k in left), what="an empty queue")
    assert taken(bench) == 0


def test_postgres_that_is_away_leaves_the_order_as_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bench.place()
    execution = bench.execution()

    def away(*_: Any) -> Any:
        monkeypatch.setattr(lease_sql, "give_back", lost)
        return bench.db.connect().exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    def lost(*_: Any) -> Any:
        return bench.db.connect().exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(execution._attempt, "route", away)
    assert execution.run(order.id) is None
    row = bench.row(order.id)
    assert (row.status, row.faults, row.lease_owner) == ("routing", 0, "one")
    monkeypatch.undo()
    # Its own worker goes on without waiting for the lease.
    execution = bench.execution()
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
