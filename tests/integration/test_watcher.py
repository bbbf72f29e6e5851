"""Orders that wait for a price: they fire once, at their price and no worse, by a leader who may."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import OrderType
from oee_daemon.engine import watcher as watcher_module
from oee_daemon.engine.listing_watch import ListingWatch
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.simulated.simulated_prices import SimulatedPrices
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS
from oee_daemon.store import watch_sql
from oee_daemon.store.database import transactions
from oee_daemon.store.engine_row import where
from oee_daemon.store.engine_tables import feeds, returned, watch
from oee_daemon.store.sql_statement import Statement
from tests.kit.daemons import until
from tests.kit.engine import SLOTS, Bench
from tests.kit.now import now
from tests.kit.waiting import (
    SLOT_MS,
    limit,
    looked,
    price,
    stop,
)


def test_a_limit_fires_at_its_price_and_is_filled_no_worse(bench: Bench) -> None:
    order, watcher = limit(bench, "0.98"), bench.watcher()
    assert looked(bench, watcher, 2) == []
    assert bench.row(order.id).arm_price == order.target_price
    bench.move_market(-300)
    assert looked(bench, watcher) == [order.id]
    assert looked(bench, watcher) == []
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.status is Status.CONFIRMED and done.filled_in is not None and done.max_spend is not None
    assert done.filled_in <= done.max_spend == int(order.target_price * 1000000 if order.target_price else 0)
    assert bench.trail(order.id) == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    said = bench.events(order.id)[1].data["trigger"]
    assert (said["rule"], said["basis"], said["firing"]) == ("at_or_below", "executable", 1)


def test_the_market_that_nobody_watches_stands_still(bench: Bench) -> None:
    before = bench.run_to_end(bench.execution(), bench.buy().id)
    price(bench, sell=True)
    bench.move_market(500)
    after = bench.run_to_end(bench.execution(), bench.place(sell=False, amount=10**9).id)
    with bench.ledger.connect() as conn:
        conn.exec_driver_sql("DELETE FROM sim_paths")
    assert before.filled_in is not None and after.filled_out is not None


def test_its_own_size_decides_and_the_index_learns(bench: Bench) -> None:
    """A large one is not met where a small one is; nobody asks about it again until the market has moved."""
    small = limit(bench, "0.995")
    large = limit(bench, "0.995", amount=2_000 * 10**9)
    watcher = bench.watcher()
    bench.move_market(-60)
    assert looked(bench, watcher) == [small.id]
    row = bench.row(large.id)
    assert row.arm_price < large.target_price and row.look_at is not None
    bench.set(large.id, look_at=bench.ago(seconds=1))
    bench.move_market(0)
    assert looked(bench, watcher, 2) == []
    row = bench.row(large.id)
    assert (row.arm_price, row.look_at) == (large.target_price, None)
    bench.move_market(-1200)
    assert looked(bench, watcher, 2) == [large.id]


def test_what_no_venue_may_fill_neither_fires_nor_stands_before_others(bench: Bench) -> None:
    """It would be claimed and come back each minute, for days."""
    barred = limit(bench, "0.99")
    bench.set(barred.id, barred=["raydium", "meteora"])
    other = limit(bench, "0.985")
    watcher = bench.watcher()
    assert watcher.ticks is not None
    watcher.ticks._source.most_firm = 1
    bench.move_market(-300)
    assert looked(bench, watcher, 2) == [other.id]
    row = bench.row(barred.id)
    assert (row.status, row.arm_price) == ("waiting", barred.target_price) and row.look_at is not None
    bench.set(barred.id, barred=["raydium"], look_at=bench.ago(seconds=1))
    bench.move_market(-1500)
    assert looked(bench, watcher, 2) == [barred.id]
    watcher.ticks._network = replace(watcher.ticks._network, max_impact=0)
    far = limit(bench, "0.98")
    bench.move_market(-2000)
    assert looked(bench, watcher, 2) == [] and bench.row(far.id).look_at is not None


def test_what_no_venue_may_fill_stands_before_no_other_once_it_has_learned(bench: Bench) -> None:
    """By what it has learned it would be looked at again at once, and at every look."""
    large, watcher = limit(bench, "0.995", amount=2_000 * 10**9), bench.watcher()
    bench.move_market(-60)
    assert looked(bench, watcher) == [] and bench.row(large.id).arm_price < large.target_price
    bench.set(large.id, barred=["raydium", "meteora"])
    other = limit(bench, "0.9")
    assert watcher.ticks is not None
    watcher.ticks._source.most_firm = 1
    bench.move_market(-1200)
    assert looked(bench, watcher, 3) == [other.id]


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


def test_a_row_that_another_holds_keeps_no_price_from_being_followed_or_learned(bench: Bench) -> None:
    """Who confirms one of a group takes its orders in another order: each would wait for the other."""
    held, free = (bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1) for _ in range(2))
    large = [limit(bench, "0.995", amount=2_000 * 10**9) for _ in range(2)]
    watcher = bench.watcher()
    before = {order.id: bench.row(order.id) for order in (held, free, *large)}
    with transactions(bench.db).begin() as other:
        other.execute(
            text("SELECT FROM orders WHERE id = ANY (:ids) FOR UPDATE"), {"ids": [held.id, large[0].id]}
        )
        bench.move_market(400)
        looked(bench, watcher, 2)
        bench.move_market(-60)
        looked(bench, watcher, 2)
    after = {order_id: bench.row(order_id) for order_id in before}
    assert after[free.id].peak > before[free.id].peak and after[held.id].peak == before[held.id].peak
    assert after[large[1].id].arm_price < before[large[1].id].arm_price
    assert after[large[0].id].arm_price == before[large[0].id].arm_price


def test_no_pair_is_always_the_last_to_be_asked_about(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where venues are slow the last one's price is too old by then, at each look."""
    asked: list[str] = []
    limit(bench, "1.01")
    other_pair(bench)
    watcher = bench.watcher()
    assert watcher.ticks is not None

    async def met(limits: Any, _price: Any) -> list[Any]:
        asked.append(limits[0].order.pair)
        return []

    monkeypatch.setattr(watcher.ticks, "_met", met)
    looked(bench, watcher, 2)
    assert len(asked) == 4 and asked[0] != asked[2]


