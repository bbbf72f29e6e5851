"""What is slow, held or broken of one order that waits keeps no other from being looked at."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.networks.simulated.simulated_prices import SimulatedPrices
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import watch_sql
from oee_daemon.store.database import transactions
from oee_daemon.store.sql_statement import Statement
from tests.kit.daemons import until
from tests.kit.engine import SLOTS, Bench
from tests.kit.now import now
from tests.kit.tables import feeds, returned, watch
from tests.kit.waiting import (
    limit,
    looked,
    stop,
)


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

    monkeypatch.setattr(watcher.ticks, "_limits_met", met)
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

    monkeypatch.setattr(watcher.ticks, "_limits_met", fail)
    bench.move_market(-500)
    assert looked(bench, watcher, 2) == [order.id]


def test_stops_are_looked_at_again_before_slow_venues_were_asked_about_all_limits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty pairs whose venues hang would take a minute."""
    monkeypatch.setattr("oee_daemon.engine.engine_price_ticks.LIMITS_S", 0.0)
    asked: list[str] = []
    limit(bench, "1.01")
    other_pair(bench)
    watcher = bench.watcher()
    assert watcher.ticks is not None

    async def met(limits: Any, _price: Any) -> list[Any]:
        asked.append(limits[0].order.pair)
        return []

    monkeypatch.setattr(watcher.ticks, "_limits_met", met)
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


def test_a_slow_beat_makes_no_price_younger(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a price was so is reckoned from the beat's answer: never later than it was."""
    limit(bench, "0.98")
    beaten, beat, slow_s = bench.watcher(), watch_sql.BEAT, [0.0]

    def slow(*asked: Any) -> Any:
        slow_s[0] += 0.5
        return beat.first(*asked)

    monkeypatch.setattr(watch_sql, "BEAT", SimpleNamespace(first=slow))
    monkeypatch.setattr(
        "oee_daemon.engine.engine_watcher.time",
        SimpleNamespace(monotonic=lambda: time.monotonic() + slow_s[0]),
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
    monkeypatch.setattr("oee_daemon.engine.engine_watcher.BEAT_S", 0.05)
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
    monkeypatch.setattr(
        "oee_daemon.engine.engine_price_ticks.time", SimpleNamespace(monotonic=lambda: clock.at)
    )
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
