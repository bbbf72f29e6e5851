"""Stops that wait: what a fall is and what none, a floor that latches, and a best price that is followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.orders.tokens import MAX_UNITS
from oee_daemon.store import watch_sql
from oee_daemon.store.sql_statement import Statement
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.waiting import (
    limit,
    looked,
    price,
    stop,
)


def test_a_stop_fires_by_the_best_venue_over_two_slots_and_not_by_one_venues_spike(bench: Bench) -> None:
    order, watcher = stop(bench, "0.97"), bench.watcher()
    bench.move_market(-900, venue="raydium")
    assert looked(bench, watcher, 3) == []
    bench.move_market(0, venue="raydium")
    bench.move_market(-500)
    assert looked(bench, watcher) == []
    assert looked(bench, watcher) == [order.id]
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.status is Status.CONFIRMED and done.filled_out and done.filled_out >= (order.min_receive or 0)


def test_however_many_stops_are_met_all_hold_at_once(bench: Bench) -> None:
    """The last ones would begin to hold once the first had fired."""
    placed = [stop(bench, "0.97").id for _ in range(watch_sql.MOST + 2)]
    watcher = bench.watcher()
    bench.move_market(-500)
    assert sorted(looked(bench, watcher, 2)) == sorted(placed)


def test_a_wick_of_one_slot_stops_nobody_out(bench: Bench) -> None:
    order, watcher = stop(bench, "0.97"), bench.watcher()
    for bps in (-500, 0, -500, 0):
        bench.move_market(bps)
        assert looked(bench, watcher) == []
    assert bench.order(order.id).status is Status.WAITING


def test_a_feed_that_goes_back_confirms_no_stop(bench: Bench) -> None:
    """A node that is behind shows an older slot: that is not the second one for which a price has to hold."""
    order, watcher = stop(bench, "0.97"), bench.watcher()
    bench.clock.wind(s=4)
    looked(bench, watcher)
    bench.move_market(-500)
    assert looked(bench, watcher) == []
    bench.feed_fault("lag", ms=1600)
    assert looked(bench, watcher) == []
    assert looked(bench, watcher) == [order.id]


def test_a_stop_below_its_floor_is_latched_and_waits_for_the_floor(bench: Bench) -> None:
    order, watcher = (
        stop(bench, "0.97", limit_price=round(price(bench, sell=True) * Decimal("0.96"), 6)),
        None,
    )
    watcher = bench.watcher()
    bench.move_market(-700)
    assert looked(bench, watcher, 2) == [order.id]
    bench.execution().run(order.id)
    back = bench.order(order.id)
    assert (back.status, back.latched) == (Status.WAITING, True)
    assert bench.row(order.id).arm_price == order.limit_price
    assert bench.events(order.id)[-1].data["why"]["code"] == "under_floor"
    bench.set(order.id, look_at=bench.ago(seconds=1))
    assert looked(bench, watcher) == []
    bench.move_market(-200)
    assert looked(bench, watcher, 2) == [order.id]
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.status is Status.CONFIRMED and done.filled_out and done.filled_out >= (order.min_receive or 0)


def test_a_stop_that_the_chain_refuses_is_quoted_anew_and_latched_at_the_twentieth_in_a_row(
    bench: Bench,
) -> None:
    """It protects somebody: what else has gone wrong before counts for nothing, and it never fails by it."""
    order, watcher = stop(bench, "0.97"), bench.watcher()
    refused = bench.execution(bench.chain(failure_rate="1"))
    bench.move_market(-350)
    assert looked(bench, watcher, 2) == [order.id]
    bench.set(order.id, attempt=90)
    refused.run(order.id)
    row = bench.row(order.id)
    assert (row.status, row.attempt, row.rejections, row.latched) == ("pending", 91, 1, False)
    bench.set(order.id, rejections=19, next_run_at=bench.ago(seconds=1))
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "hang", remaining=1)
    refused.run(order.id)
    assert (bench.row(order.id).status, bench.row(order.id).rejections) == ("pending", 0), "the row is over"
    bench.set(order.id, rejections=19, next_run_at=bench.ago(seconds=1))
    refused.run(order.id)
    row = bench.row(order.id)
    assert (row.status, row.rejections, row.latched, row.arm_price) == ("waiting", 20, True, row.limit_price)
    bench.set(order.id, look_at=bench.ago(seconds=1))
    assert looked(bench, watcher, 2) == [order.id]
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED


def test_a_trailing_stop_follows_the_best_price_and_its_floor_is_fixed_when_it_fires(bench: Bench) -> None:
    order = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    watcher = bench.watcher()
    first = bench.row(order.id).peak
    bench.move_market(400)
    looked(bench, watcher, 3)
    peak = bench.row(order.id).peak
    assert peak > first and bench.row(order.id).arm_price == peak * Decimal("0.97")
    bench.move_market(300)
    looked(bench, watcher, 3)
    assert bench.row(order.id).peak == peak, "it follows one way"
    bench.move_market(50)
    assert looked(bench, watcher, 3) == [order.id]
    fired = bench.order(order.id)
    assert fired.limit_price == peak * Decimal("0.97") * Decimal("0.8") and fired.min_receive


def test_a_bound_that_no_account_can_hold_keeps_no_other_stop_from_firing(bench: Bench) -> None:
    """They fire in one statement."""
    huge, other = (bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1) for _ in range(2))
    high = Decimal(10**9)
    bench.set(huge.id, amount=Decimal(MAX_UNITS), peak=high, arm_price=high * Decimal("0.97"))
    watcher = bench.watcher()
    bench.move_market(-400)
    assert sorted(looked(bench, watcher, 3)) == sorted([huge.id, other.id])
    assert bench.order(huge.id).min_receive == MAX_UNITS


def test_a_trailing_stop_follows_nothing_that_was_before_it(bench: Bench) -> None:
    """What the watcher saw last is older than the order: it falls back from no price that it never had."""
    limit(bench, "0.5", far=True)
    watcher = bench.watcher()
    bench.move_market(600)
    looked(bench, watcher)
    bench.move_market(0)
    order = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    placed = bench.row(order.id).peak
    now(watcher.beat())
    assert bench.row(order.id).peak == placed
    assert looked(bench, watcher, 4) == []


@pytest.mark.parametrize("sell", [True, False])
def test_a_trailing_stop_trails_from_its_launch(bench: Bench, sell: bool) -> None:
    """What the market did since it was placed is none of its best prices."""
    later = datetime.now(UTC) + timedelta(hours=1)
    place, way = (bench.place, 1) if sell else (bench.buy, -1)
    bench.move_market(600 * way)
    order = place(type=OrderType.STOP, trail_bps=300, confirm_ms=1, launch_at=later)
    bench.move_market(0)
    watcher = bench.watcher()
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    assert looked(bench, watcher, 4) == []
    row, trailed = bench.row(order.id), Decimal("0.97") if sell else Decimal("1.03")
    assert abs(row.peak - price(bench, sell=sell)) < Decimal("1e-6")
    assert row.arm_rule == (2 if sell else 3) and abs(row.arm_price - row.peak * trailed) < Decimal("1e-6")
    bench.move_market(-400 * way)
    assert looked(bench, watcher, 3) == [order.id]


def test_a_large_stop_is_placed_by_the_price_that_fires_it(bench: Bench) -> None:
    """What its own size would bring is worse, and says nothing of whether it is met."""
    large = stop(bench, "0.97", amount=3_000 * 10**9)
    trailing = bench.place(type=OrderType.STOP, trail_bps=300, amount=3_000 * 10**9)
    assert large.status is trailing.status is Status.WAITING
    assert abs(bench.row(trailing.id).peak / price(bench, sell=True) - 1) < Decimal("0.001")


def test_a_trailing_stop_does_not_follow_a_price_that_is_too_old(bench: Bench) -> None:
    """Right after one that was fresh, by which the pair itself is not stale yet."""
    order, watcher = bench.place(type=OrderType.STOP, trail_bps=1000, confirm_ms=1), bench.watcher()
    bench.clock.wind(s=20)
    looked(bench, watcher, 2)
    before = bench.row(order.id).peak
    bench.move_market(300)
    bench.feed_fault("lag", 9000)
    now(watcher.tick())
    now(watcher.beat())
    assert bench.row(order.id).peak == before


def test_who_leads_again_confirms_a_stop_anew(bench: Bench) -> None:
    """What was seen before another led, or while nobody could look, says nothing of what was in between."""
    order = stop(bench, "0.97", confirm_ms=1)
    one, two = bench.watcher(owner="one"), bench.watcher(owner="two")
    bench.move_market(-500)
    assert looked(bench, one) == []
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = now() - interval '1 s'")
    bench.move_market(0)
    assert looked(bench, two, 2) == [], "the price is back"
    now(two.leave())
    bench.move_market(-500)
    assert looked(bench, one) == [], "a wick of one slot"
    bench.move_market(0)
    assert looked(bench, one) == []
    assert bench.order(order.id).status is Status.WAITING


def test_however_many_trail_a_price_no_statement_moves_more_than_it_has_the_time_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that reaches its limit would end the watch at each look, and no stop would fire any more."""
    few = watch_sql.PEAKS.text.replace(f"LIMIT {watch_sql.MOST_FOLLOW}", "LIMIT 2")
    monkeypatch.setattr(watch_sql, "PEAKS", Statement(few))
    orders = [bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1).id for _ in range(3)]
    low = bench.row(orders[0]).peak
    for order, part in zip(orders, ("0.99", "0.97", "0.98"), strict=True):
        bench.set(order, peak=low * Decimal(part))
    watcher = bench.watcher()
    bench.move_market(200)
    looked(bench, watcher, 2)
    behind = [bench.row(order).peak < low for order in orders]
    looked(bench, watcher)
    assert (behind, [bench.row(order).peak > low for order in orders]) == ([True, False, False], [True] * 3)


@pytest.mark.parametrize("moment", ["updated_at", "launch_at"])
def test_a_trailing_stop_goes_on_trailing_where_the_clock_was_set_back(bench: Bench, moment: str) -> None:
    """It was placed, or launched, hours after now: it would stand still until then."""
    order = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    bench.set(order.id, **{moment: bench.ago(hours=-1)})
    watcher = bench.watcher()
    first = bench.row(order.id).peak
    bench.move_market(400)
    looked(bench, watcher, 3)
    assert bench.row(order.id).peak > first
