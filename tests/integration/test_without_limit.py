"""Stops without a worst price: each try is kept by its own quote alone, however far the market has fallen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oee_daemon.api import feed_wire
from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_quotes
from oee_daemon.errors import InvalidInput
from oee_daemon.orders.conditions import UNBOUND
from oee_daemon.orders.order import Order
from oee_daemon.reads.reads_waiting import WaitingOrders
from tests.integration.test_editing import editor
from tests.kit.engine import BOOK, Bench
from tests.kit.now import now
from tests.kit.waiting import looked, price, stop

#: As it is read; which one it is by the side, comes with the terms.
NONE = Decimal(0)


def told(bench: Bench, order: Order) -> dict[str, Any]:
    (found,) = feed_wire.orders_json([bench.order(order.id)], WaitingOrders(bench.db), BOOK)
    return found


@pytest.mark.parametrize("limit", [None, NONE])
def test_it_sells_in_a_crash_that_leaves_every_floor_behind(bench: Bench, limit: Decimal | None) -> None:
    order, watcher = stop(bench, "0.98", limit_price=limit), bench.watcher()
    bench.move_market(-3000)
    assert looked(bench, watcher, 3) == [order.id]
    bench.execution().run(order.id)
    done = bench.order(order.id)
    if limit is None:
        assert (done.status, done.latched) == (Status.WAITING, True)
        return
    assert done.status is Status.CONFIRMED and done.min_receive == 1 and done.quote_out is not None
    # The guard: 1 % less than its own quote.
    assert bench.limit_of(order.id) == -(-done.quote_out * 9900 // 10000)
    assert told(bench, order)["limitPrice"] == "none"


@pytest.mark.parametrize("limit", [None, NONE])
def test_it_is_chosen_for_as_an_order_without_a_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, limit: Decimal | None
) -> None:
    """No pool of a few dollars is emptied for it."""
    order, watcher, bounds = stop(bench, "0.98", limit_price=limit), bench.watcher(), []
    choose = engine_quotes.choose

    def heard(answers: Any, mode: Any, bound: int | None) -> Any:
        bounds.append(bound)
        return choose(answers, mode, bound)

    bench.move_market(-300)
    assert looked(bench, watcher, 3) == [order.id]
    monkeypatch.setattr(engine_quotes, "choose", heard)
    bench.execution().run(order.id)
    assert bounds == [None if limit is NONE else order.min_receive]


@pytest.mark.parametrize("sell", [True, False])
def test_where_no_venue_has_a_price_it_rests_and_fires_again(bench: Bench, sell: bool) -> None:
    amount = 10**9 if sell else 10**8
    target = round(price(bench, sell=sell) * Decimal("0.98" if sell else "1.02"), 6)
    more: dict[str, Any] = {"limit_price": NONE, "target_price": target, "confirm_ms": 1}
    order = bench.place(sell=sell, amount=amount, type=OrderType.STOP, **more)
    bench.move_market(-300 if sell else 300)
    watcher = bench.watcher()
    assert looked(bench, watcher, 3) == [order.id]
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse", remaining=1)
    bench.execution().run(order.id)
    row = bench.row(order.id)
    assert row.status == "waiting" and row.latched and row.arm_price == UNBOUND[order.side]
    assert looked(bench, watcher, 1) == [], "it rests"
    assert told(bench, order)["market"]["awayBps"] is None
    assert bench.order(order.id) in WaitingOrders(bench.db).nearest({}, 10)
    bench.set(order.id, look_at=bench.ago(seconds=0))
    assert looked(bench, watcher, 2) == [order.id]
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    trigger = [event.data["trigger"] for event in bench.events(order.id) if event.status is Status.PENDING]
    assert Decimal(trigger[-1]["target"]) > 1


def test_a_trailing_stop_takes_it_and_an_edit_gives_it_even_at_the_floor(bench: Bench) -> None:
    trails = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=1, limit_price=NONE)
    assert (trails.min_receive, trails.limit_price) == (1, NONE)
    latched, watcher = stop(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-3000)
    assert sorted(looked(bench, watcher, 3)) == sorted([trails.id, latched.id])
    assert bench.run_to_end(bench.execution(), trails.id).status is Status.CONFIRMED
    bench.execution().run(latched.id)
    assert bench.order(latched.id).latched
    edited = now(editor(bench).edit(latched.id, lambda _: {"limit_price": NONE}, None))
    assert (edited.min_receive, edited.limit_price) == (1, NONE)
    assert bench.events(latched.id)[-1].data["edited"]["limit_price"][1] == "none"
    assert looked(bench, watcher, 2) == [latched.id]
    assert bench.run_to_end(bench.execution(), latched.id).status is Status.CONFIRMED


def test_what_is_to_be_received_needs_a_worst_price(bench: Bench) -> None:
    """Without one there would be no end to what may be spent."""
    with pytest.raises(InvalidInput) as refused:
        stop(bench, "0.98", limit_price=NONE, swap_mode=SwapMode.EXACT_OUT)
    assert (refused.value.code, refused.value.field) == ("field_contradicts", "limitPrice")
