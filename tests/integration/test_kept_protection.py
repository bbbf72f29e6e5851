"""Whoever executes an order keeps to what was set when it was accepted, whatever is set there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.execution import Execution
from oee_daemon.engine.halting import Halting
from oee_daemon.engine.placing import Placing
from oee_daemon.networks.simulated.simulated_listings import ROUND
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Anchor, UnsignedSwap
from oee_daemon.settings import Settings
from oee_daemon.store.database import transactions
from tests.integration.test_snipe_listings import snipe, tokens, watch
from tests.kit.daemons import until
from tests.kit.engine import BOOK, LISTING_SLOTS, Bench
from tests.kit.now import now
from tests.kit.waiting import grouped, legs, limit, looked, stop

#: What nothing can be bought under: each quote moves the price by some basis points.
STRICT = {"max_impact": 0}


def under(bench: Bench, keeps: Mapping[str, Any] | None) -> Bench:
    """Orders are accepted by a daemon with these settings from now on; who executes them has none."""
    bench.intake.keeps = keeps
    return bench


def worker(bench: Bench, **what: Any) -> Execution:
    """With settings of its own."""
    execution = bench.execution()
    execution._outside._network = replace(execution._outside._network, **what)
    return execution


def errors(bench: Bench, order: Order) -> dict[str, str]:
    """What each venue was left out for in the order's last choice, by its name."""
    told = event_data(bench.events(order.id)[-1], BOOK)
    return {one["venue"]: one["error"]["message"] for one in told["quotes"] if one["error"]}


def test_a_default_is_nobody_s_wish() -> None:
    assert Settings().keeps is None
    found = replace(Settings(), venues="raydium,orca", fee_cap=5_000, max_impact=7, tokens="SOL").keeps
    assert found == {"venues": "raydium,orca", "fee_cap": 5_000, "max_impact": 7}


def test_a_worker_elsewhere_with_less_protection_executes_nothing_past_it(bench: Bench) -> None:
    order = under(bench, STRICT).buy()
    assert order.keeps == bench.order(order.id).keeps == STRICT
    bench.run_to_end(worker(bench, max_impact=10_000), order.id)
    assert bench.order(order.id).status is Status.FAILED
    for venue, said in errors(bench, order).items():
        assert re.fullmatch(
            rf"{venue} says that by \d+ bps this amount moves its price, and OEE_MAX_IMPACT was, when the"
            r" order was accepted, 0 bps\.",
            said,
        )
    free = under(bench, None).buy()
    assert free.keeps is None
    bench.run_to_end(worker(bench, max_impact=10_000), free.id)
    assert bench.order(free.id).status is Status.CONFIRMED


def test_the_stricter_of_both_holds(bench: Bench) -> None:
    order = under(bench, {"max_impact": 10_000}).buy()
    bench.run_to_end(worker(bench, max_impact=0), order.id)
    assert bench.order(order.id).status is Status.FAILED
    assert all("OEE_MAX_IMPACT is 0 bps" in said for said in errors(bench, order).values())


def test_what_waits_neither_fires_nor_is_filled_past_it(bench: Bench) -> None:
    strict = [limit(under(bench, STRICT), "0.98"), stop(bench, "0.97")]
    free, watcher = limit(under(bench, None), "0.98"), bench.watcher()
    bench.move_market(-500)
    # A stop says nothing of its own size before it is executed.
    assert set(looked(bench, watcher, 3)) == {strict[1].id, free.id}
    assert bench.order(strict[0].id).status is Status.WAITING
    for order in (free, strict[1]):
        worker(bench).run(order.id)
    assert bench.order(free.id).status is Status.CONFIRMED
    assert bench.order(strict[1].id).status is Status.WAITING
    assert bench.events(strict[1].id)[-1].data["why"]["code"] == "impact_too_high"


def test_a_venue_that_was_not_among_those_is_not_asked(bench: Bench) -> None:
    order = under(bench, {"venues": "raydium,orca"}).buy()
    bench.run_to_end(bench.execution(), order.id)
    found = bench.order(order.id)
    assert (found.status, found.venue) == (Status.CONFIRMED, "raydium")
    (chosen,) = (e for e in bench.events(order.id) if e.status is Status.BUILDING)
    told = {q["venue"]: q["error"] for q in event_data(chosen, BOOK)["quotes"]}
    assert told["raydium"] is None
    assert told["meteora"]["message"] == "meteora was not among OEE_VENUES when the order was accepted."
    away = limit(under(bench, {"venues": "orca"}), "0.99")
    other, watcher = limit(under(bench, {"venues": "meteora"}), "0.99"), bench.watcher()
    bench.move_market(-1500)
    assert looked(bench, watcher, 2) == [other.id] and bench.row(away.id).look_at is not None


