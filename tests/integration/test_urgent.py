"""What can't wait for other orders: stops and snipers have places beyond theirs, past queue and threads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.store.lease_sql import MARKET, URGENT
from oee_daemon.store.watch_sql import MOST
from tests.kit.daemons import until
from tests.kit.engine import SLOTS, Bench
from tests.kit.now import now
from tests.kit.tables import execution_slots
from tests.kit.waiting import limit, looked, stop


def slots_held(bench: Bench) -> dict[str, int]:
    asked = select(execution_slots.c["class"]).where(execution_slots.c.order_id.is_not(None))
    with bench.db.connect() as conn:
        found = list(conn.execute(asked).scalars())
    return {name: found.count(name) for name in set(found)}


def full(bench: Bench) -> None:
    """As many market orders as may be in execution wait for the chain."""
    for _ in range(SLOTS):
        bench.to(bench.held(bench.place().id), Status.BUILDING, Status.SUBMITTED)
    assert slots_held(bench) == {MARKET: SLOTS}


def handed(bench: Bench, monkeypatch: Any) -> list[UUID]:
    """What is given to the worker's threads from now on: they are all taken."""
    found: list[UUID] = []

    def hand(order_id: UUID) -> bool:
        found.append(order_id)
        return True

    monkeypatch.setattr(bench.broker, "hand", hand)
    return found


def test_ten_market_orders_that_wait_for_the_chain_hold_no_stop(bench: Bench, monkeypatch: Any) -> None:
    first, met = stop(bench, "0.98"), limit(bench, "0.98")
    full(bench)
    threads = handed(bench, monkeypatch)
    watcher = bench.watcher(execution=bench.execution(urgent_places=1))
    looked(bench, watcher)
    bench.move_market(-300)
    assert set(looked(bench, watcher, 3)) == {first.id, met.id}
    until(lambda: bench.order(first.id).status is Status.CONFIRMED, what="the stop's fill")
    assert threads == [met.id] and bench.order(met.id).status is Status.PENDING
    assert slots_held(bench) == {MARKET: SLOTS}


def test_a_stop_that_nobody_holds_is_taken_up_while_all_threads_are_taken(bench: Bench) -> None:
    order, market = stop(bench, "0.98"), bench.place()
    bench.move_market(-300)
    assert looked(bench, bench.watcher(), 3) == [order.id]
    full(bench)
    for each in (order, market):
        bench.set(each.id, next_run_at=bench.ago(seconds=30))
    execution = bench.execution(urgent_places=1)
    assert bench.recovery(execution, threads=0).take_up() == (1, False)
    until(lambda: bench.order(order.id).status is Status.CONFIRMED, what="the stop's fill")
    assert bench.order(market.id).status is Status.PENDING


def test_no_other_order_is_given_a_place_of_theirs(bench: Bench) -> None:
    full(bench)
    fired = stop(bench, "0.98")
    bench.move_market(-300)
    looked(bench, bench.watcher(), 3)
    execution, held = bench.execution(urgent_places=2), limit(bench, "1.01")
    assert looked(bench, bench.watcher(), 1) == [held.id]
    running = bench.loop.begin(execution.run_urgent(fired.id))
    running.result(10)
    assert bench.order(fired.id).status is Status.CONFIRMED
    execution.stop()
    execution.run(held.id)
    assert bench.order(held.id).status is Status.PENDING and URGENT not in slots_held(bench)


def test_all_that_comes_at_one_moment_fires_in_one_beat(bench: Bench) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    timed = [bench.place(launch_at=later).id for _ in range(MOST + 20)]
    for order_id in timed:
        bench.set(order_id, launch_at=bench.ago(seconds=1))
    now(bench.watcher().beat())
    assert {bench.order(order_id).status for order_id in timed} == {Status.PENDING}


def test_in_the_very_millisecond_too_and_snipers_are_the_first(bench: Bench) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2.5)
    timed = [bench.place(launch_at=at).id for _ in range(MOST + 20)]
    sniper = bench.place(type=OrderType.SNIPER, sell=False, amount=10**8, launch_at=at).id
    watcher = bench.watcher(execution=bench.execution(urgent_places=1))
    now(watcher.beat())
    until(lambda: all(bench.order(order_id).fired_at for order_id in timed), what="the last launch")
    now(watcher.leave())
    begun = sorted((bench.order(order_id).fired_at or at, order_id) for order_id in [*timed, sniper])
    assert sniper in [order_id for _, order_id in begun[:MOST]], "the first statement has it"


class Counted:
    """Executes each order until it is let go; the first run of each wants another."""

    def __init__(self) -> None:
        self.began: list[UUID] = []
        self.at_once = 0
        self.begun: asyncio.Queue[UUID] = asyncio.Queue()
        self._let_go = asyncio.Semaphore(0)

    async def run_urgent(self, order_id: UUID, line: Any = None) -> timedelta | None:
        again = order_id in self.began
        self.began.append(order_id)
        self.begun.put_nowait(order_id)
        self.at_once += 1
        await self._let_go.acquire()
        self.at_once -= 1
        return None if again else timedelta(0)

    async def prepare(self, order: Any, line: Any) -> None: ...

    def let_go(self) -> None:
        self._let_go.release()


def test_a_thousand_that_come_at_once_are_executed_in_turn(bench: Bench) -> None:
    """Each once, the first first, and one between two attempts keeps no place from others."""
    runs, ids = Counted(), [uuid4() for _ in range(5)]
    urgent = UrgentOrders(runs, bench.loop, most=2)

    async def run() -> None:
        for order_id in [*ids, *ids]:
            urgent.begin(order_id)
        await runs.begun.get()
        for left in range(9, -1, -1):
            if left:
                await runs.begun.get()
            assert runs.at_once <= 2
            runs.let_go()
        await urgent.finish()

    now(run())
    assert runs.began[:5] == ids and sorted(runs.began) == sorted(ids * 2) and urgent.orders() == []
