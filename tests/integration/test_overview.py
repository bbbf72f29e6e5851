"""The engine as it is now: what is counted, what is in flight, what venues said; and who works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import text

from oee_daemon.contract.status import Status
from oee_daemon.orders.order import Order
from oee_daemon.queue import queue_roster
from oee_daemon.queue.queue_roster import Roster
from oee_daemon.reads import reads_engine
from oee_daemon.reads.reads_engine import Overview, Overviews
from oee_daemon.store import overview_sql as statements
from oee_daemon.store.sql_statement import Statement
from tests.kit.engine import Bench
from tests.kit.waiting import limit

TO_SUBMITTED = (Status.ROUTING, Status.BUILDING, Status.SUBMITTED)


@pytest.fixture
def look(bench: Bench) -> Any:
    overviews = Overviews(bench.db)
    return overviews.look


def ids(orders: list[Order]) -> list[UUID]:
    return [order.id for order in orders]


def ended(bench: Bench, **at: float) -> Order:
    """A confirmed order; `at`: how long ago."""
    order = bench.place()
    bench.to(bench.held(order.id), *TO_SUBMITTED, Status.CONFIRMED)
    bench.set(order.id, finished_at=bench.ago(**at))
    return order


def test_an_empty_engine(look: Any) -> None:
    seen: Overview = look()
    assert (seen.accepted, seen.in_flight, seen.ended, seen.venues) == (0, [], [], [])
    assert seen.accepted_by_second == seen.ended_by_second == [0] * 60
    assert set(seen.count.live.values()) == {0} and seen.count.overdue_s == 0


def test_each_live_order_is_running_due_or_delayed(bench: Bench, look: Any) -> None:
    waiting, delayed, routing, submitted, resting, dead = (bench.place() for _ in range(6))
    bench.set(waiting.id, next_run_at=bench.ago(seconds=30))
    bench.set(delayed.id, next_run_at=bench.ago(seconds=-30))
    bench.held(routing.id)
    bench.to(bench.held(submitted.id), *TO_SUBMITTED)
    # The chain did not answer: nobody holds it until it is asked again.
    bench.to(bench.held(resting.id), *TO_SUBMITTED)
    bench.set(resting.id, lease_owner=None, lease_until=None, next_run_at=bench.ago(seconds=-5))
    # Its worker died.
    bench.held(dead.id)
    bench.set(dead.id, lease_until=bench.ago(seconds=1), updated_at=bench.ago(minutes=6))
    ended(bench, seconds=1)
    seen: Overview = look()
    assert (seen.count.running, seen.count.due, seen.count.delayed) == (2, 2, 2)
    assert seen.count.live == {"pending": 2, "routing": 2, "submitted": 2, "building": 0, "waiting": 0}
    assert seen.count.stuck == 1 and 29 < seen.count.overdue_s < 60
    assert seen.accepted == 7
    # The longest in its step first; a dead worker's order is in flight, too, and pending ones are not.
    assert ids(seen.in_flight) == [dead.id, routing.id, submitted.id, resting.id]


def test_an_order_that_waits_for_its_condition_is_counted_by_its_status_alone(
    bench: Bench, look: Any
) -> None:
    order = bench.place()
    bench.set(order.id, status="waiting", updated_at=bench.ago(days=1))
    count = look().count
    assert count.live["waiting"] == sum(count.live.values()) == 1
    assert (count.running, count.due, count.delayed, count.stuck, count.overdue_s) == (0, 0, 0, 0, 0)
    assert look().in_flight == []


def test_what_ended_is_told_newest_first_and_by_the_second(bench: Bench, look: Any) -> None:
    old, new, last = ended(bench, minutes=3), ended(bench, seconds=10), ended(bench, seconds=5)
    seen: Overview = look()
    assert ids(seen.ended) == [last.id, new.id, old.id]
    assert sum(seen.ended_by_second) == 2 and seen.ended_by_second[-1] == 0
    assert sum(seen.ended_by_second[-15:]) == 2
    # A look later counts only what is new, and keeps the rest.
    late = ended(bench, seconds=1)
    again: Overview = look()
    assert ids(again.ended)[0] == late.id and sum(again.ended_by_second) == 3
    for order in (old, new, last, late):
        bench.set(order.id, created_at=bench.ago(seconds=4))
    assert sum(Overviews(bench.db).look().accepted_by_second) == 4


def test_a_clock_that_was_set_back_begins_the_rates_anew(bench: Bench) -> None:
    tally = reads_engine.BySecond(statements.ENDED_BY_SECOND)
    ended(bench, seconds=5)
    now = datetime.now(UTC)
    with bench.db.connect() as conn:
        assert sum(tally.last(conn, now + timedelta(hours=1))) == 0
        assert sum(tally.last(conn, now)) == 1


def quoted(bench: Bench, order: Order, seq: int, status: str, at: Any, *quotes: dict[str, Any]) -> None:
    with bench.db.connect() as conn:
        conn.execute(
            text(
                "INSERT INTO order_events (order_id, seq, status, attempt, at, data) "
                "VALUES (:id, :seq, :status, 1, clock_timestamp() - :ago, CAST(:data AS jsonb))"
            ),
            {
                "id": order.id,
                "seq": seq,
                "status": status,
                "ago": timedelta(seconds=at),
                # The older answers in the form that releases up to 0.1.0 wrote.
                "data": json.dumps({"quotes" if at > 7 else "answers": list(quotes)}),
            },
        )


def test_venues_are_told_by_their_answers_of_the_last_minutes(bench: Bench, look: Any) -> None:
    def answer(venue: str, latency: int | None, error: str | None = None) -> dict[str, Any]:
        told = error and {"code": error, "message": "", "retryable": True}
        return {"venue": venue, "latencyMs": latency, "error": told}

    done = bench.place()
    quoted(bench, done, 2, "building", 9, answer("raydium", 10), answer("meteora", None, "venue_late"))
    quoted(bench, done, 3, "pending", 8, answer("raydium", 30), answer("meteora", None, "venue_refused"))
    quoted(bench, done, 4, "failed", 7, answer("raydium", 20), answer("meteora", 50))
    # Too old, and of a step that asks nobody.
    quoted(bench, done, 5, "building", 301, answer("raydium", 9999))
    quoted(bench, done, 6, "submitted", 1, answer("raydium", 9999))
    bench.set(done.id, status="failed", finished_at=bench.ago(seconds=1), next_run_at=None)
    running = bench.place()
    bench.held(running.id)
    quoted(bench, running, 3, "building", 1, answer("raydium", 40))
    # Nobody asked for this one yet, and what has no quotes at all does not matter.
    bench.place()
    venues = {v.venue: v for v in look().venues}
    raydium, meteora = venues["raydium"], venues["meteora"]
    assert (raydium.asked, raydium.answered, raydium.p50_ms, raydium.last_error) == (4, 4, 20, None)
    assert (meteora.asked, meteora.answered, meteora.p50_ms) == (3, 1, 50)
    assert meteora.last_error == "venue_refused"


def test_counting_that_takes_long_is_done_more_seldom(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    overviews = Overviews(bench.db)
    bench.place()
    assert overviews.look().count.due == 1
    bench.place()
    # Few: as it is now.
    assert overviews.look().count.due == 2
    monkeypatch.setattr(reads_engine, "FEW", 0)
    monkeypatch.setattr(reads_engine, "SHARE", 1e-6)
    assert overviews.look().count.due == 2
    order = bench.place()
    seen = overviews.look()
    assert seen.count.due == 2
    # Everything else is always as it is now.
    assert seen.accepted == 3 and seen.count.at < seen.at
    bench.held(order.id)
    assert ids(overviews.look().in_flight) == [order.id]


def test_many_that_wait_are_counted_seldom_and_hold_up_no_other_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    overviews = Overviews(bench.db)
    limit(bench, "1.5", sell=True)
    assert overviews.look().count.live["waiting"] == 1
    monkeypatch.setattr(reads_engine, "FEW", 1)
    limit(bench, "1.5", sell=True)
    assert overviews.look().count.live["waiting"] == 2
    limit(bench, "1.5", sell=True)
    bench.place()
    seen = overviews.look().count
    assert (seen.live["waiting"], seen.due) == (2, 1)
    monkeypatch.setattr(overviews, "_waits_again", 0.0)
    assert overviews.look().count.live["waiting"] == 3


def test_no_look_reads_what_is_long_over(bench: Bench, look: Any) -> None:
    """Each question goes by an index: no plan reads all orders, or all events."""
    look()
    with bench.db.connect() as conn:
        # A small table would always be read as a whole.
        conn.execute(text("SET enable_seqscan = off"))
        for statement, values in (
            (statements.ACCEPTED_BY_SECOND, {"since": 1}),
            (statements.ENDED_BY_SECOND, {"since": 1}),
            (statements.VENUES, {"orders": 200, "age": 300}),
            (statements.COUNT, {"stuck": 300, "faulty": 3, "most": 40}),
            (statements.WAITS, {}),
            (statements.IN_FLIGHT, {"resting": [], "most": 40}),
            (statements.ENDED, {"most": 40}),
        ):
            plan = [line for (line,) in Statement(f"EXPLAIN {statement.text}").all(conn, values)]
            assert not any("Seq Scan on or" in line for line in plan), "\n".join(plan)
            assert sum("order_events_pkey" in line for line in plan) == (statement is statements.VENUES)
        conn.execute(text("RESET enable_seqscan"))


@pytest.fixture
def queue(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_a_worker_is_there_held_untilit_stops_or_is_silent(queue: redis.Redis, redis_url: str) -> None:
    busy = [3]
    first = Roster(redis_url, owner="home:web:1", threads=10, busy=lambda: busy[0])
    second = Roster(redis_url, owner="db:2", threads=4, busy=lambda: 0)
    assert not first.once()
    second.announce()
    found = {worker["name"]: worker for worker in queue_roster.present(queue)}
    assert (found["home:web:1"]["running"], found["home:web:1"]["threads"]) == (3, 10)
    assert found.keys() == {"home:web:1", "db:2"}
    busy[0] = 5
    first.once()
    assert {worker["running"] for worker in queue_roster.present(queue)} == {5, 0}
    # It is forgotten by Valkey's clock, not by anybody's here.
    assert 0 < queue.pttl(queue_roster.KEY + "db:2") <= 1000 * queue_roster.FORGET_S
    queue.delete(queue_roster.KEY + "db:2")
    assert [worker["name"] for worker in queue_roster.present(queue)] == ["home:web:1"]
    assert queue.smembers(queue_roster.NAMES) == {b"home:web:1"}
    # A Valkey that lost everything knows it again by the next sign of life.
    queue.flushdb()
    first.once()
    assert len(queue_roster.present(queue)) == 1
    first.leave()
    assert queue_roster.present(queue) == [] and not queue.keys("oee:worker*")


def test_a_queue_that_is_away_holds_no_worker_up() -> None:
    worker = Roster("redis://127.0.0.1:1/0", owner="one", threads=1, busy=lambda: 0)
    assert not worker.once()
    worker.leave()
    with pytest.raises(redis.ConnectionError):
        worker.announce()
