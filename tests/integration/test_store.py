"""The engine's SQL: the database decides every race, and what it did not decide did not happen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from oee_daemon.contract.status import FINAL, RUNNABLE, UNSENT, IllegalMove, Status
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders.order import Order
from oee_daemon.store import lease_sql, move_sql, order_rows
from oee_daemon.store.tables import order_events, orders, swaps
from oee_daemon.timing import USUAL
from tests.kit.engine import Bench

T = TypeVar("T")
ROUTING, BUILDING, SUBMITTED = Status.ROUTING, Status.BUILDING, Status.SUBMITTED
PATH = (ROUTING, BUILDING, SUBMITTED, Status.CONFIRMED)


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each gives when all are made at the same moment."""
    together = threading.Barrier(len(calls))

    def one(call: Callable[[], T]) -> T:
        together.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result(60) for f in [pool.submit(one, call) for call in calls]]


# Claims and leases.


def test_ten_claim_at_once_and_one_wins(bench: Bench) -> None:
    for _ in range(10):
        order = bench.place()
        found = at_once(*(partial(bench.claim, order.id, f"worker{n}") for n in range(10)))
        (won,) = [f for f in found if f is not None]
        row = bench.row(order.id)
        assert (won.fence, row.fence) == (1, 1)
        assert row.lease_owner == f"worker{found.index(won)}"


def test_what_is_held_is_refused_to_others_and_given_again_to_its_owner(bench: Bench) -> None:
    order = bench.place()
    assert bench.held(order.id, "one").fence == 1
    assert bench.claim(order.id, "two") is None
    assert bench.held(order.id, "one").fence == 2


def test_a_lease_that_is_over_is_taken_and_raises_the_fence(bench: Bench) -> None:
    order = bench.place()
    first = bench.held(order.id, "one")
    bench.set(order.id, lease_until=bench.ago(seconds=0.001))
    second = bench.held(order.id, "two")
    assert second.fence == first.fence + 1
    assert bench.claim(order.id, "one") is None


def test_a_claim_holds_for_fifteen_seconds_and_is_extended_by_a_sign_of_life(bench: Bench) -> None:
    order = bench.held(bench.place().id)
    with bench.db.connect() as conn:
        left = select(orders.c.lease_until - text("clock_timestamp()")).where(orders.c.id == order.id)
        assert timedelta(seconds=10) < conn.execute(left).scalar_one() <= USUAL.lease
        bench.set(order.id, lease_until=bench.ago(seconds=-1))
        assert lease_sql.extend(conn, order) is not None
        assert conn.execute(left).scalar_one() > timedelta(seconds=10)


@pytest.mark.parametrize("column", ["lease_until", "next_run_at"])
@pytest.mark.parametrize(("ahead_s", "claimable"), [(110, False), (130, True), (10**8, True)])
def test_a_time_absurdly_far_ahead_comes_from_a_clock_that_jumped(
    bench: Bench, column: str, ahead_s: int, claimable: bool
) -> None:
    order = bench.place()
    if column == "lease_until":
        bench.held(order.id, "another")
    bench.set(order.id, **{column: bench.ago(seconds=-ahead_s)})
    assert (bench.claim(order.id) is not None) is claimable


def test_what_is_due_in_a_few_milliseconds_is_due(bench: Bench) -> None:
    order = bench.place()
    bench.set(order.id, next_run_at=bench.ago(seconds=-1))
    assert bench.claim(order.id) is None
    bench.set(order.id, next_run_at=bench.ago(milliseconds=-5))
    assert bench.claim(order.id) is not None


def test_an_order_of_another_network_is_left_alone(bench: Bench) -> None:
    order = bench.place()
    bench.set(order.id, network="mainnet")
    assert bench.claim(order.id) is None
    with bench.db.connect() as conn:
        bench.set(order.id, next_run_at=bench.ago(seconds=9))
        assert lease_sql.due(conn, network="simulated", owner="one", busy=[], limit=10) == []
        assert lease_sql.due(conn, network="mainnet", owner="one", busy=[], limit=10) == [order.id]


def test_what_is_final_is_never_claimed(bench: Bench) -> None:
    order = bench.place()
    bench.intake.cancel(order.id)
    assert bench.claim(order.id) is None
    assert bench.claim(uuid4()) is None


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


# What is due.


def _due(bench: Bench, *, owner: str = "one", busy: tuple[UUID, ...] = (), limit: int = 100) -> list[UUID]:
    with bench.db.connect() as conn:
        return lease_sql.due(conn, network="simulated", owner=owner, busy=busy, limit=limit)


def _overdue(bench: Bench, count: int) -> list[UUID]:
    """Orders that are overdue, the oldest first."""
    placed = [bench.place().id for _ in range(count)]
    for n, order_id in enumerate(placed):
        bench.set(order_id, next_run_at=bench.ago(seconds=100 - n))
    return placed


