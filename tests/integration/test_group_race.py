"""Both orders of many groups are met all the time, several watchers fire them and several workers end them:
of each group one is executed at a time, and at most one is filled. The same with the engine broken on purpose
shows what this proof would see.

The judge reads events alone: who was beyond waiting from when to when, and who was filled.
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine import returning
from oee_daemon.engine.engine_loop import Loop
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders.conditions import Back
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.store import lease_sql, move_sql, order_rows, watch_sql
from oee_daemon.store.group_sql import DISARMED
from oee_daemon.store.order_rows import order_row
from oee_daemon.store.postgres_line import Batch, Line
from oee_daemon.store.sql_statement import Statement
from tests.integration import test_groups
from tests.kit.databases import EMPTY
from tests.kit.engine import SLOTS, Bench
from tests.kit.waiting import (
    SALE,
    grouped,
    legs,
    price,
)

#: Groups, watchers, workers.
GROUPS, WATCHERS, WORKERS = 12, 3, 3
#: Seconds after which a run is broken off: of what is whole, of what is broken, and of what comes to no end.
WHOLE_S, BROKEN_S, ENDLESS_S = 60.0, 8.0, 1.0


class Run:
    """Watchers that fire whatever waits, and workers that end it at random, each with a connection of its
    own, until every group has been filled."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.orders: dict[UUID, UUID] = {}
        self.fired: list[UUID] = []
        self.faults: Counter[str] = Counter()
        self.done = threading.Event()
        self.lock = threading.Lock()

    def place(self, group: Sequence[Terms]) -> None:
        for _ in range(GROUPS):
            found = grouped(self.bench, group)
            self.orders |= {order.id: found.id for order in found.orders}
        with self.bench.db.connect() as conn:
            leads = "INSERT INTO watch (one, owner, fence, lease_until)"
            conn.execute(text(f"{leads} VALUES (1, 'w', 1, now() + interval '1 h') ON CONFLICT DO NOTHING"))
            lease_sql.ensure_slots(conn, SLOTS)

    def watch(self) -> None:
        """Everything is met: each tells the price that makes it so."""
        while not self.done.is_set():
            for bid in (10**6, 1):
                with self.bench.db.connect() as conn:
                    rows = conn.execute(text("SELECT id, fence FROM orders WHERE status = 'waiting'")).all()
                    fences = {row.id: row.fence for row in random.sample(rows, len(rows))}
                    try:
                        found = watch_sql.FIRE.all(conn, self._values(bid, fences))
                    except DBAPIError as e:
                        self.fault(e)
                        continue
                with self.lock:
                    self.fired += [row[0] for row in found]

    def _values(self, bid: int, fences: Mapping[UUID, int]) -> dict[str, Any]:
        ids, at = list(fences), datetime.now(UTC)
        none = [None] * len(ids)
        return {
            "fence": 1, "price_at": at, "max_age": timedelta(minutes=5), "bid": bid, "ask": bid,
            "ids": ids, "triggers": [Jsonb({})] * len(ids), "limits": none, "receives": none, "spends": none,
            "fences": list(fences.values()),
        }  # fmt: skip

    def fault(self, error: DBAPIError) -> None:
        with self.lock:
            self.faults[str(getattr(error.orig, "sqlstate", "") or "")] += 1

    def work(self, number: int) -> None:
        owner, line, loop, dice = f"w{number}", Line(self.bench.db.url), Loop(2), random.Random(number)
        try:
            while not self.done.is_set():
                for order_id in random.sample(list(self.orders), len(self.orders)):
                    try:
                        loop.run(self._go(line, owner, order_id, dice))
                    except lease_sql.NoSlot:
                        continue
                    except DBAPIError as e:
                        self.fault(e)
                if self._over():
                    self.done.set()
        finally:
            loop.run(line.close())
            loop.stop()

    async def _go(self, line: Line, owner: str, order_id: UUID, dice: random.Random) -> None:
        claimed = await lease_sql.claim(line, order_id, owner=owner, network="simulated", slots=SLOTS)
        # What is broken leaves some where they are.
        if claimed is None or claimed[0].status is not Status.ROUTING:
            return
        order, move = claimed[0], self.bench.moved
        lost = AttemptFailed("gone", code="no_route", retryable=False)
        if dice.random() < 0.5:
            back = returning.returns(order, lost, 3)
            assert back is not None
            back = _at_once(back)
            await move_sql.wait(line, order, back, {"code": "moved_away", "message": "gone"}, (), None)
            return
        built = await move(order, Status.BUILDING, line=line)
        sent = None if built is None else await move(built, Status.SUBMITTED, line=line)
        if sent is None:
            return
        if dice.random() < 0.3:
            await move(sent, Status.CONFIRMED, line=line)
        else:
            back = returning.returns(sent, lost, 3)
            assert back is not None
            await move_sql.wait(line, sent, _at_once(back), {"code": "x", "message": "x"}, (), "rejected")

    def _over(self) -> bool:
        with self.bench.db.connect() as conn:
            return not conn.execute(text("SELECT count(*) FROM orders WHERE finished_at IS NULL")).scalar()

    def run(self, most_s: float) -> None:
        threads = [threading.Thread(target=self.watch) for _ in range(WATCHERS)]
        threads += [threading.Thread(target=self.work, args=(n,)) for n in range(WORKERS)]
        for thread in threads:
            thread.start()
        self.done.wait(most_s)
        self.done.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    def judged(self) -> dict[str, int]:
        """By events alone. `twice`: groups of which two were filled; `overlaps`: of which two were beyond
        waiting at once; `early`: cancelled before another was filled; `gaps`: events missing."""
        found: Counter[str] = Counter()
        spans: dict[UUID, list[tuple[datetime, datetime | None]]] = {}
        filled: Counter[UUID] = Counter()
        with self.bench.db.connect() as conn:
            for order_id, group in self.orders.items():
                events = order_rows.events(conn, order_id)
                found["gaps"] += [e.seq for e in events] != list(range(1, len(events) + 1))
                begun = None
                for event in events:
                    if event.status is Status.PENDING:
                        begun = event.at
                    elif begun is not None and event.status in (Status.WAITING, Status.CONFIRMED):
                        spans.setdefault(group, []).append((begun, event.at))
                        begun = None
                    filled[group] += event.status is Status.CONFIRMED
                if begun is not None:
                    spans.setdefault(group, []).append((begun, None))
        found["twice"] = sum(count > 1 for count in filled.values())
        for each in spans.values():
            each.sort(key=lambda span: span[0])
            found["overlaps"] += sum(one[1] is None or one[1] > two[0] for one, two in pairwise(each))
        found["early"] = judged_at_once(self)
        return {name: count for name, count in found.items() if count}