def test_a_sniper_does_not_fire_at_a_pool_where_it_may_not_buy(bench: Bench) -> None:
    """It expired 30 s later, though another venue could still list the token."""
    token = tokens(None)[0]
    strict = snipe(under(bench, {"venues": "nowhere"}), token)
    free = snipe(under(bench, None), token)
    watch(bench, (ROUND + 1) * LISTING_SLOTS)
    assert bench.order(free.id).firings == 1
    assert (bench.order(strict.id).status, bench.order(strict.id).firings) == (Status.WAITING, 0)


class Told(SimulatedVenue):
    """Notes the fee that each of its swaps may take."""

    caps: ClassVar[list[int | None]] = []

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        self.caps.append(plan.fee_cap)
        return await super().build(plan, anchor, deadline_s)


def test_a_swap_is_built_and_judged_by_the_smaller_fee(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Told)
    monkeypatch.setattr(Told, "caps", [])
    for keeps in ({"fee_cap": 50_000}, {"fee_cap": 200_000}, None):
        order = under(bench, keeps).buy()
        bench.run_to_end(worker(bench, fee_cap=100_000), order.id)
    assert Told.caps == [50_000, 100_000, 100_000]


def test_a_group_s_orders_keep_to_it(bench: Bench) -> None:
    group = grouped(bench, legs(bench), keeps=STRICT)
    assert [bench.order(order.id).keeps for order in group.orders] == [STRICT, STRICT]
    joined = limit(under(bench, {"max_impact": 5}), "0.9", sell=False, oco=group.id)
    assert bench.order(joined.id).keeps == {"max_impact": 5}


def editor(bench: Bench, keeps: Mapping[str, Any] | None) -> Editing:
    network = bench.network(bench.chain())
    return Editing(bench.db, bench.feed, network, Placing(network), keeps=keeps)


def test_an_edit_puts_the_order_under_what_is_set_now_and_says_so(bench: Bench) -> None:
    order = limit(under(bench, {"max_impact": 50, "fee_cap": 5_000}), "0.9")
    price = order.target_price
    found = now(editor(bench, {"fee_cap": 7_000}).edit(order.id, lambda _: {"target_price": price}))
    assert found == bench.order(order.id) and found.keeps == {"fee_cap": 7_000}
    assert event_data(bench.events(order.id)[-1], BOOK) == {
        "edited": {"maxImpact": [50, None], "feeCap": [5_000, 7_000]}
    }
    same = now(editor(bench, {"fee_cap": 7_000}).edit(order.id, lambda _: {"target_price": price}))
    assert same.event_seq == 2, "nothing has changed"
    assert now(editor(bench, None).edit(order.id, lambda _: {"slippage_bps": 9})).keeps is None


def test_a_resume_puts_all_that_waits_under_what_is_set_now(bench: Bench, tmp_path: Path) -> None:
    halting = Halting(
        bench.db,
        home=tmp_path,
        network="simulated",
        home_id="x",
        end_worker=lambda: None,
        keeps={"venues": "orca"},
    )
    waits = [limit(under(bench, keeps), "0.9") for keeps in (STRICT, None, {"venues": "orca"})]
    runs = under(bench, STRICT).buy()
    assert halting.resume() is None
    assert [bench.order(order.id).keeps for order in waits] == [STRICT, None, {"venues": "orca"}]
    halting.halt(None, None)
    assert halting.resume() is not None
    assert [bench.order(order.id).keeps for order in waits] == [{"venues": "orca"}] * 3
    assert bench.order(runs.id).keeps == STRICT


def test_a_resume_waits_for_who_has_an_order_in_hand_and_holds_up_nobody(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.engine.halting.WHERE_S", 60.0)
    halting = Halting(
        bench.db, home=tmp_path, network="simulated", home_id="x", end_worker=lambda: None, keeps=None
    )
    held, other = (limit(under(bench, STRICT), "0.9") for _ in range(2))
    halting.halt(None, None)
    with ThreadPoolExecutor(1) as pool:
        with transactions(bench.db).begin() as conn:
            conn.execute(text("SELECT FROM orders WHERE id = :id FOR UPDATE"), {"id": held.id})
            resumed = pool.submit(halting.resume)
            until(lambda: bench.order(other.id).keeps is None, what="the other one")
            assert halting.read() is not None and bench.order(held.id).keeps == STRICT
        assert resumed.result(20) is not None
    assert bench.order(held.id).keeps is None and halting.read() is None
