"""An order's life with everything in any order: two workers, their crashes, lost leases, the user, the clock.

Hypothesis draws what happens; Postgres has to agree with the rules below, which are written by hand and share
nothing with the engine's own table of moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select, text, update

from oee_daemon.contract.status import Status
from oee_daemon.orders.order import Order
from oee_daemon.store import lease_sql, move_sql
from tests.kit.databases import EMPTY
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.tables import execution_slots, order_events, orders, swaps

SLOTS, ORDERS = 2, 3
WORKERS = st.sampled_from(["one", "two"])
#: Which of what there is, counted round.
WHICH = st.integers(0, 11)

#: What a worker may do with an order that it holds, by its status there: what it becomes, and its swap.
STEPS: dict[str, list[tuple[str, str | None]]] = {
    "pending": [("failed", None), ("expired", None)],
    "routing": [("building", None), ("pending", None), ("failed", None), ("expired", None)],
    "building": [("submitted", "signed"), ("pending", None), ("failed", None), ("expired", None)],
    "submitted": [("confirmed", "landed"), ("pending", "lapsed"), ("failed", "rejected")],
}
RUNNABLE = {"pending", "routing", "building", "submitted"}
MAY_CANCEL = {"waiting", "pending", "routing", "building"}
FINAL = {"confirmed", "failed", "cancelled", "expired"}


@dataclass
class Known:
    """What has to be true of an order."""

    trail: list[str]
    attempt: int = 1
    swaps: list[str] = field(default_factory=list)
    #: Who holds it, and whether by a lease that runs; each new claim makes older ones worthless.
    holder: str | None = None
    leased: bool = False
    claim: int = 0
    #: Its time is over.
    over: bool = False
    #: Its row, once it is final.
    final: Any = None

    @property
    def status(self) -> str:
        return self.trail[-1]

    def let_go(self) -> None:
        self.holder, self.leased = None, False


@dataclass
class Hand:
    """An order as a worker has it, by which claim."""

    order: Order
    claim: int


class Life(RuleBasedStateMachine):
    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.known: dict[UUID, Known] = {}
        self.hands: dict[str, dict[UUID, Hand]] = {"one": {}, "two": {}}
        self.halted: set[str] = set()
        with bench.db.connect() as conn:
            conn.exec_driver_sql(EMPTY)
            lease_sql.ensure_slots(conn, SLOTS)

    def one(self, which: int) -> tuple[UUID, Known]:
        return list(self.known.items())[which % len(self.known)]

    def ask(self, what: Callable[..., Any], *args: Any, **options: Any) -> Any:
        with self.bench.db.connect() as conn:
            return what(conn, *args, **options)

    # The user and the watcher.

    @precondition(lambda self: len(self.known) < ORDERS)
    @rule(waits=st.booleans())
    def place(self, waits: bool) -> None:
        order_id = self.bench.place().id
        self.known[order_id] = Known(["pending"])
        if waits:
            self.known[order_id].trail = ["waiting"]
            self.bench.set(order_id, status="waiting", next_run_at=None)
            self.ask(Connection.execute, _events_of(order_id).values(status="waiting"))

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def trigger(self, which: int) -> None:
        """By hand, as a watcher would."""
        order_id, known = self.one(which)
        if known.status == "waiting":
            self.bench.set(order_id, status="pending", next_run_at=self.bench.ago(seconds=0), event_seq=2)
            event = {"order_id": order_id, "seq": 2, "status": "pending", "attempt": 1, "data": {}}
            self.ask(Connection.execute, order_events.insert().values(event))
            known.trail.append("pending")

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        order_id, known = self.one(which)
        cancelled = self.ask(move_sql.cancel, order_id)
        assert (cancelled is not None) == (known.status in MAY_CANCEL)
        if cancelled is not None:
            known.trail.append("cancelled")
            known.claim += 1
            known.let_go()

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def time_is_over(self, which: int) -> None:
        order_id, known = self.one(which)
        if known.status not in FINAL:
            known.over = True
            self.bench.set(order_id, expires_at=self.bench.ago(seconds=1))

    # The workers.

    @precondition(lambda self: self.known)
    @rule(worker=WORKERS, which=WHICH)
    def claim(self, worker: str, which: int) -> None:
        order_id, known = self.one(which)
        if worker in self.halted or order_id in self.hands[worker]:
            return
        taken = sum(k.holder is not None for k in self.known.values())
        free = taken < SLOTS or known.holder is not None
        may = known.status in RUNNABLE and (not known.leased or known.holder == worker)
        try:
            claimed = now(
                lease_sql.claim(self.bench.line, order_id, owner=worker, network="simulated", slots=SLOTS)
            )
        except lease_sql.NoSlot:
            assert may and not free
            return
        if claimed is None:
            assert not may
            return
        assert free and may
        order, begins = claimed
        assert begins == (known.status == "pending" and not known.over)
        if begins:
            known.trail.append("routing")
        known.claim += 1
        known.holder, known.leased = worker, True
        self.hands[worker][order_id] = Hand(order, known.claim)

    @precondition(lambda self: any(self.hands.values()))
    @rule(worker=WORKERS, which=WHICH, choice=WHICH)
    def step(self, worker: str, which: int, choice: int) -> None:
        """Also by one who was frozen, and whose order is another's by now."""
        if not self.hands[worker]:
            return
        order_id = list(self.hands[worker])[which % len(self.hands[worker])]
        hand, known = self.hands[worker][order_id], self.known[order_id]
        possible = [s for s in STEPS[hand.order.status] if s[0] != "expired" or known.over]
        to, swap = possible[choice % len(possible)]
        moved = self.bench.advance(hand.order, Status(to), swap_ended=swap)
        mine, late = hand.claim == known.claim, to == "submitted" and known.over
        assert (moved is not None) == (mine and not late)
        if moved is not None:
            known.trail.append(to)
            known.attempt = moved.attempt
            if swap is not None:
                known.swaps = [s for s in known.swaps if s != "signed"] + [swap]
        if moved is None or to in FINAL or to == "pending":
            if mine and not late:
                known.let_go()
            if not (mine and late):
                del self.hands[worker][order_id]
        else:
            known.leased = True
            hand.order = moved

    @precondition(lambda self: any(self.hands.values()))
    @rule(worker=WORKERS, which=WHICH, how=st.sampled_from(["extend", "let go", "fault"]))
    def hold_on_or_give_back(self, worker: str, which: int, how: str) -> None:
        if not self.hands[worker]:
            return
        order_id = list(self.hands[worker])[which % len(self.hands[worker])]
        hand, known = self.hands[worker][order_id], self.known[order_id]
        mine = hand.claim == known.claim
        if how == "extend":
            assert (self.ask(lease_sql.extend, hand.order) is not None) == mine
            known.leased = known.leased or mine
            return
        if how == "let go":
            self.ask(lease_sql.let_go, hand.order, timedelta(0))
        else:
            # By the owner: it may have lost the order and got it again.
            mine = known.holder == worker
            given = self.ask(lease_sql.give_back, order_id, worker, "a fault", (0.0, 0.0))
            assert (given is not None) == mine
        if mine:
            known.let_go()
        del self.hands[worker][order_id]

    @rule(worker=WORKERS)
    def halt_or_go_on(self, worker: str) -> None:
        self.halted ^= {worker}

    # What goes wrong.

    @rule(worker=WORKERS, noticed=st.booleans())
    def crash(self, worker: str, noticed: bool) -> None:
        """It forgets what it held. `noticed`: its successor knows that it is dead."""
        self.hands[worker].clear()
        if noticed:
            held = [known for known in self.known.values() if known.holder == worker]
            assert self.ask(lease_sql.clear_leases, worker) == len(held)
            for known in held:
                known.let_go()

    @precondition(lambda self: any(known.holder for known in self.known.values()))
    @rule(which=WHICH, reaped=st.booleans())
    def lose_lease(self, which: int, reaped: bool) -> None:
        """Its holder was frozen for too long. `reaped`: somebody needed the slot."""
        held = [order_id for order_id, known in self.known.items() if known.holder]
        order_id = held[which % len(held)]
        self.known[order_id].leased = False
        self.bench.set(order_id, lease_until=self.bench.ago(seconds=1))
        of_it = execution_slots.c.order_id == order_id
        long_ago = self.bench.ago(hours=1)
        self.ask(Connection.execute, update(execution_slots).where(of_it).values(taken_at=long_ago))
        if reaped:
            assert self.ask(lease_sql.reap)
            for known in self.known.values():
                if known.holder and not known.leased:
                    known.claim += 1
                    known.let_go()

    # What always holds.

    @invariant()
    def postgres_agrees(self) -> None:
        rows = {row.id: row for row in self.ask(Connection.execute, select(orders))}
        assert rows.keys() == self.known.keys()
        trails, states, told = self.told()
        slots = set(self.ask(Connection.execute, _TAKEN).scalars())
        for order_id, known in self.known.items():
            row = rows[order_id]
            assert (row.status, row.attempt, row.event_seq) == (known.status, known.attempt, len(known.trail))
            assert trails[order_id] == known.trail
            assert told[order_id] == [*range(1, len(known.trail) + 1)]
            assert states.get(order_id, []) == known.swaps
            assert sum(state in ("signed", "landed") for state in known.swaps) <= 1
            assert ("signed" in known.swaps) == (known.status == "submitted")
            assert ("landed" in known.swaps) == (known.status == "confirmed")
            assert row.lease_owner == known.holder
            assert (order_id in slots) == (known.holder is not None)
            # An order whose time ended before its first step is held to be ended, and nothing else.
            in_execution = known.status in ("routing", "building", "submitted")
            assert known.holder is None or in_execution or (known.status == "pending" and known.over)
            if known.status in FINAL:
                known.final = known.final or row
                assert row == known.final
        assert len(slots) == sum(known.holder is not None for known in self.known.values()) <= SLOTS

    def told(self) -> tuple[dict[UUID, list[str]], dict[UUID, list[str]], dict[UUID, list[int]]]:
        """By order: the statuses of its events, the states of its swaps, and the events' numbers."""
        trails: dict[UUID, list[str]] = {}
        numbers: dict[UUID, list[int]] = {}
        for event in self.ask(Connection.execute, select(order_events).order_by(order_events.c.seq)):
            trails.setdefault(event.order_id, []).append(event.status)
            numbers.setdefault(event.order_id, []).append(event.seq)
        states: dict[UUID, list[str]] = {}
        for swap in self.ask(Connection.execute, select(swaps).order_by(swaps.c.attempt)):
            states.setdefault(swap.order_id, []).append(swap.state)
        return trails, states, numbers


_TAKEN = text("SELECT order_id FROM execution_slots WHERE order_id IS NOT NULL")


def _events_of(order_id: UUID) -> Any:
    return update(order_events).where(order_events.c.order_id == order_id)


def test_whatever_happens_in_whatever_order_postgres_keeps_the_promise(bench: Bench) -> None:
    run_state_machine_as_test(
        cast(type[Life], partial(Life, bench)),
        settings=settings(
            max_examples=16,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
