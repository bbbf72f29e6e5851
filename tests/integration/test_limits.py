"""Limits for all orders: never a unit over, whoever races for them; given back once an order has ended."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import psycopg
import pytest

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import NoReferencePrice, OverLimit
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.conditions import Rule, past
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from oee_daemon.store import creating_sql, spending_sql
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.postgres_line import Batch, Line
from tests.kit.daemons import until
from tests.kit.databases import connect, hold_key, waiting
from tests.kit.engine import Bench
from tests.kit.now import now

USD = 10**6


class Limited:
    """An intake with limits of its own, on the bench."""

    def __init__(self, bench: Bench, line: Line | None = None, **limits: Any) -> None:
        self.bench, network = bench, bench.network(bench.chain())
        self.limits = SpendingLimits(replace(Settings(), **limits), bench.db, network)
        limits_set = self.limits if self.limits.any else None
        self.intake = Intake(
            bench.db, line or bench.line, bench.broker, bench.feed, network="simulated", limits=limits_set
        )

    def place(self, usd: int, key: str | None = None, **what: Any) -> Order:
        """Spends so many USDC."""
        return self.bench.loop.run(self.begin(usd, key, **what))[0]

    async def begin(self, usd: int, key: str | None = None, **what: Any) -> tuple[Order, bool]:
        given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": usd * USD} | what
        return await self.intake.accept(terms_of(given), key)

    @property
    def used(self) -> tuple[int, int]:
        """In US dollars: spent in the last day, and reserved."""
        use = self.bench.loop.run(self.limits.report()).use
        return int(use.spent) // USD, int(use.reserved) // USD


def race(bench: Bench, url: str) -> int:
    """Ten clients, each with a line of its own, ask for 7 USD again and again, half of them with keys that
    come twice, where 1,000 are allowed. What is stored, in US dollars."""
    lines = [Line(url) for _ in range(10)]
    clients = [Limited(bench, line, max_daily=Decimal(1000)) for line in lines]

    async def ask(client: Limited, n: int) -> None:
        for m in range(20):
            key = f"the key {n // 2} of {m}" if m % 2 else None
            try:
                await client.begin(7, key)
            except OverLimit as e:
                assert e.code == "over_limit" and "OEE_MAX_DAILY is 1,000.00 USD" in e.message
            await asyncio.sleep(random.Random(n * m).random() / 1000)

    async def all_at_once() -> None:
        await asyncio.gather(*(ask(client, n) for n, client in enumerate(clients)))
        await asyncio.gather(*(line.close() for line in lines))

    bench.loop.run(all_at_once())
    for client in clients:
        client.intake.close()
    with connect(url) as conn:
        row = conn.execute("SELECT count(*), count(DISTINCT idempotency_key) FROM orders").fetchone()
        assert row is not None
        of_day = conn.execute("SELECT sum(amount) FROM reservations").fetchone()
        assert of_day == (row[0] * 7 * USD,)
    return int(row[0]) * 7


@pytest.mark.parametrize("run", range(5))
def test_ten_clients_that_race_never_get_a_unit_more(bench: Bench, empty_url: str, run: int) -> None:
    assert race(bench, empty_url) == 994


def test_who_comes_with_the_key_of_one_that_is_refused_is_refused_too(bench: Bench) -> None:
    """In one moment: the first has no room, and the others find no order that they would repeat."""
    limited = Limited(bench, max_daily=Decimal(1000))
    limited.place(900)

    async def all_at_once() -> list[Any]:
        asked = [limited.begin(200, "the same key") for _ in range(6)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(answer) for answer in bench.loop.run(all_at_once())] == [OverLimit] * 6
    assert limited.used == (0, 900)


def two_at_once(bench: Bench, sql: psycopg.Connection[Any], url: str) -> int:
    """Of two clients the second asks for 600 USD while the first one's 600 USD are being stored, where 1,000
    are allowed: how many of them are stored."""
    lines = [Line(url) for _ in range(2)]
    first, second = (Limited(bench, line, max_daily=Decimal(1000)) for line in lines)
    first.place(1)
    with ThreadPoolExecutor(2) as threads, connect(url) as another:
        with another.transaction(force_rollback=True):
            hold_key(another, "the key")
            placing = [threads.submit(first.place, 600, "the key")]
            until(lambda: waiting(sql, "transactionid"), what="the first order")
            placing.append(threads.submit(second.place, 600))
            # Behind the lock it waits for the first one; without it there is room.
            until(lambda: placing[1].done() or waiting(sql, "advisory"), what="the second order")
        refused = [placed.exception(20) for placed in placing]
    for client, line in zip((first, second), lines, strict=True):
        bench.loop.run(line.close())
        client.intake.close()
    assert all(isinstance(fault, OverLimit | None) for fault in refused)
    return refused.count(None)


def test_who_asks_while_another_is_being_stored_finds_what_that_one_took(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str
) -> None:
    assert two_at_once(bench, sql, empty_url) == 1


def test_without_the_lock_both_would_be_stored(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating_sql, "_CREATE_LIMITED", Batch(creating_sql._CREATE_LIMITED.texts[-1]))
    assert two_at_once(bench, sql, empty_url) == 2


def test_what_an_order_did_not_spend_is_given_back(bench: Bench, sql: psycopg.Connection[Any]) -> None:
    limited = Limited(bench, max_daily=Decimal(100))
    done, failed, running = limited.place(40), limited.place(40), limited.place(20)
    with pytest.raises(OverLimit) as full:
        limited.place(1)
    assert "100.00 USD of it are used" in full.value.message
    assert full.value.hint is not None and "as orders end" in full.value.hint
    with pytest.raises(OverLimit, match=r"may spend 101\.00 USD") as never:
        limited.place(101)
    assert never.value.hint == "It is more than a whole day allows."
    bench.to(done, Status.ROUTING, Status.BUILDING, Status.SUBMITTED)
    sql.execute(
        "UPDATE orders SET status = 'confirmed', filled_in = 30000000, filled_out = 1, finished_at = now(),"
        " next_run_at = NULL WHERE id = %s",
        (done.id,),
    )
    bench.intake.cancel(failed.id)
    assert limited.used == (30, 20)
    # Asked for once more: what ended a moment ago has left room.
    bench.intake.cancel(running.id)
    assert limited.place(70).amount == 70 * USD
    assert limited.used == (30, 70)
    with pytest.raises(OverLimit) as full:
        limited.place(1)
    assert "30.00 USD frees at" in (full.value.hint or "")


def test_a_day_is_over_minute_by_minute(bench: Bench, sql: psycopg.Connection[Any]) -> None:
    limited = Limited(bench, max_daily=Decimal(100))
    sql.execute("INSERT INTO spent VALUES (date_trunc('minute', now() - interval '23:59'), 60000000)")
    sql.execute("INSERT INTO spent VALUES (date_trunc('minute', now() - interval '24:09'), 90000000)")
    limited.place(40)
    with pytest.raises(OverLimit):
        limited.place(1)
    sql.execute("UPDATE spent SET minute = minute - interval '3 minutes' WHERE amount = 60000000")
    limited.place(60)


def test_a_known_key_finds_its_order_and_reserves_nothing(bench: Bench) -> None:
    limited = Limited(bench, max_daily=Decimal(100), max_order=Decimal(100))
    order = limited.place(100, "the-same-key")
    assert limited.place(100, "the-same-key").id == order.id
    assert limited.used == (0, 100)
    # And so it does once the limit is lower.
    assert Limited(bench, max_order=Decimal(1)).place(100, "the-same-key").id == order.id


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


def test_what_is_no_dollar_is_valued_by_a_quote(bench: Bench) -> None:
    sold: dict[str, Any] = {"input_token": TOKENS["SOL"], "output_token": TOKENS["BONK"], "amount": 10**9}
    limited = Limited(bench, max_order=Decimal(100))
    with pytest.raises(OverLimit, match=r"OEE_MAX_ORDER is 100.00 USD, and the order may spend 1\d\d\."):
        limited.place(0, **sold)
    limited = Limited(bench, max_order=Decimal(1000))
    limited.place(0, **sold)
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse")
    with pytest.raises(NoReferencePrice) as unknown:
        limited.place(0, **sold)
    assert unknown.value.code == "no_reference_price"


class Thin:
    """A venue whose quotes for anything move its price by nine tenths."""

    name = "thin"

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        quoted = Quote(venue="thin", amount_in=request.amount, amount_out=20 * USD, thin=True)
        return replace(quoted, price_impact_bps=9_000)


def test_a_thin_pool_that_would_not_be_traded_on_still_values(bench: Bench) -> None:
    """By its price before the amount moves it: what it would give for it is too little."""
    network = replace(bench.network(bench.chain()), venues=[cast(Venue, Thin())])
    sold = {"input_token": TOKENS["SOL"], "output_token": TOKENS["BONK"], "amount": 10**9, "min_receive": 1}
    admitted, told = now(
        SpendingLimits(replace(Settings(), max_order=Decimal(200)), bench.db, network).admit(
            terms_of(sold), waits=False
        )
    )
    assert told.units == 10**9 and admitted.min_receive == 1
    with pytest.raises(OverLimit, match=r"the order may spend 200\.00 USD"):
        low = SpendingLimits(replace(Settings(), max_order=Decimal(199)), bench.db, network)
        now(low.admit(terms_of(sold), waits=False))


def test_a_dry_run_is_refused_as_the_order_would_be_and_reserves_nothing(bench: Bench) -> None:
    def check(limited: Limited, usd: int, key: str | None = None) -> None:
        given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": usd * USD}
        bench.loop.run(limited.intake.check(terms_of(given), key))

    limited = Limited(bench, max_daily=Decimal(100), max_order=Decimal(90), max_open=2)
    limited.place(60, "the-same-key")
    for _ in range(2):
        check(limited, 40)
    for usd in (41, 91):
        with pytest.raises(OverLimit) as real:
            limited.place(usd)
        with pytest.raises(OverLimit) as dry:
            check(limited, usd)
        assert dry.value.message == real.value.message
    assert limited.used == (0, 60)
    limited.place(1)
    with pytest.raises(OverLimit, match="OEE_MAX_OPEN is 2, and 2 orders have not ended"):
        check(limited, 1)
    # A key that is known finds its order.
    check(limited, 60, "the-same-key")


def test_each_other_limit_says_which_it_is(bench: Bench) -> None:
    with pytest.raises(OverLimit, match="OEE_MAX_SLIPPAGE is 20 bps, and the order allows 50"):
        Limited(bench, max_slippage=20).place(1)
    with pytest.raises(OverLimit, match="OEE_TOKENS is USDC,JUP: SOL is not among them"):
        Limited(bench, tokens="USDC,JUP").place(1)
    assert Limited(bench, tokens=f"usdc,{TOKENS['SOL'].mint}").place(1).number
    limited = Limited(bench, max_open=2)
    order = limited.place(1)
    with pytest.raises(OverLimit, match="OEE_MAX_OPEN is 2, and 2 orders have not ended"):
        limited.place(1)
    bench.intake.cancel(order.id)
    limited.place(1)


def test_without_a_limit_nothing_is_reserved(bench: Bench, sql: psycopg.Connection[Any]) -> None:
    limited = Limited(bench)
    assert not limited.limits.any
    limited.place(1)
    assert sql.execute("SELECT count(*) FROM reservations").fetchone() == (0,)


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


def test_who_joins_holds_no_order_while_it_waits_for_the_limits(
    bench: Bench, empty_url: str, sql: psycopg.Connection[Any]
) -> None:
    """An edit has the limits and waits for the order: both would wait for ever."""
    target = {"type": OrderType.LIMIT, "target_price": Decimal(100)}
    limited = Limited(bench, max_daily=Decimal(1000))
    armed = Armed(rule=Rule.BUY_LIMIT, price=Decimal(100), data={})
    asked = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 10 * USD} | target
    first, _ = bench.loop.run(limited.intake.accept(terms_of(asked), None, armed))
    with connect(empty_url) as editor, ThreadPoolExecutor(1) as pool:
        with editor.transaction():
            editor.execute(f"SELECT pg_advisory_xact_lock({spending_sql.LOCK})")
            joins = terms_of(asked | {"oco": first.id})
            joining = pool.submit(bench.loop.run, limited.intake.accept(joins, None, armed))
            until(lambda: waiting(sql, "advisory"), what="who joins")
            editor.execute("SELECT FROM orders WHERE id = %s FOR UPDATE NOWAIT", [first.id])
        joined, _ = joining.result()
    assert joined.group_id is not None
    assert limited.used == (0, 20)