def other_pair(bench: Bench, **what: Any) -> Order:
    bonk = {"input_token": TOKENS["BONK"], "output_token": TOKENS["USDC"], "amount": 10**10, "far": True}
    priced = {"type": OrderType.LIMIT, "target_price": Decimal("0.000001")}
    return bench.accept(terms_of(bonk | (what or priced)), None)[0]


def test_what_fails_of_one_pair_keeps_no_other_from_firing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, watcher = stop(bench, "0.97"), bench.watcher()
    other_pair(bench)
    assert watcher.ticks is not None

    async def fail(limits: Any, _price: Any) -> list[Any]:
        raise ZeroDivisionError(limits[0].order.pair)

    monkeypatch.setattr(watcher.ticks, "_met", fail)
    bench.move_market(-500)
    assert looked(bench, watcher, 2) == [order.id]


def test_stops_are_looked_at_again_before_slow_venues_were_asked_about_all_limits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty pairs whose venues hang would take a minute."""
    monkeypatch.setattr("oee_daemon.engine.price_ticks.LIMITS_S", 0.0)
    asked: list[str] = []
    limit(bench, "1.01")
    other_pair(bench)
    watcher = bench.watcher()
    assert watcher.ticks is not None

    async def met(limits: Any, _price: Any) -> list[Any]:
        asked.append(limits[0].order.pair)
        return []

    monkeypatch.setattr(watcher.ticks, "_met", met)
    looked(bench, watcher)
    assert len(asked) == 1
    looked(bench, watcher)
    assert len(set(asked)) == 2, "the other pair has its turn"


def test_a_pair_that_is_followed_waits_for_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another, fifty pairs whose venues hang would keep all stops unseen for a minute."""
    bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    other_pair(bench, type=OrderType.STOP, trail_bps=300, confirm_ms=1)
    watcher, asked = bench.watcher(), asyncio.Event()
    assert watcher.ticks is not None and watcher.ticks._source is not None
    looked(bench, watcher)
    names: set[str] = set()

    async def firm(pair: Any, price: Any, sides: Any) -> Any:
        names.add(pair.name)
        if len(names) == 2:
            asked.set()
        await asyncio.wait_for(asked.wait(), 10)
        return price

    monkeypatch.setattr(watcher.ticks._source, "estimates", True)
    monkeypatch.setattr(watcher.ticks, "_firm_price", firm)
    assert watcher._lead is not None
    now(watcher.ticks.follow(watcher._lead))
    assert len(names) == 2


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


