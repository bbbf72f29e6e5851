"""What an order may spend at most, where a limit reserves it: by its own bound or by one it is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import OverLimit
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.orders.conditions import Rule, past
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from oee_daemon.store.creating_sql import Armed
from tests.integration.limited import USD, Limited
from tests.kit.engine import Bench
from tests.kit.now import now


def test_an_order_without_a_bound_gets_one_under_a_limit(bench: Bench) -> None:
    given: dict[str, Any] = {"swap_mode": SwapMode.EXACT_OUT, "amount": 10**9}
    unbound = Limited(bench, max_slippage=100).place(0, **given)
    assert unbound.max_spend is None
    bench.intake.cancel(unbound.id)
    limited = Limited(bench, max_daily=Decimal(1000))
    order = limited.place(0, **given)
    assert order.max_spend is not None and 100 * USD < order.max_spend < 200 * USD
    assert int(bench.loop.run(limited.limits.report()).use.reserved) == order.max_spend
    assert bench.run_to_end(bench.execution(), order.id).status in (Status.CONFIRMED, Status.FAILED)


@pytest.mark.parametrize(("most", "bps"), [(None, 10_000), (60, 50)])
def test_a_limit_of_slippage_binds_what_came_with_its_own_worst(
    bench: Bench, most: int | None, bps: int
) -> None:
    """A sale for whatever it brings allowed any slippage, and the limit said nothing of it."""
    order = Limited(bench, max_slippage=most, max_daily=Decimal(10_000)).place(100, min_receive=1)
    found = bench.run_to_end(bench.execution(), order.id)
    assert (found.status, found.min_receive) == (Status.CONFIRMED, 1) and found.quote_out is not None
    limit = int(bench.instruction(order.id, found.attempt)["limit"])
    assert limit == max(1, -(-found.quote_out * (10_000 - bps) // 10_000))


def test_what_trades_at_a_later_time_has_to_say_its_bound(bench: Bench) -> None:
    """By then the price is another: what is reserved would not be what the chain enforces."""
    limited = Limited(bench, max_order=Decimal(200), max_daily=Decimal(200))
    later = datetime.now(UTC) + timedelta(hours=1)
    given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 10**9}
    given |= {"swap_mode": SwapMode.EXACT_OUT, "launch_at": later}
    armed = Armed(rule=Rule.TIME, price=None, data={})
    with pytest.raises(OverLimit, match="maxSpend"):
        bench.loop.run(limited.intake.accept(terms_of(given), None, armed))
    bounded = terms_of(given | {"max_spend": 150 * USD})
    bench.loop.run(limited.intake.accept(bounded, None, armed))
    assert limited.used == (0, 150)


def test_a_sniper_of_an_exact_amount_has_to_say_its_bound(bench: Bench) -> None:
    """At its moment the price may be anything, and its slippage is of the price then."""
    limited = Limited(bench, max_order=Decimal(200), max_daily=Decimal(200))
    later = datetime.now(UTC) + timedelta(hours=1)
    given: dict[str, Any] = {"type": OrderType.SNIPER, "swap_mode": SwapMode.EXACT_OUT, "amount": 10**9}
    terms = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "launch_at": later} | given
    armed = Armed(rule=Rule.TIME, price=None, data={})
    with pytest.raises(OverLimit, match="maxSpend"):
        bench.loop.run(limited.intake.accept(terms_of(terms), None, armed))
    assert limited.used == (0, 0)


@pytest.mark.parametrize("dearer", [110, 90])
def test_an_exact_purchase_may_spend_what_its_choice_allows_and_never_more_than_is_reserved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, dearer: int
) -> None:
    """What a limit reserves is of the price at acceptance: no invitation to one that has fallen since."""

    class Moved(SimulatedVenue):
        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            found = await super().quote(request, deadline_s)
            at_acceptance = not request.number and request.mode is SwapMode.EXACT_OUT
            return replace(found, amount_in=found.amount_in * dearer // 100) if at_acceptance else found

    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Moved)
    limited = Limited(bench, max_daily=Decimal(1000))
    order = limited.place(0, swap_mode=SwapMode.EXACT_OUT, amount=10**9)
    reserved = bench.order(order.id).max_spend
    found = bench.run_to_end(bench.execution(), order.id)
    if dearer < 100:
        assert (found.status, (found.error or {})["code"]) == (Status.FAILED, "slippage_exceeded")
        return
    assert found.status is Status.CONFIRMED and found.quote_in is not None and reserved is not None
    bound = int(bench.instruction(order.id, 1)["limit"])
    assert bound == found.quote_in * 10_050 // 10_000 < reserved * 95 // 100
    said = limited.place(0, swap_mode=SwapMode.EXACT_OUT, amount=10**9, max_spend=500 * USD)
    assert bench.run_to_end(bench.execution(), said.id).status is Status.CONFIRMED
    assert int(bench.instruction(said.id, 1)["limit"]) == 500 * USD, "what somebody said is what they want"


def test_a_trailing_purchase_that_begins_later_has_no_worst_price(bench: Bench) -> None:
    """It trails the price of then, which may be any multiple of that of now."""
    terms = terms_of(
        {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 10**9}
        | {"type": OrderType.STOP, "trail_bps": 500, "swap_mode": SwapMode.EXACT_OUT}
        | {"launch_at": datetime.now(UTC) + timedelta(days=1)}
    )
    limited = Limited(bench, max_order=Decimal(1000))
    with pytest.raises(OverLimit, match="OEE_MAX_ORDER") as over:
        now(limited.limits.admit(terms, waits=True))
    assert over.value.field == "amount"
    # What counts for the day alone is never refused: it must not keep anybody in a position.
    now(Limited(bench, max_daily=Decimal(1)).limits.admit(terms, waits=True))


def test_a_trailing_purchase_of_an_exact_amount_counts_by_its_worst_price(bench: Bench) -> None:
    """It trails the price of now or a lower one; its ceiling is a fifth above where it fires."""
    trailing: dict[str, Any] = {"type": OrderType.STOP, "trail_bps": 5000}
    trailing |= {"swap_mode": SwapMode.EXACT_OUT, "amount": 10**9}
    terms = terms_of({"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"]} | trailing)
    network = bench.network(bench.chain())
    armed = now(Placing(network).armed(terms))
    assert armed is not None and armed.price is not None and armed.rule is Rule.BUY_STOP
    worst = past(armed.price, terms.side)
    limits = SpendingLimits(replace(Settings(), max_order=worst - 1), bench.db, network)
    with pytest.raises(OverLimit, match="OEE_MAX_ORDER"):
        now(limits.admit(terms, waits=True))
    limits = SpendingLimits(replace(Settings(), max_order=worst * Decimal("1.02")), bench.db, network)
    now(limits.admit(terms, waits=True))
