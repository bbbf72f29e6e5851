"""What was spent where no limit saw it, before it was set or by who has none: it is valued, and counts."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.engine import engine_earlier_spending
from oee_daemon.engine.engine_earlier_spending import EarlierSpending
from oee_daemon.errors import NoReferencePrice, OverLimit
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import uncounted_sql
from oee_daemon.store.creating_sql import Armed
from tests.integration.limited import USD, Limited
from tests.integration.test_editing import editor
from tests.kit.engine import Bench
from tests.kit.now import now


def fill(sql: psycopg.Connection[Any], order: Order, spent: int, got: int, ago: str = "1 minute") -> None:
    sql.execute(
        "UPDATE orders SET status = 'confirmed', filled_in = %s, filled_out = %s, next_run_at = NULL,"
        " finished_at = now() - %s::interval WHERE id = %s",
        (spent, got, ago, order.id),
    )


def test_what_was_spent_before_the_limit_was_set_counts(bench: Bench, sql: psycopg.Connection[Any]) -> None:
    """By what the stored orders say, once, and whoever starts again."""
    free = Limited(bench)
    dollars, sold, swapped, old = (free.place(30) for _ in range(4))
    fill(sql, dollars, 20 * USD, 10**8)
    sql.execute(
        "UPDATE orders SET input_mint = output_mint, output_mint = input_mint WHERE id = %s", (sold.id,)
    )
    fill(sql, sold, 10**8, 15 * USD)
    mints = (TOKENS["SOL"].mint, TOKENS["JUP"].mint, swapped.id)
    sql.execute("UPDATE orders SET input_mint = %s, output_mint = %s WHERE id = %s", mints)
    fill(sql, swapped, 10**9, 10**6)
    fill(sql, old, 30 * USD, 10**8, "25 hours")
    free.place(7)
    bench.intake.cancel(free.place(9).id)
    unbound: dict[str, Any] = {"swap_mode": SwapMode.EXACT_OUT, "amount": 10**9}
    free.place(0, **unbound)
    limited = Limited(bench, max_daily=Decimal(600))
    spent, reserved = limited.used
    assert 100 < spent - 20 - 15 < 200, "a SOL, by a quote of now"
    assert 100 < reserved - 7 < 200, "and one that is being bought for at most so much"
    assert Limited(bench, max_daily=Decimal(600)).used == (spent, reserved)
    another = Limited(bench, max_daily=Decimal(600))
    with pytest.raises(OverLimit, match="USD of it are used in the last 24 hours or reserved"):
        another.place(600 - spent - reserved)
    another.place(600 - spent - reserved - 2)


def test_what_was_spent_before_and_nobody_can_value_blocks_all_but_stops(
    bench: Bench, sql: psycopg.Connection[Any]
) -> None:
    order = Limited(bench).place(30)
    mints = (TOKENS["SOL"].mint, TOKENS["JUP"].mint, order.id)
    sql.execute("UPDATE orders SET input_mint = %s, output_mint = %s WHERE id = %s", mints)
    fill(sql, order, 10**9, 10**6)
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse")
    limited = Limited(bench, max_daily=Decimal(600))
    with pytest.raises(NoReferencePrice, match=rf"24 hours can't be counted: {order.id}\. SOL can't be"):
        limited.place(1)
    stop = {"type": OrderType.STOP, "target_price": Decimal(200)}
    armed = Armed(rule=Rule.BUY_STOP, price=Decimal(200), data={})
    asked = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 10 * USD} | stop
    bench.loop.run(limited.intake.accept(terms_of(asked), None, armed))
    assert limited.used == (0, 10)


def test_a_stop_whose_input_nobody_prices_is_placed_and_counted_once_somebody_does(bench: Bench) -> None:
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse")
    stop = {"type": OrderType.STOP, "target_price": Decimal(100)}
    armed = Armed(rule=Rule.SELL_STOP, price=Decimal(100), data={})
    terms = terms_of({"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"], "amount": 10**9} | stop)
    of_each = Limited(bench, max_order=Decimal(600))
    with pytest.raises(NoReferencePrice):
        bench.loop.run(of_each.intake.accept(terms, None, armed))
    limited = Limited(bench, max_daily=Decimal(600))
    bench.loop.run(limited.intake.accept(terms, None, armed))
    assert limited.used == (0, 0)
    with bench.ledger.connect() as conn:
        conn.execute(text("DELETE FROM sim_faults"))
    again = Limited(bench, max_daily=Decimal(600))
    again.place(1)
    assert again.used[1] > 100


class Priced:
    """Counts by prices that it is given, millionths of a US dollar a unit, and notes who is asked."""

    def __init__(self, bench: Bench, prices: dict[str, int]) -> None:
        self.prices = prices
        self.asked: list[str] = []
        self.earlier = EarlierSpending(bench.db, bench.network(bench.chain()).tokens, self.value)

    async def value(self, mint: str, units: int) -> int:
        self.asked.append(mint)
        if mint not in self.prices:
            raise NoReferencePrice("It has no price.")
        return units * self.prices[mint]


def swap(sql: psycopg.Connection[Any], order: Order, sold: str, bought: str) -> Order:
    mints = (TOKENS[sold].mint, TOKENS[bought].mint, order.id)
    sql.execute("UPDATE orders SET input_mint = %s, output_mint = %s WHERE id = %s", mints)
    return order


def test_what_has_no_price_counts_by_what_was_got_for_it(
    bench: Bench, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, waits = (swap(sql, Limited(bench).place(30), "BONK", "JUP") for _ in range(2))
    fill(sql, ended, 10**9, 7 * USD)
    priced = Priced(bench, {TOKENS["JUP"].mint: 2})
    for _ in range(3):
        with pytest.raises(NoReferencePrice) as unknown:
            bench.loop.run(priced.earlier.count())
        assert unknown.value.message.count("Nothing was stored.") == 1
        assert str(waits.id) in unknown.value.message and str(waits.id) in (unknown.value.hint or "")
    # Who asks at once is told what was found, and nobody else is asked.
    assert priced.asked == [TOKENS["BONK"].mint, TOKENS["JUP"].mint]
    assert sql.execute("SELECT order_id, amount FROM reservations").fetchall() == [(ended.id, 14 * USD)]
    bench.intake.cancel(waits.id)
    monkeypatch.setattr(engine_earlier_spending, "LOOK_S", 0.0)
    bench.loop.run(priced.earlier.count())
    assert len(priced.asked) == 2


def test_all_tokens_are_valued_at_once_and_a_stop_waits_for_none(
    bench: Bench, sql: psycopg.Connection[Any]
) -> None:
    for mint in ("BONK", "JUP"):
        swap(sql, Limited(bench).place(30), mint, "SOL")
    limited, priced = Limited(bench, max_daily=Decimal(600)), Priced(bench, {})
    limited.limits._earlier = priced.earlier

    async def all_at_once() -> None:
        asked, answered = asyncio.Barrier(3), asyncio.Event()

        async def value(mint: str, units: int) -> int:
            await asked.wait()
            await answered.wait()
            return 1

        priced.earlier._value = value
        counting = asyncio.ensure_future(priced.earlier.count())
        async with asyncio.timeout(10):
            await asked.wait()
            stop = {"type": OrderType.STOP, "target_price": Decimal(200)}
            armed = Armed(rule=Rule.BUY_STOP, price=Decimal(200), data={})
            given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": USD} | stop
            await limited.intake.accept(terms_of(given), None, armed)
        answered.set()
        await counting

    bench.loop.run(all_at_once())


def test_what_a_daemon_without_the_limit_places_meanwhile_counts_soon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited, free = Limited(bench, max_daily=Decimal(600)), Limited(bench)
    limited.place(10)
    free.place(500)
    monkeypatch.setattr(engine_earlier_spending, "LOOK_S", 0.0)
    with pytest.raises(OverLimit, match="OEE_MAX_DAILY"):
        limited.place(100)
    assert limited.used == (0, 510)


def test_what_may_be_on_another_chain_counts_as_spent(bench: Bench, sql: psycopg.Connection[Any]) -> None:
    limited = Limited(bench, max_daily=Decimal(100))
    order = limited.place(40)
    sql.execute(
        "UPDATE orders SET status = 'failed', finished_at = now(), next_run_at = NULL,"
        """ error = '{"code": "restored_unknown"}' WHERE id = %s""",
        (order.id,),
    )
    assert limited.used == (40, 0)


def test_however_many_no_limit_saw_who_places_waits_for_few_of_them_at_a_time(
    bench: Bench, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction, or read by one statement, a hundred thousand ran into a statement's limit, and
    nothing could be placed."""
    monkeypatch.setattr(uncounted_sql, "AT_ONCE", 2)
    read = uncounted_sql.uncounted
    looks: list[int] = []

    def counted(*asked: Any) -> list[uncounted_sql.Uncounted]:
        looks.append(len(found := read(*asked)))
        return found

    monkeypatch.setattr(uncounted_sql, "uncounted", counted)
    placed = [Limited(bench).place(3) for _ in range(5)]
    assert Limited(bench, max_daily=Decimal(600)).used == (0, 15)
    assert looks == [2, 2, 1, 0]
    at_once = sql.execute("SELECT count(*) FROM reservations GROUP BY xmin::text").fetchall()
    assert sorted(count for (count,) in at_once) == [1, 2, 2] and len(placed) == 5


@pytest.mark.parametrize("limits", [{}, {"max_open": 9}])
def test_an_order_that_was_edited_while_no_limit_was_set_counts_as_it_is(
    bench: Bench, limits: dict[str, Any]
) -> None:
    """What it had reserved is of the amount that it had."""
    limited = Limited(bench, max_daily=Decimal(1000))
    armed = Armed(rule=Rule.BUY_LIMIT, price=Decimal(100), data={})
    asked = {"type": OrderType.LIMIT, "target_price": Decimal(100), "amount": 10 * USD}
    given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"]} | asked
    order, _ = bench.loop.run(limited.intake.accept(terms_of(given), None, armed))
    assert limited.used == (0, 10)
    edited = editor(bench, **limits).edit(order.id, lambda _: {"amount": 900 * USD})
    assert now(edited).amount == 900 * USD
    limited = Limited(bench, max_daily=Decimal(1000))
    assert limited.used == (0, 900)
    with pytest.raises(OverLimit):
        limited.place(101)
