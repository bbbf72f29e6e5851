"""Orders that are accepted in one turn of the loop: one commit, one ring, and keys that meet."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from sqlalchemy import func, select

from oee_daemon import failpoints
from oee_daemon.errors import KeyConflict
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.store.database import transactions
from tests.integration.test_intake import KEY, new, stored
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.tables import order_events


def at_once(bench: Bench, *asked: tuple[Terms, str | None]) -> list[Any]:
    """Accepts them in one turn of the loop: for each its order and whether that is new, or an error."""

    async def main() -> list[Any]:
        return await asyncio.gather(*(bench.intake.accept(*one) for one in asked), return_exceptions=True)

    return bench.loop.run(main())


def test_what_comes_in_one_turn_shares_its_commit_and_keeps_its_order(bench: Bench, redis_url: str) -> None:
    found = [order for order, _ in at_once(bench, *[(new(f"{n}"), None) for n in range(1, 31)])]
    assert [order.number for order in found] == list(range(1, 31))
    assert [bench.order(order.id) for order in found] == found
    with bench.db.connect() as conn:
        flights = conn.execute(select(func.count(order_events.c.xact.distinct()))).scalar_one()
    assert flights == 1
    with redis.Redis.from_url(redis_url) as client:
        until(lambda: client.llen("oee:orders") == 30, what="every ring")


def test_the_bell_rings_once_for_all_of_a_flight_and_before_any_of_them_is_answered(
    bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.accept(new(), None)
    with redis.Redis.from_url(redis_url) as client:
        until(lambda: client.llen("oee:orders") == 1, what="the first ring, which connects")
    seen: list[str] = []

    async def one() -> None:
        await bench.intake.accept(new(), None)
        seen.append("answered")

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(3)))

    monkeypatch.setattr(failpoints, "hit", lambda name, *_: seen.append(name))
    bench.loop.run(main())
    assert [name for name in seen if not name.startswith("flight")] == [
        *["accepted"] * 3, "rung", *["answered"] * 3
    ]  # fmt: skip


def test_in_one_turn_a_key_is_one_order_for_all_that_ask_the_same_and_a_conflict_for_who_does_not(
    bench: Bench,
) -> None:
    same, other, bare = (new(), KEY), (new("2"), KEY), (new(), None)
    (first, created), (again, repeated), conflict, (apart, _), (distant, _) = at_once(
        bench, same, same, other, bare, (new(), "another key")
    )
    assert (created, repeated) == (True, False)
    assert again == first and isinstance(conflict, KeyConflict)
    assert [first.number, apart.number, distant.number] == [1, 2, 3]
    assert stored(bench) == 3


def test_a_key_that_somebody_holds_is_waited_for_and_keeps_nobody_else_waiting(bench: Bench) -> None:
    held = threading.Event()

    async def main() -> tuple[Order, Order]:
        waiting = asyncio.create_task(bench.intake.accept(new(), KEY))
        others = [(await bench.intake.accept(new(), None))[0] for _ in range(20)]
        assert not waiting.done()
        await asyncio.to_thread(held.set)
        return others[-1], (await waiting)[0]

    def hold() -> None:
        with transactions(bench.db).begin() as conn:
            conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(KEY, 0))))
            ready.set()
            assert held.wait(30)

    ready = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        assert ready.wait(30)
        other, waited = bench.loop.run(main())
    assert (other.number, waited.number) == (20, 21)
