"""A venue whose swap could not be made, and whose price is the best again: the next attempt goes elsewhere,
where that is worse by no more than the order's slippage."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.errors import AttemptFailed, VenueError, WrongQuote
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap
from tests.kit.engine import BOOK, Bench


class Unable(SimulatedVenue):
    """Meteora's price is a tenth better than it is, and each of its swaps fails that way."""

    failure: ClassVar[AttemptFailed] = VenueError("meteora fails.", retryable=True)
    built: ClassVar[list[str]] = []

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found = await super().quote(request, deadline_s)
        better = found.amount_out * 11 // 10
        return replace(found, amount_out=better) if self.name == "meteora" else found

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        self.built.append(self.name)
        if self.name == "meteora":
            raise self.failure
        return await super().build(plan, anchor, deadline_s)


@pytest.fixture(autouse=True)
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Unable)
    monkeypatch.setattr(Unable, "built", [])


def run(bench: Bench, slippage_bps: int) -> Order:
    order = bench.place(slippage_bps=slippage_bps)
    bench.run_to_end(bench.execution(max_attempts=3), order.id)
    return bench.order(order.id)


def test_the_next_attempt_goes_to_the_next_best(bench: Bench) -> None:
    found = run(bench, 3_000)
    assert (found.status, found.venue, found.attempt) == (Status.CONFIRMED, "raydium", 2)
    assert (Unable.built, found.barred) == (["meteora", "raydium"], None)
    chosen = [event_data(e, BOOK) for e in bench.events(found.id) if e.status is Status.BUILDING][-1]
    said = {quote["venue"]: quote["error"] and quote["error"]["code"] for quote in chosen["quotes"]}
    assert said == {"raydium": None, "meteora": "venue_failed"}


def test_where_the_next_best_is_too_bad_it_is_asked_again(bench: Bench) -> None:
    found = run(bench, 50)
    assert (found.status, Unable.built) == (Status.FAILED, ["meteora"] * 3)


def test_what_is_not_the_venue_s_doing_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unable, "failure", WrongQuote("of a wrong price"))
    assert (run(bench, 3_000).status, Unable.built) == (Status.FAILED, ["meteora"] * 3)
