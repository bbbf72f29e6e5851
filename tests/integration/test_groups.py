"""Orders of which at most one is filled: one has the turn, the others wait on, and a fill stops them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from oee_daemon.api.group_routes import _answer
from oee_daemon.contract.status import Status
from oee_daemon.errors import KeyConflict
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.store import creating_sql
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.postgres_line import Batch
from tests.kit.engine import BOOK, Bench
from tests.kit.waiting import (
    SALE,
    fired,
    grouped,
    in_doubt,
    legs,
    looked,
    pair,
    price,
    resolved,
    turn,
)


def test_the_fill_of_one_cancels_the_other_in_its_commit(bench: Bench) -> None:
    profit, loss = fired(bench)
    assert bench.order(loss.id).status is Status.WAITING, "suspended, not cancelled"
    assert bench.row(loss.id).arm_price == loss.target_price
    done = bench.run_to_end(bench.execution(), profit.id)
    assert done.status is Status.CONFIRMED and bench.trail(loss.id) == ["waiting", "cancelled"]
    assert bench.events(loss.id)[-1].data == {"by": "oco", "order": str(profit.id)}
    assert bench.events(loss.id)[-1].at >= bench.events(profit.id)[-1].at
    assert turn(bench, profit) == (profit.id, profit.id)
    row = bench.row(loss.id)
    assert (row.arm_rule, row.arm_price, row.next_run_at, row.turn) == (None, None, None, None)


def test_a_group_and_an_order_of_one_key_are_never_both_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order's statement has begun when the group is stored, and takes the key once that is done."""
    held = "pg_try_advisory_xact_lock(hashtextextended"
    text_, first = creating_sql._CREATE.texts[-1], creating_sql._CREATE.texts[0]
    paused = text_.replace(held, f"pg_advisory_xact_lock(777)::text = '' AND {held}")
    assert paused != text_
    monkeypatch.setattr(creating_sql, "_CREATE", Batch(paused, first=first))
    with bench.db.connect() as conn, ThreadPoolExecutor(1) as pool:
        conn.exec_driver_sql("SELECT pg_advisory_lock(777)")
        order = pool.submit(bench.place, key="K")
        until = time.monotonic() + 30
        while not conn.exec_driver_sql(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = 777"
        ).scalar_one():
            assert time.monotonic() < until
        group = grouped(bench, legs(bench), key="K")
        conn.exec_driver_sql("SELECT pg_advisory_unlock(777)")
        with pytest.raises(KeyConflict, match=str(group.id)):
            order.result(30)


def test_a_group_that_was_stored_is_not_denied_for_what_is_asked_afterwards(bench: Bench) -> None:
    """Who is told that nothing was stored places it a second time."""
    group = grouped(bench, legs(bench), key="K")
    state: Any = SimpleNamespace(waits=None, network=SimpleNamespace(tokens=BOOK))
    seen = [
        Armed(rule=Rule.SELL_LIMIT, price=Decimal(200), data={"market": {"price": "160"}})
        for _ in group.orders
    ]
    found = json.loads(bytes(_answer(group, seen, state).body))
    assert [order["orderId"] for order in found["orders"]] == [str(order.id) for order in group.orders]
    assert {order["market"]["awayBps"] for order in found["orders"]} == {2500}


def test_while_one_has_the_turn_the_other_does_not_fire(bench: Bench) -> None:
    profit, loss = fired(bench)
    bench.move_market(-600)
    watcher = bench.watcher(owner="two")
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = now() - interval '1 s'")
    assert looked(bench, watcher, 3) == []
    # The price of the first is gone by now: it waits again, and gives the turn back.
    bench.execution().run(profit.id)
    assert bench.order(profit.id).status is Status.WAITING and turn(bench, profit) == (None, None)
    assert looked(bench, watcher, 3) == [loss.id]
    assert bench.run_to_end(bench.execution(), loss.id).status is Status.CONFIRMED
    assert bench.order(profit.id).status is Status.CANCELLED