@pytest.mark.parametrize("analyzed", [False, True])
def test_due_takes_the_oldest_and_never_more_than_its_limit(bench: Bench, analyzed: bool) -> None:
    placed = _overdue(bench, 12)
    if analyzed:  # other figures, other plans
        with bench.db.connect() as conn:
            conn.execute(text("ANALYZE orders"))
    assert set(_due(bench, limit=5)) == set(placed[:5])
    assert set(_due(bench, limit=5)) == set(placed[5:10])
    assert set(_due(bench, limit=5)) == set(placed[10:])
    assert _due(bench, limit=5) == []


def test_two_that_look_for_what_is_due_at_once_share_it_out(bench: Bench) -> None:
    placed = _overdue(bench, 20)
    calls = [partial(_due, bench, owner=f"worker{n}", limit=10) for n in range(4)]
    found = [order_id for part in at_once(*calls) for order_id in part]
    found += _due(bench)
    assert sorted(found) == sorted(placed)


def test_its_own_bell_comes_first(bench: Bench) -> None:
    order = bench.place()
    bench.set(order.id, next_run_at=bench.ago(seconds=0.2))
    assert _due(bench) == []
    bench.set(order.id, next_run_at=bench.ago(seconds=1.1))
    assert _due(bench) == [order.id]


@pytest.mark.parametrize(
    ("rung_s_ago", "again"), [(0.0, False), (8.0, False), (11.0, True), (-5.0, True), (None, True)]
)
def test_what_was_rung_lately_is_not_rung_again(bench: Bench, rung_s_ago: float | None, again: bool) -> None:
    (order_id,) = _overdue(bench, 1)
    bench.set(order_id, rung_at=None if rung_s_ago is None else bench.ago(seconds=rung_s_ago))
    assert _due(bench) == ([order_id] if again else [])


def test_what_somebody_holds_is_not_due_until_the_lease_is_over(bench: Bench) -> None:
    (order_id,) = _overdue(bench, 1)
    bench.held(order_id, "another")
    assert _due(bench) == []
    bench.set(order_id, lease_until=bench.ago(seconds=1))
    assert _due(bench) == [order_id]


def test_what_the_worker_held_and_no_longer_works_on_is_due_to_itself_alone(bench: Bench) -> None:
    (order_id,) = _overdue(bench, 1)
    bench.held(order_id, "one")
    assert _due(bench, owner="one", busy=(order_id,)) == []
    assert _due(bench, owner="two") == []
    assert _due(bench, owner="one") == [order_id]


@pytest.mark.parametrize("status", sorted(RUNNABLE))
def test_every_runnable_status_is_found_and_no_other(bench: Bench, status: Status) -> None:
    (runnable, ended, waiting) = _overdue(bench, 3)
    bench.set(runnable, status=status.value)
    bench.set(ended, status="expired", finished_at=bench.ago(seconds=0))
    bench.set(waiting, status="waiting")
    assert _due(bench) == [runnable]


def test_forgetting_the_rings_makes_all_of_this_network_due_again(bench: Bench) -> None:
    placed = _overdue(bench, 3)
    assert len(_due(bench)) == 3
    with bench.db.connect() as conn:
        lease_sql.forget_rings(conn, "mainnet")
    assert _due(bench) == []
    with bench.db.connect() as conn:
        lease_sql.forget_rings(conn, "simulated")
    assert set(_due(bench)) == set(placed)


def test_clearing_leases_frees_its_prefix_and_no_other(bench: Bench) -> None:
    mine, also_mine, other, alike = (bench.place().id for _ in range(4))
    for order_id, owner in (
        (mine, "home_1:a:1"),
        (also_mine, "home_1:b:2"),
        (other, "home2:a"),
        (alike, "homeX1:a"),
    ):
        bench.held(order_id, owner)
    with bench.db.connect() as conn:
        assert lease_sql.clear_leases(conn, "home_1:") == 2
    owners = [bench.row(i).lease_owner for i in (mine, also_mine, other, alike)]
    assert owners == [None, None, "home2:a", "homeX1:a"]
    assert bench.claim(mine, "new") is not None
    assert bench.claim(other, "new") is None


def test_the_stuck_and_the_held_are_counted(bench: Bench) -> None:
    old, held, lapsed = (bench.place().id for _ in range(3))
    bench.held(held)
    bench.held(lapsed)
    bench.set(lapsed, lease_until=bench.ago(seconds=1))
    bench.set(old, updated_at=bench.ago(minutes=6))
    with bench.db.connect() as conn:
        assert lease_sql.stuck(conn, "simulated", timedelta(minutes=5)) == 1
        assert lease_sql.held(conn) == 1


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
