"""Claims and what is due: of many workers one has an order, and none is left behind."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from oee_daemon.contract.status import RUNNABLE, Status
from oee_daemon.store import lease_sql
from oee_daemon.timing import USUAL
from tests.kit.at_once import at_once
from tests.kit.engine import Bench
from tests.kit.tables import orders


def test_ten_claim_at_once_and_one_wins(bench: Bench) -> None:
    for _ in range(10):
        order = bench.place()
        found = at_once(*(partial(bench.claim, order.id, f"worker{n}") for n in range(10)))
        (won,) = [f for f in found if f is not None]
        row = bench.row(order.id)
        assert (won.fence, row.fence) == (1, 1)
        assert row.lease_owner == f"worker{found.index(won)}"
        # Its slot is given back: with the last one taken, who lost would wait for another's lease to be over.
        assert bench.advance(won, Status.FAILED) is not None


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


def test_the_stuck_are_counted(bench: Bench) -> None:
    old, held, _ = (bench.place().id for _ in range(3))
    bench.held(held)
    bench.set(old, updated_at=bench.ago(minutes=6))
    with bench.db.connect() as conn:
        assert lease_sql.stuck(conn, "simulated", timedelta(minutes=5)) == 1
