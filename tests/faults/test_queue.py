"""What the queue does wrong, on the real Valkey with real workers: it costs time, never an order."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from oee_daemon.queue.queue_broker import ACTOR, NAMESPACE, QUEUE, ring
from tests.faults.test_failpoints import RATE, fails_once
from tests.kit.daemons import until
from tests.kit.killing import Bench


def one_clean_confirmation(bench: Bench, attempt: int = 1) -> None:
    verdict = bench.verdict()
    assert verdict.kept, verdict
    assert {(o["status"], o["attempt"]) for o in bench.orders()} == {("confirmed", attempt)}


def waiting_for_a_retry(bench: Bench, order_id: UUID) -> bool:
    order = bench.history.order(order_id)
    return order.status == "pending" and order.attempt == 2


def test_a_lost_retry_is_rung_again(bench: Bench) -> None:
    bench.settings = dataclasses.replace(bench.settings, sim_seed=fails_once(), sim_failure_rate=RATE)
    order_id = bench.place()
    with bench.worker() as worker:
        until(lambda: waiting_for_a_retry(bench, order_id), what="the retry")
        bench.broker.client.flushall()
        bench.wait(worker)
    one_clean_confirmation(bench, attempt=2)


def test_a_delayed_message_that_never_runs_is_replaced(bench: Bench) -> None:
    """The delayed message is in the memory of a worker that is frozen for good."""
    bench.settings = dataclasses.replace(bench.settings, sim_seed=fails_once(), sim_failure_rate=RATE)
    order_id = bench.place()
    with bench.worker() as first:
        until(lambda: waiting_for_a_retry(bench, order_id), what="the retry")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        bench.move()
        with bench.worker() as second:
            bench.wait(second)
        one_clean_confirmation(bench, attempt=2)


def test_a_doubled_message_runs_an_order_once(bench: Bench) -> None:
    order_id = bench.place()
    for _ in range(20):
        ring(bench.broker, order_id)
    with bench.worker() as worker:
        bench.wait(worker)
        until(lambda: bench.broker.client.hlen(f"{NAMESPACE}:{QUEUE}.msgs") == 0, what="an empty queue")
    one_clean_confirmation(bench)
    assert len(bench.history.events(order_id)) == 5


def test_messages_that_mean_nothing_harm_nobody(bench: Bench) -> None:
    """Foreign, broken and unknown messages in our queue."""
    client = bench.broker.client
    ours = {"queue_name": QUEUE, "kwargs": {}, "options": {"redis_message_id": "m"}, "message_timestamp": 0}
    messages = [
        ours | {"actor_name": "nobody", "args": [], "message_id": "1"},
        ours | {"actor_name": ACTOR, "args": ["no id"], "message_id": "2"},
        ours | {"actor_name": ACTOR, "args": [[], 1], "message_id": "3"},
    ]
    for n, message in enumerate([b"not json", b"{}", *(json.dumps(m).encode() for m in messages)]):
        client.hset(f"{NAMESPACE}:{QUEUE}.msgs", f"m{n}", message)
        client.rpush(f"{NAMESPACE}:{QUEUE}", f"m{n}")
    ring(bench.broker, UUID(int=0))
    bench.place()
    with bench.worker() as worker:
        bench.wait(worker)
    one_clean_confirmation(bench)


def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_FAILPOINTS", "after_submitted=freeze*1")
    order_id = bench.place()
    with bench.worker() as first:
        until(bench.deaths, what="the freeze")
        monkeypatch.delenv("OEE_FAILPOINTS")
        with bench.db.connect() as conn:
            conn.execute(text("UPDATE orders SET lease_until = now() - interval '1 second'"))
        bench.move()
        with bench.worker() as second:
            bench.wait(second)
            before = bench.history.events(order_id)
            assert first.pid is not None
            os.kill(first.pid, signal.SIGCONT)
            # It sends the stored bytes once more, finds its fence gone, and gives its message back.
            until(lambda: bench.broker.client.hlen(f"{NAMESPACE}:{QUEUE}.msgs") == 0, what="an empty queue")
    assert bench.history.events(order_id) == before
    one_clean_confirmation(bench)


@pytest.mark.parametrize("jump", ["-1 hour", "1 hour"])
def test_a_clock_that_jumped_an_hour_holds_nothing_up(bench: Bench, jump: str) -> None:
    """Leases and due times were written by a clock that was an hour off, either way."""
    order_id = bench.place()
    with bench.db.connect() as conn:
        conn.execute(
            text(
                "UPDATE orders SET lease_owner = 'gone', rung_at = now() + interval :jump,"
                " lease_until = now() + interval :jump, next_run_at = now() + interval :jump".replace(
                    ":jump", f"'{jump}'"
                )
            )
        )
    bench.broker.client.flushall()
    with bench.worker() as worker:
        bench.wait(worker)
    assert len(bench.history.events(order_id)) == 5
    one_clean_confirmation(bench)


def test_a_hundred_orders_whose_bells_are_all_lost(bench: Bench) -> None:
    bench.settings = dataclasses.replace(bench.settings, sim_failure_rate=Decimal(0))
    for _ in range(100):
        bench.place()
    bench.broker.client.flushall()
    with bench.worker() as worker:
        bench.wait(worker)
    one_clean_confirmation(bench)