def test_a_limit_whose_price_is_gone_waits_again_and_rests(bench: Bench) -> None:
    order, watcher = limit(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-300)
    assert looked(bench, watcher) == [order.id]
    bench.move_market(0)
    bench.execution().run(order.id)
    back = bench.order(order.id)
    assert (back.status, back.attempt, back.firings, back.returns) == (Status.WAITING, 2, 1, 1)
    row = bench.row(order.id)
    assert (row.arm_price, row.next_run_at, row.lease_owner) == (order.target_price, None, None)
    assert row.look_at > back.updated_at
    assert bench.events(order.id)[-1].data["why"]["code"] == "moved_away"
    # It rests for half a second, which a busy machine may take to look.
    bench.set(order.id, look_at=bench.ago(seconds=-20))
    bench.move_market(-300)
    assert looked(bench, watcher) == [], "it rests"
    bench.set(order.id, look_at=bench.ago(seconds=1))
    assert looked(bench, watcher) == [order.id]
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    assert bench.order(order.id).firings == 2


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


def test_the_swap_carries_the_tighter_of_guard_and_bound(bench: Bench) -> None:
    """The price has gapped through: what the chain enforces is near the quote, not the target."""
    order, watcher = limit(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-700)
    assert looked(bench, watcher) == [order.id]
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.quote_in is not None and done.max_spend is not None
    assert bench.limit_of(order.id) == done.quote_in * 10_050 // 10_000 < done.max_spend


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
    bench.set(huge.id, amount=MAX_UNITS, peak=high, arm_price=high * Decimal("0.97"))
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


def test_an_older_fence_and_an_older_price_fire_nothing(bench: Bench) -> None:
    order = limit(bench, "0.98")
    one, two = bench.watcher(owner="one"), bench.watcher(owner="two")
    looked(bench, one)
    bench.move_market(-300)
    looked_by_two = now(two.beat())
    assert looked_by_two is None and now(two.tick()) == [], "another leads"
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = now() - interval '1 s'")
    assert now(one.tick()) == [], "its lease is over"
    now(two.beat())
    assert now(one.tick()) == [], "another has taken over"
    bench.feed_fault("lag", ms=60_000)
    bench.clock.wind(s=70)
    assert now(two.tick()) == [], "the price is old"
    bench.feed_fault(None)
    assert now(two.tick()) == [order.id]


def test_an_edit_between_the_look_and_the_fire_wins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    order, watcher = limit(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-300)
    assert watcher.ticks is not None
    probe = watcher.ticks._probe

    async def edited(reached: Any) -> Any:
        found = await probe(reached)
        bench.set(order.id, arm_price=Decimal(1))
        return found

    monkeypatch.setattr(watcher.ticks, "_probe", edited)
    assert looked(bench, watcher) == []


