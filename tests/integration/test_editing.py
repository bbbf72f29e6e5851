"""An order that waits is edited in one step, and an order that has fired is not; never both."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers

from oee_daemon.api import edit_routes
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import Conflict, Halted, InvalidInput, OverLimit
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import BY_LIMITS, Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS, Token
from oee_daemon.settings import Settings
from oee_daemon.store import halt_row, token_rows
from oee_daemon.store.creating_sql import Armed
from tests.kit.engine import BOOK, Bench
from tests.kit.now import now
from tests.kit.waiting import (
    limit,
    looked,
    price,
    stop,
)

USD = 10**6
SOL_FOR_USDC = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"]}


def editor(bench: Bench, **limits: Any) -> Editing:
    network = bench.network(bench.chain())
    spending = SpendingLimits(replace(Settings(), **limits), bench.db, network)
    return Editing(bench.db, bench.feed, network, Placing(network), limits=spending)


def edit(bench: Bench, order: Order, expected: int | None = None, **changes: Any) -> Order:
    return now(editor(bench).edit(order.id, lambda _: changes, expected))


def test_an_edit_is_not_denied_for_what_is_asked_after_it(bench: Bench) -> None:
    """The market is told where Postgres tells it; the order is changed either way."""
    order = limit(bench, "0.9")

    async def body() -> bytes:
        return b'{"targetPrice": "80"}'

    def lost(_ids: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("lost"))

    state = SimpleNamespace(
        history=SimpleNamespace(resolve=lambda _: order.id),
        editing=editor(bench),
        waits=SimpleNamespace(markets=lost),
        network=SimpleNamespace(tokens=BOOK, name="simulated", venues=()),
    )
    app = SimpleNamespace(state=SimpleNamespace(oee=state))
    request: Any = SimpleNamespace(app=app, headers=Headers(), body=body)
    told = json.loads(bytes(now(edit_routes.edit(request, str(order.id))).body))
    assert (told["orderId"], told["targetPrice"], told["market"]) == (str(order.id), "80", None)
    assert bench.order(order.id).target_price == 80


@pytest.mark.parametrize("met", [True, False])
def test_a_token_that_another_daemon_has_met_is_counted_by_its_decimals(bench: Bench, met: bool) -> None:
    """Of one without any its bound was a billionth of itself: the limit was bought at whatever price."""
    token = Token("NEW", "New1111111111111111111111111111111111111111", 9)
    given = {"input_token": TOKENS["USDC"], "output_token": token, "amount": 100 * USD}
    terms = terms_of({**given, "type": OrderType.LIMIT, "target_price": Decimal(2)})
    armed = Armed(rule=Rule.BUY_LIMIT, price=Decimal(2), data={})
    order, _ = now(bench.intake.accept(terms, None, armed))
    assert order.min_receive == 50 * 10**9
    if met:
        with bench.db.connect() as conn:
            token_rows.see(conn, token.mint, token.decimals, {"program": "p", "extensions": []})
    chain: Any = object()
    network = replace(
        bench.network(bench.chain()), tokens=TokenBook("simulated", TOKENS.values()), mints=chain
    )
    editing = Editing(bench.db, bench.feed, network, Placing(network))
    work = editing.edit(order.id, lambda _: {"slippage_bps": 70})
    if met:
        assert now(work).min_receive == order.min_receive
        assert bench.order(order.id).slippage_bps == 70
    else:
        with pytest.raises(Conflict, match="does not know the token") as refused:
            now(work)
        assert refused.value.code == "unknown_token"
        assert bench.order(order.id).event_seq == order.event_seq


def test_price_bound_and_amount_follow_and_the_key_finds_it_by_its_first_body(bench: Bench) -> None:
    terms = terms_of(
        {**SOL_FOR_USDC, "amount": 100 * USD, "type": OrderType.LIMIT, "target_price": Decimal(100)}
    )
    order, _ = bench.accept(terms, "the first body")
    assert order.min_receive == 10**9
    edited = edit(bench, order, target_price=Decimal(80), amount=120 * USD)
    assert (edited.min_receive, edited.event_seq, edited.number) == (1_500_000_000, 2, order.number)
    assert edited == bench.order(order.id) and bench.row(order.id).arm_price == 80
    said = bench.events(order.id)[-1].data["edited"]
    assert said["target_price"] == ["100", "80"] and said["amount"][:2] == [100 * USD, 120 * USD]
    assert bench.accept(terms, "the first body") == (edited, False)
    assert edit(bench, edited, target_price=Decimal("80.0")).event_seq == 2, "nothing has changed"
    assert bench.trail(order.id) == ["waiting", "waiting"]
    with pytest.raises(Conflict) as changed:
        edit(bench, order, expected=1, target_price=Decimal(90))
    assert changed.value.code == "order_changed"
    assert edit(bench, order, expected=2, target_price=Decimal(90)).event_seq == 3


def test_a_trailing_stop_keeps_the_best_price_that_it_has_seen(bench: Bench) -> None:
    order, watcher = bench.place(type=OrderType.STOP, trail_bps=900, confirm_ms=1), bench.watcher()
    bench.move_market(400)
    looked(bench, watcher, 2)
    peak = bench.row(order.id).peak
    bench.move_market(0)
    looked(bench, watcher, 2)
    edit(bench, order, slippage_bps=200)
    assert (bench.row(order.id).peak, bench.row(order.id).arm_price) == (peak, peak * Decimal("0.91"))
    edit(bench, order, trail_bps=500)
    assert (bench.row(order.id).peak, bench.row(order.id).arm_price) == (peak, peak * Decimal("0.95"))
    with pytest.raises(InvalidInput) as at_once:
        edit(bench, order, trail_bps=100)
    assert (at_once.value.code, at_once.value.field) == ("would_fire", "trailBps")
    fixed = edit(bench, order, target_price=Decimal(100))
    assert fixed.limit_price == 80 and fixed.min_receive == 80 * USD and fixed.trail_bps is None
    edit(bench, order, trail_bps=100)
    row = bench.row(order.id)
    assert row.peak < peak and row.arm_price == row.peak * Decimal("0.99"), "it trails from now on"
    assert row.target_price is row.limit_price is row.min_receive is None


def test_a_latched_stop_can_get_another_floor_and_nothing_else_of_its_condition(bench: Bench) -> None:
    floor = round(price(bench, sell=True) * Decimal("0.96"), 6)
    order, watcher = stop(bench, "0.97", limit_price=floor), bench.watcher()
    bench.move_market(-700)
    assert looked(bench, watcher, 2) == [order.id]
    bench.execution().run(order.id)
    assert bench.order(order.id).latched
    for change in ({"target_price": Decimal(90)}, {"trail_bps": 100}, {"confirm_ms": 5}):
        with pytest.raises(InvalidInput, match="has fired"):
            edit(bench, order, **change)
    with pytest.raises(InvalidInput) as far:
        edit(bench, order, limit_price=Decimal(14))
    assert (far.value.code, far.value.field) == ("price_far", "limitPrice")
    lower = round(price(bench, sell=True) * Decimal("0.99"), 6)
    edited = edit(bench, order, limit_price=lower)
    assert (edited.type, edited.latched, edited.limit_price) == (OrderType.STOP, True, lower)
    assert edited.target_price == order.target_price and edited.min_receive == lower * USD
    row = bench.row(order.id)
    assert (row.arm_rule, row.arm_price) == (Rule.SELL_LIMIT, lower)
    assert looked(bench, watcher) == [order.id]
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED


def test_what_was_said_outright_is_not_forgotten(bench: Bench) -> None:
    """An order for a time has no price that its bound follows from."""
    later = datetime.now(UTC) + timedelta(hours=1)
    order = bench.place(launch_at=later, min_receive=90 * USD)
    sooner = later - timedelta(minutes=30)
    edited = edit(bench, order, launch_at=sooner)
    assert (edited.min_receive, edited.launch_at) == (90 * USD, sooner)
    with pytest.raises(InvalidInput, match="minReceive is missing"):
        edit(bench, order, amount=2 * 10**9)
    assert edit(bench, order, amount=2 * 10**9, min_receive=180 * USD).min_receive == 180 * USD
    with pytest.raises(InvalidInput) as never:
        edit(bench, order, launch_at=None)
    assert never.value.field == "launchTime"


def test_the_end_of_a_sniper_follows_its_launch(bench: Bench) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    order = bench.place(type=OrderType.SNIPER, launch_at=at, limit_price=Decimal(100))
    assert (order.good_until, order.min_receive) == (at + timedelta(seconds=30), 100 * USD)
    later = at + timedelta(hours=1)
    edited = edit(bench, order, launch_at=later, amount=2 * 10**9)
    assert (edited.good_until, edited.min_receive) == (later + timedelta(seconds=30), 200 * USD)
    assert edit(bench, order, good_until=later + timedelta(hours=1)).good_until == later + timedelta(hours=1)
    assert edit(bench, order, launch_at=at).good_until == later + timedelta(hours=1), "it was said"


def test_terms_that_do_not_touch_the_price_ask_no_venue(bench: Bench) -> None:
    order = limit(bench, "0.98")
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse")
    later = datetime.now(UTC) + timedelta(days=1)
    assert edit(bench, order, good_until=later).expires_at == later
    assert bench.row(order.id).arm_price == order.target_price


def test_whose_time_is_over_or_who_is_halted_stays_as_it_is(bench: Bench) -> None:
    order = limit(bench, "0.98")
    halt_row.halt(bench.db, None, None)
    with pytest.raises(Halted):
        edit(bench, order, target_price=Decimal(100))
    with bench.db.connect() as conn:
        halt_row.resume(conn)
    bench.set(order.id, expires_at=bench.ago(seconds=1), good_until=bench.ago(seconds=1))
    with pytest.raises(Conflict, match="time to wait is over"):
        edit(bench, order, good_until=None)
    assert bench.trail(order.id) == ["waiting"]


def test_a_limit_for_all_orders_counts_what_the_order_reserves_once(bench: Bench) -> None:
    limits: Any = {"max_daily": Decimal(1000)}
    network = bench.network(bench.chain())
    spending = SpendingLimits(replace(Settings(), **limits), bench.db, network)
    terms = terms_of(
        {**SOL_FOR_USDC, "amount": 600 * USD, "type": OrderType.LIMIT, "target_price": Decimal(100)}
    )

    async def admitted() -> Order:
        _, reserving = await spending.admit(terms, waits=True)
        armed = Armed(rule=Rule.BUY_LIMIT, price=Decimal(100), data={})
        order, _ = await bench.intake.accept(terms, None, armed)
        with bench.db.connect() as conn:
            conn.execute(
                text("INSERT INTO reservations VALUES (:id, :usd, :units)"),
                {"id": order.id, "usd": reserving.usd, "units": reserving.units},
            )
        return order

    order = now(admitted())
    editing = editor(bench, **limits)

    def reserved() -> int:
        return int(now(spending.report()).use.reserved) // USD

    def ask(usd: int, **more: Any) -> Order:
        return now(editing.edit(order.id, lambda _: {"amount": usd * USD, **more}))

    assert ask(900).min_receive == 9 * 10**9 and reserved() == 900
    with pytest.raises(OverLimit, match=r"0\.00 USD of it are used .* may spend 1,001\.00 USD"):
        ask(1001)
    assert (ask(500).amount, reserved()) == (500 * USD, 500)
    # Less than it reserves always fits, whatever others have taken by then.
    with bench.db.connect() as conn:
        conn.execute(text("INSERT INTO spent VALUES (date_trunc('minute', now()), 990000000)"))
    assert (ask(400).amount, reserved()) == (400 * USD, 400)
    with pytest.raises(OverLimit):
        ask(401)
    with pytest.raises(OverLimit, match="OEE_MAX_ORDER is 300"):
        now(editor(bench, max_order=Decimal(300)).edit(order.id, lambda _: {"amount": 301 * USD}))
    with pytest.raises(OverLimit, match="OEE_MAX_SLIPPAGE is 60"):
        now(editor(bench, max_slippage=60).edit(order.id, lambda _: {"slippage_bps": 61}))
    assert reserved() == 400 and bench.trail(order.id) == ["waiting"] * 4


def test_a_limit_of_slippage_binds_what_waits_for_its_time_with_its_own_worst(bench: Bench) -> None:
    """Whether it was set when the order was placed or is when it is edited."""
    given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": USD, "min_receive": 1}
    terms = terms_of(given | {"launch_at": datetime.now(UTC) + timedelta(hours=1)})
    for before, after in ((60, None), (None, 60)):
        limits = SpendingLimits(
            replace(Settings(), max_slippage=before), bench.db, bench.network(bench.chain())
        )
        intake = Intake(bench.db, bench.line, bench.broker, bench.feed, network="simulated", limits=limits)
        armed = Armed(rule=Rule.TIME, price=None, data={})
        order, _ = bench.loop.run(intake.accept(terms, None, armed))
        found = now(editor(bench, max_slippage=after).edit(order.id, lambda _: {"min_receive": 2}))
        assert (found.bound, found.fixed_by) == (2, BY_LIMITS)
        intake.close()