def _at_once(back: Back) -> Back:
    return dataclasses.replace(back, rest=timedelta(0), latched=False)


def raced(bench: Bench, most_s: float = BROKEN_S) -> Run:
    run, bid = Run(bench), price(bench, sell=True)
    other = {"type": OrderType.LIMIT, "target_price": round(bid * Decimal("1.03"), 6)}
    run.place([*legs(bench), terms_of(SALE | other)])
    run.run(most_s)
    return run


def test_of_each_group_one_is_executed_at_a_time_and_one_is_filled(bench: Bench) -> None:
    run = raced(bench, WHOLE_S)
    assert run.judged() == {} and run.faults == {}
    assert len(run.fired) > GROUPS
    with bench.db.connect() as conn:
        ends = conn.execute(text("SELECT status, count(*) FROM orders GROUP BY 1 ORDER BY 1")).all()
    assert [*map(tuple, ends)] == [("cancelled", 2 * GROUPS), ("confirmed", GROUPS)]


def broken(monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> None:
    """The statement that fires, changed."""
    found = watch_sql.FIRE.text
    for old, new in changes:
        assert old in found
        found = found.replace(old, new)
    monkeypatch.setattr(watch_sql, "FIRE", Statement(found))


#: The group's row is not locked, and whose turn it is was read before.
UNLOCKED = ("ORDER BY g.id FOR UPDATE SKIP LOCKED", "ORDER BY g.id")


def test_a_turn_that_is_taken_without_a_lock_is_refused_by_the_index(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, UNLOCKED)
    run = raced(bench)
    assert run.faults["23505"] > 0 and "twice" not in run.judged()


def test_without_lock_and_index_the_judge_sees_two_of_a_group(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, UNLOCKED)
    with bench.db.connect() as conn:
        index = conn.execute(text("SELECT pg_get_indexdef('orders_turn'::regclass)")).scalar_one()
        conn.execute(text("DROP INDEX orders_turn"))
    try:
        # Whether two meet is chance, which a run can miss.
        assert any(raced(bench, ENDLESS_S).judged().get("overlaps", 0) > 0 for _ in range(16))
    finally:
        # The database is that of other tests, too.
        with bench.db.connect() as conn:
            conn.exec_driver_sql(EMPTY)
            conn.execute(text(index))


def test_others_that_are_cancelled_when_one_fires_are_seen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = f""", early AS (
        UPDATE orders s SET status = 'cancelled', event_seq = s.event_seq + 1, updated_at = clock_timestamp(),
            finished_at = clock_timestamp(), {DISARMED} FROM free
        WHERE s.group_id = free.oco AND s.id <> free.id AND s.status = 'waiting'
        RETURNING s.id, s.event_seq, s.status, s.attempt, s.updated_at, free.id AS by
    ), early_said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq, status, attempt, updated_at, jsonb_build_object('order', by) FROM early
    )
    SELECT id FROM moved"""  # noqa: S608
    broken(monkeypatch, ("\nSELECT id FROM moved", early))
    assert raced(bench).judged().get("early", 0) > 0


def judged_at_once(run: Run) -> int:
    """Orders that were cancelled before any of their group was filled."""
    early = 0
    with run.bench.db.connect() as conn:
        for order_id in run.orders:
            last = order_rows.events(conn, order_id)[-1]
            if last.status is Status.CANCELLED:
                by = order_rows.events(conn, UUID(last.data["order"]))[-1]
                early += by.status is not Status.CONFIRMED or by.at > last.at
    return early


@pytest.mark.parametrize("how", ["fail in building", "cancel"])
def test_a_turn_that_is_kept_after_an_end_is_seen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    kept = ("AND order_groups.turn = moved.id", "AND false")
    batch = Batch.__new__(Batch)
    batch.name, batch.texts = "fail", tuple(t.replace(*kept) for t in move_sql._FAIL.texts)
    monkeypatch.setattr(move_sql, "_FAIL", batch)
    monkeypatch.setattr(move_sql, "_CANCEL", Statement(move_sql._CANCEL.text.replace(*kept), order_row))
    with pytest.raises(AssertionError):
        test_groups.test_however_an_order_ends_the_turn_goes_back(bench, how)