def test_what_waits_too_long_expires_and_never_fires(bench: Bench) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    order, watcher = limit(bench, "0.98", good_until=soon), bench.watcher()
    assert order.expires_at == soon
    looked(bench, watcher)
    bench.set(order.id, expires_at=bench.ago(seconds=1), good_until=bench.ago(seconds=1))
    bench.move_market(-300)
    assert now(watcher.tick()) == []
    looked(bench, watcher)
    ended = bench.order(order.id)
    assert ended.status is Status.EXPIRED and bench.events(order.id)[-1].data == {"by": "expiresAt"}


@pytest.mark.parametrize("elsewhere", ["timeline", "started"])
def test_where_the_database_may_have_forgotten_nothing_lapses(bench: Bench, elsewhere: str) -> None:
    """It may have been executed: only once it was in doubt is it known that it was not."""
    order = limit(bench, "0.98")
    bench.set(order.id, expires_at=bench.ago(seconds=1), good_until=bench.ago(seconds=1))
    with bench.db.connect() as conn:
        here = where(conn)
    assert here is not None
    on_another = here._replace(timeline="0000000A")
    before = (
        on_another if elsewhere == "timeline" else here._replace(started=here.started - timedelta(days=1))
    )
    looked(bench, bench.watcher(where=before))
    assert bench.order(order.id).status is Status.WAITING
    looked(bench, bench.watcher(where=here))
    assert bench.order(order.id).status is Status.EXPIRED