def ended(bench: Bench, how: str, profit: Order) -> None:
    held = bench.held(profit.id)
    if how == "cancel":
        bench.intake.cancel(profit.id)
    elif how == "cancel many":
        from oee_daemon.store.cancel_sql import Chosen

        assert bench.intake.cancel_many(Chosen(ids=[profit.id])).count == 1
    elif how == "fail in building":
        held = bench.to(held, Status.BUILDING)
        assert bench.advance(held, Status.FAILED) is not None
    elif how == "fail after submit":
        held = bench.to(held, Status.BUILDING, Status.SUBMITTED)
        assert bench.advance(held, Status.FAILED, swap_ended="rejected") is not None
    else:
        assert bench.advance(held, Status.EXPIRED) is not None


@pytest.mark.parametrize("how", ["cancel", "cancel many", "fail in building", "fail after submit", "expire"])
def test_however_an_order_ends_the_turn_goes_back(bench: Bench, how: str) -> None:
    profit, loss = fired(bench)
    ended(bench, how, profit)
    assert bench.row(profit.id).turn is None and turn(bench, profit) == (None, None)
    bench.move_market(-600)
    assert looked(bench, bench.watcher(), 3) == [loss.id], "the last one is not stuck"
    assert bench.run_to_end(bench.execution(), loss.id).status is Status.CONFIRMED


def test_another_attempt_and_an_unknown_outcome_keep_the_turn(bench: Bench) -> None:
    profit, _ = fired(bench)
    held = bench.to(bench.held(profit.id), Status.BUILDING, Status.SUBMITTED)
    assert bench.advance(held, Status.PENDING, swap_ended="lapsed") is not None
    assert turn(bench, profit)[0] == profit.id
    bench.to(bench.held(profit.id), Status.BUILDING, Status.SUBMITTED)
    bench.move_market(-600)
    assert looked(bench, bench.watcher(), 3) == []


def test_a_latched_stop_keeps_its_turn_until_it_ends(bench: Bench) -> None:
    bid = price(bench, sell=True)
    profit, loss = pair(bench, limit_price=round(bid * Decimal("0.965"), 6))
    watcher = bench.watcher()
    bench.move_market(-700)
    assert looked(bench, watcher, 2) == [loss.id]
    bench.execution().run(loss.id)
    back = bench.order(loss.id)
    assert (back.status, back.latched, back.turn) == (Status.WAITING, True, loss.group_id)
    assert turn(bench, loss) == (loss.id, None)
    bench.set(loss.id, look_at=bench.ago(seconds=1))
    bench.move_market(300)
    assert looked(bench, watcher, 2) == [loss.id], "it fires again in its own turn, and the other does not"
    assert bench.run_to_end(bench.execution(), loss.id).status is Status.CONFIRMED
    assert bench.order(profit.id).status is Status.CANCELLED


@pytest.mark.parametrize("how", ["cancel", "lapse"])
def test_a_latched_stop_that_ends_frees_the_others(bench: Bench, how: str) -> None:
    bid = price(bench, sell=True)
    profit, loss = pair(bench, limit_price=round(bid * Decimal("0.965"), 6))
    watcher = bench.watcher()
    bench.move_market(-700)
    assert looked(bench, watcher, 2) == [loss.id]
    bench.execution().run(loss.id)
    if how == "cancel":
        bench.intake.cancel(loss.id)
    else:
        bench.set(loss.id, expires_at=bench.ago(seconds=1), good_until=bench.ago(seconds=1))
        looked(bench, watcher)
        assert bench.order(loss.id).status is Status.EXPIRED
    bench.move_market(300)
    assert looked(bench, watcher, 2) == [profit.id]


def test_of_two_legs_that_are_met_at_once_the_stop_comes_first(bench: Bench) -> None:
    """The price is over the one and, a wide book, under the other: one fires, and the stop."""
    profit, loss = pair(bench)
    bench.set(profit.id, arm_price=Decimal(1), target_price=Decimal(1), min_receive=1)
    bench.move_market(-600)
    # A limit needs one look, a stop two: it is held until both are met in one.
    bench.set(profit.id, look_at=bench.ago(seconds=-60))
    watcher = bench.watcher()
    assert looked(bench, watcher) == []
    bench.set(profit.id, look_at=None)
    assert looked(bench, watcher) == [loss.id]


