"""The engine's SQL: the database decides every race, and what it did not decide did not happen."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError

from oee_daemon.contract.status import FINAL, UNSENT, IllegalMove, Status
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders.order import Order
from oee_daemon.store import lease_sql, move_sql, order_rows
from tests.kit.at_once import at_once
from tests.kit.engine import Bench
from tests.kit.tables import order_events, orders, swaps

ROUTING, BUILDING, SUBMITTED = Status.ROUTING, Status.BUILDING, Status.SUBMITTED
PATH = (ROUTING, BUILDING, SUBMITTED, Status.CONFIRMED)


# Moves.


def test_a_move_with_an_old_fence_finds_no_row_and_changes_nothing(bench: Bench) -> None:
    placed = bench.place()
    old = bench.held(placed.id, "one")
    bench.set(placed.id, lease_until=bench.ago(seconds=1))
    new = bench.held(placed.id, "two")
    before = (bench.row(placed.id), bench.events(placed.id))
    for to in (BUILDING, Status.FAILED, Status.EXPIRED):
        assert bench.advance(old, to) is None
    with bench.db.connect() as conn:
        assert lease_sql.extend(conn, old) is None
        lease_sql.let_go(conn, old, timedelta(0))
    assert (bench.row(placed.id), bench.events(placed.id)) == before
    assert bench.advance(new, BUILDING) is not None


def test_a_move_from_a_status_that_is_no_longer_so_changes_nothing(bench: Bench) -> None:
    held = bench.held(bench.place().id)
    bench.to(held, BUILDING)
    before = (bench.row(held.id), bench.events(held.id))
    assert bench.advance(held, BUILDING) is None
    assert (bench.row(held.id), bench.events(held.id)) == before


def test_a_move_that_the_table_does_not_have_raises_and_changes_nothing(bench: Bench) -> None:
    held = bench.held(bench.place().id)
    before = (bench.row(held.id), bench.events(held.id))
    with pytest.raises(IllegalMove):
        bench.advance(held, Status.CONFIRMED)
    assert (bench.row(held.id), bench.events(held.id)) == before


def test_events_are_gapless_and_one_for_each_move(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id), *PATH)
    assert bench.trail(order.id) == ["pending", "routing", "building", "submitted", "confirmed"]
    assert bench.swaps(order.id) == [(1, "landed")]
    row = bench.row(order.id)
    # The clock is read for each: they may be a microsecond apart.
    assert abs(row.finished_at - row.updated_at) < timedelta(milliseconds=1)
    assert row.next_run_at is row.lease_owner is row.lease_until is None


def test_events_are_read_from_where_one_left_off(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id), *PATH)
    with bench.db.connect() as conn:
        assert [e.seq for e in order_rows.events(conn, order.id, 3)] == [4, 5]
        assert order_rows.events(conn, order.id, 5) == []
        assert order_rows.events(conn, uuid4()) == []


def test_two_that_move_it_at_once_make_one_move_and_one_event(bench: Bench) -> None:
    for _ in range(8):
        held = bench.held(bench.place().id)
        found = at_once(*[partial(bench.advance, held, BUILDING)] * 4)
        assert sum(f is not None for f in found) == 1
        assert bench.trail(held.id) == ["pending", "routing", "building"]


def test_the_pause_between_attempts_holds_nothing(bench: Bench) -> None:
    routing = bench.to(bench.held(bench.place().id), ROUTING)
    pending = bench.advance(routing, Status.PENDING, delay=timedelta(seconds=5))
    assert pending is not None and pending.next_run_at is not None
    assert pending.next_run_at - pending.updated_at == pytest.approx(timedelta(seconds=5), abs=timedelta(0.1))
    row = bench.row(routing.id)
    assert row.lease_owner is row.lease_until is row.rung_at is None
    assert bench.claim(routing.id) is None
    bench.wake(routing.id)
    assert bench.held(routing.id, "two").attempt == 2


def test_letting_go_keeps_the_status_and_counts(bench: Bench) -> None:
    submitted = bench.to(bench.held(bench.place().id), ROUTING, BUILDING, SUBMITTED)
    with bench.db.connect() as conn:
        lease_sql.let_go(conn, submitted, timedelta(seconds=30))
    row = bench.row(submitted.id)
    assert (row.status, row.asks, row.lease_owner, row.lease_until) == ("submitted", 1, None, None)
    assert bench.claim(submitted.id) is None
    assert bench.swaps(submitted.id) == [(1, "signed")]


# Cancelling, against the one commit that counts.


@pytest.mark.parametrize("cancel_first", [True, False])
def test_a_cancel_and_a_submission_race_and_exactly_one_wins(bench: Bench, cancel_first: bool) -> None:
    for _ in range(15):
        building = bench.to(bench.held(bench.place().id), ROUTING, BUILDING)

        def submit(order: Order = building) -> Order | None:
            return bench.advance(order, SUBMITTED, swap=bench.swap(order))

        def cancel(order_id: UUID = building.id) -> Order | None:
            with bench.db.connect() as conn:
                return move_sql.cancel(conn, order_id)

        calls = (cancel, submit) if cancel_first else (submit, cancel)
        found = at_once(*calls)
        (won,) = [f for f in found if f is not None]
        assert bench.trail(building.id)[3:] == [won.status.value]
        assert bench.swaps(building.id) == ([(1, "signed")] if won.status is SUBMITTED else [])
        assert bench.order(building.id).status is won.status
        if won.status is SUBMITTED:
            # Gives its slot back: with all of them taken, the next claim waits for a lease to run out.
            assert bench.advance(won, Status.CONFIRMED) is not None


@pytest.mark.parametrize("status", Status)
def test_only_what_can_not_be_on_the_chain_is_cancelled(bench: Bench, status: Status) -> None:
    order = bench.place()
    values: dict[str, Any] = {"status": status.value}
    if status in FINAL:
        values |= {"finished_at": bench.ago(seconds=0)}
    if status is Status.CONFIRMED:
        values |= {"filled_in": 1, "filled_out": 1}
    bench.set(order.id, **values)
    with bench.db.connect() as conn:
        cancelled = move_sql.cancel(conn, order.id)
    assert (cancelled is not None) is (status in UNSENT)
    assert bench.order(order.id).status is (Status.CANCELLED if status in UNSENT else status)


def test_a_cancel_takes_the_order_from_whoever_holds_it(bench: Bench) -> None:
    routing = bench.to(bench.held(bench.place().id), ROUTING)
    bench.intake.cancel(routing.id)
    assert bench.advance(routing, BUILDING) is None
    with bench.db.connect() as conn:
        assert lease_sql.extend(conn, routing) is None
    assert bench.trail(routing.id) == ["pending", "routing", "cancelled"]


# Swaps.


def test_a_second_live_swap_of_an_order_is_refused_with_the_whole_move(bench: Bench) -> None:
    submitted = bench.to(bench.held(bench.place().id), ROUTING, BUILDING, SUBMITTED)
    # A fault of ours: a new attempt without the old swap's end.
    pending = bench.advance(submitted, Status.PENDING)
    assert pending is not None
    building = bench.to(pending, ROUTING, BUILDING)
    with pytest.raises(IntegrityError, match="swaps_one_live"):
        bench.advance(building, SUBMITTED, swap=bench.swap(building))
    assert bench.order(building.id).status is BUILDING
    assert bench.trail(building.id)[-1] == "building"
    assert bench.swaps(building.id) == [(1, "signed")]


def test_a_landed_swap_is_live_for_ever(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id), *PATH)
    row = {"order_id": order.id, "attempt": 2, "signature": "z", "raw": b"", "last_valid_height": 1}
    with bench.db.connect() as conn, pytest.raises(IntegrityError, match="swaps_one_live"):
        conn.execute(insert(swaps).values(row))


@pytest.mark.parametrize("ended", ["rejected", "lapsed"])
def test_a_swap_that_ended_makes_room_for_the_next_attempts(bench: Bench, ended: str) -> None:
    submitted = bench.to(bench.held(bench.place().id), ROUTING, BUILDING, SUBMITTED)
    pending = bench.advance(submitted, Status.PENDING, swap_ended=ended)
    assert pending is not None
    with bench.db.connect() as conn:
        assert order_rows.live_swap(conn, pending.id) is None
    again = bench.to(pending, ROUTING, BUILDING, SUBMITTED)
    assert bench.swaps(again.id) == [(1, ended), (2, "signed")]
    with bench.db.connect() as conn:
        live = order_rows.live_swap(conn, again.id)
    assert live == bench.swap(again)


def test_two_orders_can_not_store_one_signature(bench: Bench) -> None:
    one = bench.to(bench.held(bench.place().id), ROUTING, BUILDING)
    two = bench.to(bench.held(bench.place().id), ROUTING, BUILDING)
    swap = bench.swap(one)
    assert bench.advance(one, SUBMITTED, swap=swap) is not None
    with pytest.raises(IntegrityError, match="signature"):
        bench.advance(two, SUBMITTED, swap=swap)
    assert bench.order(two.id).status is BUILDING


# What no row may be.


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("orders_status", {"status": "done", "next_run_at": None}),
        ("orders_side", {"side": "both"}),
        ("orders_swap_mode", {"swap_mode": "Exact"}),
        ("orders_filled", {"status": "confirmed", "finished": True}),
        ("orders_filled", {"status": "failed", "finished": True, "filled_in": 1, "filled_out": 1}),
        ("orders_finished", {"status": "failed"}),
        ("orders_finished", {"status": "pending", "finished": True}),
        ("orders_runnable", {"status": "pending", "next_run_at": None}),
        ("orders_runnable", {"status": "waiting", "next_run_at": text("now()")}),
        ("orders_runnable", {"status": "failed", "next_run_at": text("now()"), "finished": True}),
    ],
)
def test_a_row_that_contradicts_itself_is_refused_by_postgres(
    bench: Bench, constraint: str, values: dict[str, Any]
) -> None:
    order = bench.place()
    changes = {k: v for k, v in values.items() if k != "finished"}
    if values.get("finished"):
        changes["finished_at"] = bench.ago(seconds=0)
    with pytest.raises(IntegrityError, match=constraint):
        bench.set(order.id, **changes)


def test_numbers_count_from_one_and_are_unique(bench: Bench) -> None:
    first, second = bench.place(), bench.place()
    assert (first.number, second.number) == (1, 2)
    with bench.db.connect() as conn, pytest.raises(IntegrityError, match="number"):
        conn.execute(update(orders).where(orders.c.id == second.id).values(number=1))


def test_what_a_move_gives_back_is_what_is_stored(bench: Bench) -> None:
    """It is put together here from what was known and what Postgres alone knew."""
    order = bench.held(bench.place(key="a-key-of-mine", valid_for_s=60).id)
    for step in (Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED):
        order = bench.to(order, step)
        assert order == bench.order(order.id)
    order = bench.held(bench.place(sell=False).id)
    waiting = bench.advance(order, Status.PENDING, delay=timedelta(seconds=5))
    assert waiting == bench.order(order.id)
    order = bench.held(bench.place().id)
    failed = bench.advance(order, Status.FAILED, failure=AttemptFailed("é", code="no_route", retryable=True))
    assert failed == bench.order(order.id)


def test_an_event_can_not_be_written_twice(bench: Bench) -> None:
    order = bench.place()
    row = {"order_id": order.id, "seq": 1, "status": "pending", "attempt": 1, "data": {}}
    with bench.db.connect() as conn, pytest.raises(IntegrityError):
        conn.execute(insert(order_events).values(row))


def test_an_amount_of_a_whole_u64_is_kept_to_the_unit(bench: Bench) -> None:
    for amount in (2**64 - 1, 123_456_789_123_456_789, 1):
        assert bench.order(bench.place(amount=amount).id).amount == amount