def test_a_market_order_with_a_launch_time_fires_then(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    order, watcher = bench.place(launch_at=later), bench.watcher()
    assert order.status is Status.WAITING
    looked(bench, watcher)
    assert bench.order(order.id).status is Status.WAITING
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    looked(bench, watcher)
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    assert bench.events(order.id)[1].data["trigger"]["rule"] == "time"


def test_a_limit_is_not_looked_at_before_its_launch(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    order, watcher = limit(bench, "0.98", launch_at=later), bench.watcher()
    bench.move_market(-300)
    assert looked(bench, watcher, 2) == []
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    assert looked(bench, watcher, 2) == [order.id]


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


@pytest.mark.parametrize(
    ("kind", "sell", "target", "code"),
    [
        ("limit", False, "14000", "price_far"),
        ("limit", False, "0.00704", "price_inverted"),
        ("limit", False, "3", "price_far"),
        ("limit", True, "100", "price_far"),
        ("stop", True, "3", "price_far"),
        ("stop", False, "14000", "price_far"),
        ("stop", True, "0.00704", "price_inverted"),
        ("stop", True, "150", "would_fire"),
        ("stop", False, "120", "would_fire"),
    ],
)
def test_a_slip_of_the_pen_is_no_order(bench: Bench, kind: str, sell: bool, target: str, code: str) -> None:
    place = bench.place if sell else bench.buy
    with pytest.raises(InvalidInput) as refused:
        place(type=OrderType(kind), target_price=Decimal(target))
    assert refused.value.code == code
    if code != "would_fire":
        example = str(refused.value.hint).removeprefix("For example ").partition(",")[0]
        assert place(type=OrderType(kind), target_price=Decimal(example)).status is Status.WAITING
    if code != "price_inverted":
        assert place(type=OrderType(kind), target_price=Decimal(target), far=True).status is Status.WAITING


def test_a_large_stop_is_placed_by_the_price_that_fires_it(bench: Bench) -> None:
    """What its own size would bring is worse, and says nothing of whether it is met."""
    large = stop(bench, "0.97", amount=3_000 * 10**9)
    trailing = bench.place(type=OrderType.STOP, trail_bps=300, amount=3_000 * 10**9)
    assert large.status is trailing.status is Status.WAITING
    assert abs(bench.row(trailing.id).peak / price(bench, sell=True) - 1) < Decimal("0.001")


def test_what_is_met_comes_by_its_price_and_not_by_its_letters(bench: Bench) -> None:
    """The best for the market first: of many only the first hundred are looked at."""
    at = price(bench, sell=True)
    dear, cheap = (
        bench.place(type=OrderType.LIMIT, target_price=Decimal(told), far=True) for told in ("100.2", "99.5")
    )
    values: dict[str, Any] = {"pairs": [bench.row(dear.id).pair], "bids": [at], "asks": [at]}
    with bench.db.connect() as conn:
        assert [row.id for row in watch_sql.PROBE.all(conn, values)] == [cheap.id, dear.id]


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


def test_who_is_gone_is_followed_at_the_end_of_the_lease(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the next beat after it."""
    limit(bench, "0.98")
    monkeypatch.setattr(watcher_module, "LEASE_S", 0.3)
    monkeypatch.setattr(watcher_module, "BEAT_S", 20.0)
    one, two = bench.watcher(), bench.watcher(owner="two")
    now(one.beat())
    following = bench.loop.begin(two.run())

    def follows() -> bool:
        with bench.db.connect() as conn:
            return bool(conn.execute(select(watch.c.owner)).scalar_one() == "two")

    async def stop() -> None:
        two.stop()

    try:
        until(follows, within=10)
    finally:
        bench.loop.begin(stop()).result(10)
        following.result(10)


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


def test_what_was_learned_is_no_rest(bench: Bench) -> None:
    """It is looked at again once the market has moved that far, at once and not half a minute later."""
    large, watcher = limit(bench, "0.995", amount=2_000 * 10**9), bench.watcher()
    bench.move_market(-60)
    assert looked(bench, watcher) == []
    row = bench.row(large.id)
    assert row.arm_price < large.target_price and row.look_at is not None
    bench.move_market(-1200)
    assert looked(bench, watcher, 2) == [large.id]


def test_a_clock_that_was_set_back_keeps_nobody_from_leading(bench: Bench) -> None:
    """What was stored before is then hours ahead: the lease of a leader that is dead, and a rest."""
    order = limit(bench, "0.98")
    looked(bench, bench.watcher(owner="dead"))
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = lease_until + interval '1 hour'")
    bench.set(order.id, look_at=bench.ago(hours=-1))
    bench.move_market(-300)
    assert looked(bench, bench.watcher(owner="new")) == [order.id]


def test_what_was_learned_before_a_clock_was_set_back_is_looked_at_anew(bench: Bench) -> None:
    """Its learned price is hours from its own: it would miss every price in between."""
    large, watcher = limit(bench, "0.995", amount=2_000 * 10**9), bench.watcher()
    bench.move_market(-60)
    looked(bench, watcher)
    bench.set(large.id, look_at=bench.ago(hours=-1))
    bench.move_market(0)
    looked(bench, watcher)
    row = bench.row(large.id)
    assert (row.arm_price, row.look_at) == (large.target_price, None)


def test_a_price_that_moves_too_far_ends_neither_a_limit_nor_a_stop(bench: Bench) -> None:
    """OEE_MAX_IMPACT refuses a quote, and not the order: a limit keeps nobody in a position."""
    placed, watcher = [stop(bench, "0.97"), limit(bench, "0.98")], bench.watcher()
    bench.move_market(-500)
    assert set(looked(bench, watcher, 3)) == {order.id for order in placed}
    execution = bench.execution()
    execution._outside._network = replace(execution._outside._network, max_impact=0)
    for order in placed:
        execution.run(order.id)
        assert bench.order(order.id).status is Status.WAITING
        assert bench.events(order.id)[-1].data["why"]["code"] == "impact_too_high"


def test_a_slow_beat_makes_no_price_younger(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a price was so is reckoned from the beat's answer: never later than it was."""
    limit(bench, "0.98")
    beaten, beat, slow_s = bench.watcher(), watch_sql.BEAT, [0.0]

    def slow(*asked: Any) -> Any:
        slow_s[0] += 0.5
        return beat.first(*asked)

    monkeypatch.setattr(watch_sql, "BEAT", SimpleNamespace(first=slow))
    monkeypatch.setattr(
        "oee_daemon.engine.watcher.time", SimpleNamespace(monotonic=lambda: time.monotonic() + slow_s[0])
    )
    now(beaten.beat())
    assert beaten._lead is not None
    said = beaten._lead.moment(time.monotonic() + slow_s[0])
    with bench.db.connect() as conn:
        assert said <= conn.execute(select(func.clock_timestamp())).scalar_one()


def test_a_leader_goes_on_leading_while_venues_are_slow(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that takes longer than the lease costs no other worker's turn, and what it meets fires."""
    order, watcher = limit(bench, "0.98"), bench.watcher()
    assert watcher.ticks is not None
    bench.move_market(-300)
    monkeypatch.setattr("oee_daemon.engine.watcher.BEAT_S", 0.05)
    firm, told = SimulatedPrices.firm, threading.Event()

    async def slow(self: SimulatedPrices, request: Any, may: Any = None) -> Any:
        await asyncio.to_thread(told.wait, 30)
        return await firm(self, request, may)

    monkeypatch.setattr(SimulatedPrices, "firm", slow)
    running = bench.loop.begin(watcher.run())
    leases: set[tuple[int, datetime]] = set()

    def renewed() -> bool:
        with bench.db.connect() as conn:
            leases.update(tuple(row) for row in conn.execute(select(watch.c.fence, watch.c.lease_until)))
        return len(leases) > 3

    until(renewed)
    assert bench.order(order.id).status is Status.WAITING and len({fence for fence, _ in leases}) == 1
    told.set()
    until(lambda: bench.order(order.id).status is not Status.WAITING)
    watcher.stop()
    running.result(10)


@pytest.mark.parametrize("statement", ["LAPSE", "LOOK"])
def test_what_fails_of_what_is_due_keeps_nothing_else_from_firing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """One row that Postgres can't reckon with would keep all from firing for as long as it is there."""
    over, order = limit(bench, "0.5"), stop(bench, "0.97")
    bench.set(over.id, expires_at=bench.ago(seconds=1), look_at=bench.ago(seconds=1))
    launched = bench.place(launch_at=datetime.now(UTC) + timedelta(hours=1))
    bench.set(launched.id, launch_at=bench.ago(seconds=1))
    monkeypatch.setattr(watch_sql, statement, Statement("-- fails: by its values\nSELECT 1 / 0"))
    bench.move_market(-500)
    assert looked(bench, bench.watcher(), 2) == [order.id]
    assert bench.order(launched.id).status is Status.PENDING


def test_a_stop_waits_for_no_look_at_a_new_token(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    order, watcher = stop(bench, "0.97"), bench.watcher()
    asked, told = threading.Event(), threading.Event()

    async def slow(self: ListingWatch, fence: int) -> list[Any]:
        asked.set()
        await asyncio.to_thread(told.wait, 30)
        return []

    monkeypatch.setattr(ListingWatch, "once", slow)
    beat = watcher.beat

    async def listed() -> None:
        await beat()
        watcher._listed = True

    monkeypatch.setattr(watcher, "beat", listed)
    running = bench.loop.begin(watcher.run())
    assert asked.wait(10)
    bench.move_market(-500)

    def fired() -> bool:
        bench.clock.wind(ms=SLOT_MS)
        return bench.order(order.id).status is not Status.WAITING

    until(fired)
    assert not told.is_set()
    told.set()
    watcher.stop()
    running.result(10)


def test_a_fault_of_a_look_at_a_new_token_costs_no_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would cost the lead at each beat, and what has to hold over two slots would begin anew each time."""
    order, watcher = stop(bench, "0.97"), bench.watcher()
    faults = itertools.count()

    async def fail(self: ListingWatch, fence: int) -> list[Any]:
        next(faults)
        raise RuntimeError("nobody planned it")

    monkeypatch.setattr(ListingWatch, "once", fail)
    beat = watcher.beat

    async def listed() -> None:
        await beat()
        watcher._listed = True

    monkeypatch.setattr(watcher, "beat", listed)
    bench.move_market(-500)
    running = bench.loop.begin(watcher.run())

    def fired() -> bool:
        bench.clock.wind(ms=SLOT_MS)
        return bench.order(order.id).status is not Status.WAITING

    until(fired)
    watcher.stop()
    running.result(10)
    assert next(faults) > 0


def test_a_stop_is_handed_over_while_limits_are_still_asked_about(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a crash what venues take to answer for limits is not the stop's to lose."""
    first, watcher = stop(bench, "0.98"), bench.watcher()
    handed: list[Any] = []
    firm, told = SimulatedPrices.firm, threading.Event()

    async def slow(self: SimulatedPrices, request: Any, may: Any = None) -> Any:
        await asyncio.to_thread(told.wait, 30)
        return await firm(self, request, may)

    def hand(order_id: Any) -> bool:
        handed.append(order_id)
        return True

    monkeypatch.setattr(bench.broker, "hand", hand)
    assert looked(bench, watcher) == []
    bench.move_market(-300)
    assert looked(bench, watcher) == []
    waits = limit(bench, "1.01")
    monkeypatch.setattr(SimulatedPrices, "firm", slow)
    now(watcher.beat())
    looking = bench.loop.begin(watcher.tick())
    until(lambda: handed == [first.id])
    assert bench.order(waits.id).status is Status.WAITING
    told.set()
    assert looking.result(10) == [first.id, waits.id] == handed


def test_what_is_deferred_missed_and_sent_back_is_counted(bench: Bench) -> None:
    room = 4 * SLOTS
    for _ in range(room - 1):
        bench.set(bench.place().id, firings=1)
    first, second = limit(bench, "1.01"), limit(bench, "1.005")
    # Its own size costs more than that.
    large = limit(bench, "1.0005", amount=10**13)
    watcher = bench.watcher()
    assert looked(bench, watcher, 2) == [first.id]
    with bench.db.connect() as conn:
        told = conn.execute(select(watch.c.deferred, watch.c.deferred_since, watch.c.missed)).one()
    assert told[0] == 1 and told[1] is not None and told[2] >= 1
    assert bench.order(second.id).status is bench.order(large.id).status is Status.WAITING
    bench.move_market(400)
    bench.execution().run(first.id)
    looked(bench, watcher, 2)
    with bench.db.connect() as conn:
        assert conn.execute(select(returned.c.code, returned.c.total)).all() == [("moved_away", 1)]
        after = conn.execute(select(watch.c.deferred, watch.c.deferred_since)).one()
    assert after == (0, None)


@pytest.mark.parametrize(("max_age_s", "far"), [(2.0, 1), (4.0, 3), (60.0, 4)])
def test_what_is_far_is_looked_at_less_often_and_never_less_than_its_age_allows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, max_age_s: float, far: int
) -> None:
    asked: list[float] = []
    prices, clock = SimulatedPrices.prices, SimpleNamespace(at=0.0)

    async def counted(self: SimulatedPrices, pairs: Any) -> Any:
        asked.append(clock.at)
        return await prices(self, pairs)

    def looks(slots: int) -> list[int]:
        """Slots between the looks that are made while so many go by."""
        asked.clear()
        for _ in range(slots):
            clock.at += SimulatedPrices.cadence_s
            now(watcher.tick())
        return [round((b - a) / SimulatedPrices.cadence_s) for a, b in itertools.pairwise(asked)]

    monkeypatch.setattr(SimulatedPrices, "prices", counted)
    monkeypatch.setattr(SimulatedPrices, "max_age_s", max_age_s)
    monkeypatch.setattr("oee_daemon.engine.price_ticks.time", SimpleNamespace(monotonic=lambda: clock.at))
    limit(bench, "0.95")
    watcher = bench.watcher()
    now(watcher.beat())
    assert set(looks(20)[2:]) == {far}
    now(watcher.beat())
    with bench.db.connect() as conn:
        assert conn.execute(select(feeds.c.cadence_ms)).scalar_one() == 400 * far
    limit(bench, "0.997")
    now(watcher.beat())
    assert set(looks(6)[1:]) == {1}