def test_a_launch_takes_the_turn_too(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    timed = terms_of(SALE | {"launch_at": later})
    first, second = grouped(bench, [timed, timed]).orders
    for order in (first, second):
        bench.set(order.id, launch_at=bench.ago(seconds=1))
    watcher = bench.watcher()
    looked(bench, watcher, 2)
    assert [bench.order(o.id).status for o in (first, second)] == [Status.PENDING, Status.WAITING]
    assert turn(bench, first) == (first.id, None)
    bench.intake.cancel(first.id)
    looked(bench, watcher)
    assert bench.order(second.id).status is Status.PENDING


def test_doubt_leaves_no_order_executed_without_its_turn(bench: Bench) -> None:
    """Both may have been executed: each waits for its own outcome, and then for its own turn."""
    profit, loss = fired(bench)
    in_doubt(bench)
    assert {bench.order(o.id).status for o in (profit, loss)} == {Status.SUBMITTED}
    assert resolved(bench, loss.id).status is Status.WAITING and turn(bench, profit)[0] == profit.id
    bench.set(profit.id, expires_at=bench.ago(hours=-1))
    assert resolved(bench, profit.id).status in (Status.CONFIRMED, Status.WAITING)


@pytest.mark.parametrize("first", [0, 1])
def test_a_fill_that_recall_finds_stops_whoever_is_in_doubt_beside_it(bench: Bench, first: int) -> None:
    """The one had fired and the other not, as far as is remembered; either may have been filled."""
    both = fired(bench)
    in_doubt(bench)
    filled, other = both[first], both[1 - first]
    assert bench.advance(bench.held(filled.id), Status.CONFIRMED, swap_ended=None) is not None
    assert turn(bench, filled) == (filled.id, filled.id)
    assert resolved(bench, other.id).status is Status.FAILED
    error = bench.order(other.id).error
    assert error is not None and error["code"] == "group_turn"


def test_who_is_left_waiting_in_a_filled_group_is_stopped(bench: Bench) -> None:
    """Only doubt can leave one: two of a group end at the same moment."""
    profit, loss = pair(bench)
    in_doubt(bench)
    with bench.db.connect() as conn:
        conn.execute(text("UPDATE order_groups SET turn = :id, filled = :id"), {"id": profit.id})
        for order in (profit, loss):
            bench.set(order.id, status="waiting", expires_at=None)
    bench.set(profit.id, arm_rule=None, status="failed", finished_at=bench.ago(seconds=0))
    looked(bench, bench.watcher())
    assert bench.order(loss.id).status is Status.CANCELLED
    assert bench.events(loss.id)[-1].data == {"by": "oco", "order": str(profit.id)}


def test_without_its_turn_nothing_of_a_group_is_stored_as_sent(bench: Bench) -> None:
    """The last line: whatever went wrong before."""
    profit, loss = fired(bench)
    held = bench.to(bench.held(profit.id), Status.BUILDING)
    with bench.db.connect() as conn:
        conn.execute(text("UPDATE order_groups SET turn = :id"), {"id": loss.id})
    assert bench.advance(held, Status.SUBMITTED) is None and bench.swaps(profit.id) == []
    with pytest.raises(Exception, match="orders_turn_taken"):
        due = bench.ago(seconds=0)
        bench.set(loss.id, status="pending", next_run_at=due, expires_at=due, arm_price=None, look_at=None)
    with pytest.raises(Exception, match="orders_turn"):
        bench.set(loss.id, turn=loss.group_id)


@pytest.mark.parametrize("filled", [False, True])
def test_who_loses_its_turn_while_it_is_built_waits_for_it_or_ends(bench: Bench, filled: bool) -> None:
    """Only doubt takes a turn away: it is not claimed again and again until its time is over."""
    profit, loss = fired(bench)
    bench.set(bench.to(bench.held(profit.id), Status.BUILDING).id, lease_owner=None, lease_until=None)
    with bench.db.connect() as conn:
        conn.execute(
            text("UPDATE order_groups SET turn = :id, filled = :filled"),
            {"id": loss.id, "filled": loss.id if filled else None},
        )
    bench.execution().run(profit.id)
    row, last = bench.row(profit.id), bench.events(profit.id)[-1]
    if filled:
        assert row.status == "failed" and row.error["code"] == "group_turn"
    else:
        assert (row.status, row.turn) == ("waiting", None) and last.data["why"]["code"] == "group_turn"
        assert row.look_at - row.updated_at >= timedelta(seconds=0.49)
        assert turn(bench, profit) == (loss.id, None), "the turn of another is not given back"
    assert bench.swaps(profit.id) == []
