"""A venue whose swap was not signed is asked no more for that order, however good its price; that outlasts
every crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest

from oee_daemon import failpoints
from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_outside import Outside
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap
from tests.kit.engine import BOOK, Bench


class Malicious(SimulatedVenue):
    """Of `bad` venues the price is by far the best, and what they build is for another order."""

    bad: ClassVar[Sequence[str]] = ("meteora",)
    built: ClassVar[list[str]] = []

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found = await super().quote(request, deadline_s)
        return replace(found, amount_out=found.amount_out * 2) if self.name in self.bad else found

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        self.built.append(self.name)
        wanted = replace(plan, order_id=UUID(int=7)) if self.name in self.bad else plan
        return await super().build(wanted, anchor, deadline_s)


@pytest.fixture(autouse=True)
def malicious(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Malicious)
    monkeypatch.setattr(Malicious, "built", [])


def run(bench: Bench, order: Order) -> Order:
    bench.run_to_end(bench.execution(), order.id)
    return bench.order(order.id)


def test_the_next_attempt_goes_elsewhere_and_everything_says_why(bench: Bench) -> None:
    found = run(bench, bench.place())
    assert (found.status, found.venue, found.attempt) == (Status.CONFIRMED, "raydium", 2)
    assert (found.barred, Malicious.built) == (("meteora",), ["meteora", "raydium"])
    assert len(bench.ledgered(found.id)) == 1
    (ended,) = (event_data(e, BOOK) for e in bench.events(found.id)[1:] if e.status is Status.PENDING)
    assert (ended["barred"], ended["error"]["code"], ended["error"]["retryable"]) == (
        "meteora", "unsafe_swap", True,
    )  # fmt: skip
    assert ended["error"]["message"].endswith("meteora is not asked again for this order.")
    chosen = [event_data(e, BOOK) for e in bench.events(found.id) if e.status is Status.BUILDING][-1]
    said = {quote["venue"]: quote["error"] and quote["error"]["code"] for quote in chosen["quotes"]}
    assert said == {"raydium": None, "meteora": "venue_barred"}


def test_without_the_bar_its_price_is_chosen_again_and_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the bar is for, and that these tests would see it gone."""

    def everybody(outside: Outside, _order: Order) -> list[Venue]:
        return list(outside._network.venues)

    monkeypatch.setattr(Outside, "venues_of", everybody)
    found = run(bench, bench.place())
    assert (found.status, Malicious.built) == (Status.FAILED, ["meteora"] * 3)


def test_where_no_other_venue_is_left_the_order_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Malicious, "bad", ("meteora", "raydium"))
    found = run(bench, bench.place())
    assert (found.status, found.attempt, sorted(Malicious.built)) == (
        Status.FAILED, 2, ["meteora", "raydium"],
    )  # fmt: skip
    assert found.error is not None and not found.error["retryable"]
    assert set(found.barred or ()) == {"meteora", "raydium"}


@pytest.mark.parametrize("point", ["before_pending", "after_pending", "after_building"])
def test_a_crash_does_not_unbar_it(bench: Bench, tmp_path: Path, point: str) -> None:
    """Whether the move was stored or not: the next worker refuses the same swap, or asks it no more."""
    order = bench.place()
    failpoints.arm(f"{point}=lose*1", tmp_path)
    bench.execution().run(order.id)
    bench.wake(order.id)
    found = run(bench, order)
    assert (found.status, found.venue, found.barred) == (Status.CONFIRMED, "raydium", ("meteora",))
    assert set(Malicious.built[:-1]) == {"meteora"} and Malicious.built[-1] == "raydium"


def test_a_bound_that_it_fixed_goes_with_it_and_one_that_the_order_said_stays(bench: Bench) -> None:
    found = run(bench, bench.place())
    assert found.quote_out is not None
    assert (found.fixed_by, found.bound) == ("raydium", -(-found.quote_out * 9950 // 10_000))
    order = bench.place(min_receive=found.quote_out * 3 // 2)
    ended = run(bench, order)
    # Only the lie kept it.
    assert (ended.status, ended.bound, ended.fixed_by) == (Status.FAILED, order.min_receive, None)
    assert ended.error is not None and ended.error["code"] == "slippage_exceeded"


def test_another_order_asks_it_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run(bench, bench.place())
    monkeypatch.setattr(Malicious, "bad", ())
    order = run(bench, bench.place())
    chosen = next(event_data(e, BOOK) for e in bench.events(order.id) if e.status is Status.BUILDING)
    assert len(chosen["quotes"]) == len(simulated_market.POOLS) and order.barred is None
    assert all(quote["error"] is None for quote in chosen["quotes"])
