"""A price that was told falsely and fixed a bound: the next attempt's swap is bound by its own as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.errors import WrongQuote
from oee_daemon.networks.simulated.simulated_guard import SimulatedGuard
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Quote, QuoteRequest, UnsignedSwap
from tests.kit.engine import BOOK, Bench


class Lying(SimulatedVenue):
    """Half of what it gives in the first attempt, twice what it takes."""

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found = await super().quote(request, deadline_s)
        if request.attempt > 1:
            return found
        if request.mode.value == "ExactIn":
            return replace(found, amount_out=found.amount_out // 2)
        return replace(found, amount_in=found.amount_in * 2)


@pytest.fixture(autouse=True)
def lying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose lie the simulation shows."""
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Lying)
    honest = SimulatedGuard.check

    async def check(guard: SimulatedGuard, unsigned: UnsignedSwap, plan: Plan) -> None:
        await honest(guard, unsigned, plan)
        if plan.by_quote and plan.request.attempt == 1:
            raise WrongQuote("It would bring twice as much.")

    monkeypatch.setattr(SimulatedGuard, "check", check)


@pytest.mark.parametrize("sell", [True, False])
def test_the_next_swap_has_its_own_bound_and_the_story_says_why(bench: Bench, sell: bool) -> None:
    """The first one's stays the order's: it would let nothing worse through, whatever a simulation says."""
    order = bench.place() if sell else bench.buy()
    found = bench.run_to_end(bench.execution(), order.id)
    assert (found.status, found.attempt, found.barred) == (Status.CONFIRMED, 2, None)
    assert found.quote_in is not None and found.quote_out is not None and found.fixed_by is not None
    bound = int(bench.instruction(order.id, 2)["limit"])
    if sell:
        assert bound == -(-found.quote_out * 9950 // 10_000)
    else:
        assert bound == found.quote_in * 10_050 // 10_000
    (ended,) = (event_data(e, BOOK) for e in bench.events(found.id)[1:] if e.status is Status.PENDING)
    assert (ended["error"]["code"], ended["error"]["retryable"]) == ("quote_wrong", True)


def test_a_bound_that_came_with_the_order_is_kept_and_nothing_is_refused_by_it(bench: Bench) -> None:
    order = bench.place(min_receive=1)
    found = bench.run_to_end(bench.execution(), order.id)
    assert (found.status, found.attempt, found.bound, found.fixed_by) == (Status.CONFIRMED, 1, 1, None)


def test_what_left_the_first_choice_far_behind_is_bound_by_its_own_quote(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an attempt ended otherwise before anybody saw that its price was wrong."""

    async def late(_guard: SimulatedGuard, _unsigned: UnsignedSwap, plan: Plan) -> None:
        bounds.append(plan.bound)
        if plan.request.attempt == 1:
            raise TimeoutError

    bounds: list[int] = []
    monkeypatch.setattr(SimulatedGuard, "check", late)
    found = bench.run_to_end(bench.execution(), bench.place().id)
    assert (found.status, found.attempt) == (Status.CONFIRMED, 2)
    assert found.quote_out is not None and bounds[1] == -(-found.quote_out * 9950 // 10_000) > bounds[0]
