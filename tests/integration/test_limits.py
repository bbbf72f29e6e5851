"""Limits for all orders: which there are, what counts, and what is given back once an order has ended."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import psycopg
import pytest

from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.errors import NoReferencePrice, OverLimit
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from tests.integration.limited import USD, Limited
from tests.kit.engine import Bench
from tests.kit.now import now


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
