"""An edit beside a fire or another edit of the same order: one of them is made, and the other knows it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from oee_daemon.contract.order_types import OrderType
from oee_daemon.errors import Conflict, Refused
from oee_daemon.orders.order import Order
from tests.integration.test_editing import USD, edit, editor
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.waiting import (
    limit,
    looked,
)


def test_a_fire_knows_nothing_of_an_order_that_was_edited_since_it_was_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a trailing stop's firing fixes was made of the amount that it had."""
    order, watcher = bench.place(type=OrderType.STOP, trail_bps=300, confirm_ms=0), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-500)
    assert watcher.ticks is not None
    fire = watcher.ticks._fire_now

    def after_an_edit(*arguments: Any) -> Any:
        bench.loop.run(editor(bench).edit(order.id, lambda _: {"amount": 3 * 10**9, "far": True}))
        return fire(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(watcher.ticks, "_fire_now", after_an_edit)
        assert looked(bench, watcher) == []
    assert looked(bench, watcher) == [order.id]
    fired = bench.order(order.id)
    worst = bench.row(order.id).peak * Decimal("0.97") * Decimal("0.8")
    assert fired.min_receive == (3 * worst * USD).to_integral_value("ROUND_CEILING")


def test_an_edit_waits_for_the_fire_that_holds_the_row_and_then_comes_too_late(bench: Bench) -> None:
    order, watcher = limit(bench, "0.98"), bench.watcher()
    looked(bench, watcher)
    bench.move_market(-300)
    with bench.db.connect() as conn, ThreadPoolExecutor(1) as threads:
        conn = conn.execution_options(isolation_level="READ COMMITTED")
        with conn.begin():
            conn.execute(
                text(
                    "UPDATE orders SET status = 'pending', arm_rule = NULL, arm_price = NULL, firings = 1,"
                    " event_seq = 2, fence = 1, fired_at = now(), next_run_at = now(),"
                    " expires_at = now() + interval '5 min' WHERE id = :id"
                ),
                {"id": order.id},
            )
            asked = threads.submit(edit, bench, order, target_price=Decimal(90))
            # Nothing of the edit can be seen: it waits for the row.
        with pytest.raises(Conflict, match=r"fired at \d\d:\d\d:\d\d UTC and is being executed") as late:
            asked.result(20)
    assert late.value.code == "order_pending"
    assert bench.order(order.id).target_price == order.target_price


@pytest.mark.parametrize("rounds", [40])
def test_edits_and_fires_that_race_never_both_win(bench: Bench, rounds: int) -> None:
    """After an edit has answered nothing fires at the price that the order had before."""
    watcher = bench.watcher()
    limit(bench, "0.5", far=True)
    looked(bench, watcher)
    bench.move_market(-300)
    outcomes = {"edited": 0, "fired": 0}
    with ThreadPoolExecutor(1) as threads:
        for n in range(rounds):
            order = limit(bench, "1.01")
            now(watcher.beat())
            changing = threads.submit(_edited, bench, order, delay=n % 8)
            fired = now(watcher.tick())
            edited = changing.result(20)
            later = looked(bench, watcher)
            assert (order.id in fired) != edited and later == []
            outcomes["edited" if edited else "fired"] += 1
            assert bench.trail(order.id) == ["waiting", "waiting" if edited else "pending"]
            assert bench.order(order.id).target_price == (90 if edited else order.target_price)
            bench.intake.cancel(order.id)
    assert all(outcomes.values()), outcomes


def _edited(bench: Bench, order: Order, delay: int) -> bool:
    for _ in range(delay):
        bench.row(order.id)
    try:
        bench.loop.run(editor(bench).edit(order.id, lambda _: {"target_price": Decimal(90)}))
    except Refused as e:
        assert e.code == "order_pending"
        return False
    return True


def test_of_two_edits_the_later_one_is_made_of_the_earlier_ones_terms(bench: Bench) -> None:
    order, calls = limit(bench, "0.98"), []

    def read(_: Order) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            edit_on_a_thread(bench, order, amount=2 * 10**9)
        return {"target_price": Decimal(90)}

    edited = now(editor(bench).edit(order.id, read))
    assert (len(calls), edited.amount, edited.max_spend, edited.event_seq) == (2, 2 * 10**9, 180 * USD, 3)


def edit_on_a_thread(bench: Bench, order: Order, **changes: Any) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, editor(bench).edit(order.id, lambda _: changes)).result(20)
