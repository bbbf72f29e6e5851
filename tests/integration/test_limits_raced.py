"""Limits for all orders: never a unit over, whoever races for them."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from oee_daemon.contract.order_types import OrderType
from oee_daemon.errors import OverLimit
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import creating_sql, spending_sql
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.postgres_line import Batch, Line
from tests.integration.limited import USD, Limited
from tests.kit.daemons import until
from tests.kit.databases import connect, hold_key, waiting
from tests.kit.engine import Bench


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
