"""Orders that wait for a price: they fire once, at their price and no worse, by a leader who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_watcher as watcher_module
from oee_daemon.errors import InvalidInput
from oee_daemon.store import watch_sql
from oee_daemon.store.engine_row import where
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.tables import watch
from tests.kit.waiting import (
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


def test_the_swap_carries_the_tighter_of_guard_and_bound(bench: Bench) -> None:
    """The price has gapped through: what the chain enforces is near the quote, not the target."""
    order, watcher = limit(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-700)
    assert looked(bench, watcher) == [order.id]
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.quote_in is not None and done.max_spend is not None
    assert bench.limit_of(order.id) == done.quote_in * 10_050 // 10_000 < done.max_spend


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


@pytest.mark.parametrize(("said", "ends"), [(None, Status.EXPIRED), (3600, Status.CONFIRMED)])
def test_a_launch_that_nobody_was_there_for_is_made_up_for_only_where_that_was_said(
    bench: Bench, said: int | None, ends: Status
) -> None:
    """A machine slept through the times of ten orders: it must not trade all of them when it wakes up."""
    later = datetime.now(UTC) + timedelta(hours=1)
    good_until = None if said is None else later + timedelta(seconds=said)
    order, chain = bench.place(launch_at=later, good_until=good_until), bench.chain()
    bench.set(order.id, launch_at=bench.ago(seconds=order.valid_for_s + 1))
    looked(bench, bench.watcher(chain))
    assert bench.run_to_end(bench.execution(chain), order.id).status is ends
    assert len(chain.sent) == (ends is Status.CONFIRMED)


def test_a_limit_is_not_looked_at_before_its_launch(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    order, watcher = limit(bench, "0.98", launch_at=later), bench.watcher()
    bench.move_market(-300)
    assert looked(bench, watcher, 2) == []
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    assert looked(bench, watcher, 2) == [order.id]


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


def test_what_is_met_comes_by_its_price_and_not_by_its_letters(bench: Bench) -> None:
    """The best for the market first: of many only the first hundred are looked at."""
    at = price(bench, sell=True)
    dear, cheap = (
        bench.place(type=OrderType.LIMIT, target_price=Decimal(told), far=True) for told in ("100.2", "99.5")
    )
    values: dict[str, Any] = {"pairs": [bench.row(dear.id).pair], "bids": [at], "asks": [at]}
    with bench.db.connect() as conn:
        assert [row.id for row in watch_sql.PROBE.all(conn, values)] == [cheap.id, dear.id]


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
