"""What has to hold of orders that wait, whatever happens to them: who may be filled, what a swap may cost,
and which status follows which. It is written by hand, and Postgres and the chain are asked after each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import Any
from uuid import UUID

from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)
from solders.transaction import VersionedTransaction
from sqlalchemy import Row, select, text

from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.engine.placing import Placing
from oee_daemon.networks.prices import Watched
from oee_daemon.networks.simulated.simulated_instruction import read_instruction
from tests.kit.databases import EMPTY
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.simulated_tables import sim_ledger
from tests.kit.tables import execution_slots, order_events, orders, swaps

FINAL = {"confirmed", "failed", "cancelled", "expired"}
UNSENT = {"waiting", "pending", "routing", "building"}
ENDS = {"cancelled", "expired", "failed", "waiting"}
FOLLOWS = {
    "waiting": {"waiting", "pending", "cancelled", "expired"},
    "pending": {"routing", *ENDS},
    "routing": {"building", "pending", *ENDS},
    "building": {"submitted", "pending", *ENDS},
    "submitted": {"confirmed", "pending", "failed", "waiting"},
}


class Died(BaseException):
    """No fault that anybody catches: the worker is gone."""


@dataclass
class Deaths:
    """Where the worker dies: `left` more steps from now."""

    left: int | None = None

    def hit(self, name: str, *_: Any) -> None:
        # The connection is the test's too: it does not die.
        if self.left is not None and not name.startswith("flight"):
            self.left -= 1
            if self.left < 0:
                raise Died

    def during(self, left: int | None, work: Callable[[], Any]) -> Any:
        """What it comes to; None where it died."""
        self.left = left
        try:
            return work()
        except Died:
            return None
        finally:
            self.left = None


@dataclass
class Known:
    """What was asked for, with all edits; and its row once it is final."""

    sells: bool
    kind: str
    amount: int
    target: Decimal | None
    trail: int | None
    over: bool = False
    events: int = 0
    swaps: set[str] = field(default_factory=set)
    final: Any = None


class Lives(RuleBasedStateMachine):
    """Orders, their market and workers, and what always holds of them."""

    def __init__(self, bench: Bench, deaths: Deaths) -> None:
        super().__init__()
        self.bench, self.deaths = bench, deaths
        with bench.db.connect() as conn:
            conn.exec_driver_sql(EMPTY)
        with bench.ledger.connect() as conn:
            for table in ("sim_faults", "sim_paths", "sim_ledger"):
                conn.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608  # names of our own
        self.chain = bench.chain("0.2")
        self.network = bench.network(self.chain)
        base, quote = self.network.tokens.find("SOL", "x"), self.network.tokens.find("USDC", "x")
        self.pair = Watched(f"{base.mint}/{quote.mint}", base, quote)
        self.watchers: dict[str, Watcher] = {}
        self.executions = {name: bench.execution(self.chain, owner=name) for name in ("one", "two")}
        self.editing = Editing(bench.db, bench.feed, self.network, Placing(self.network))
        self.halted = False
        self.known: dict[UUID, Known] = {}
        self.here = self.price()

    def price(self) -> tuple[Decimal, Decimal]:
        """Bid and ask."""
        assert self.network.prices is not None
        found = now(self.network.prices.prices([self.pair]))[self.pair.name]
        return found.bid, found.ask

    def one(self, which: int) -> tuple[UUID, Known]:
        return list(self.known.items())[which % len(self.known)]

    def sql(self, statement: str, **values: Any) -> Any:
        with self.bench.db.connect() as conn:
            result = conn.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    def at(self, away: int) -> Decimal:
        return round(self.here[0] * (10_000 + away) / 10_000, 4)

    @invariant()
    def postgres_agrees(self) -> None:
        with self.bench.db.connect() as conn:
            rows = {row.id: row for row in conn.execute(select(orders))}
            signed = conn.execute(select(swaps).order_by(swaps.c.attempt)).all()
            events = conn.execute(select(order_events).order_by(order_events.c.seq)).all()
            held = {slot.order_id for slot in conn.execute(select(execution_slots))}
        with self.bench.ledger.connect() as conn:
            landed = [row.order_id for row in conn.execute(select(sim_ledger)) if row.state == "landed"]
        assert rows.keys() == self.known.keys() and len(landed) == len(set(landed))
        self.check_group([row for row in rows.values() if row.group_id is not None])
        for order_id, known in self.known.items():
            row = rows[order_id]
            own = [swap for swap in signed if swap.order_id == order_id]
            self.check_trail(row, [event for event in events if event.order_id == order_id])
            assert (row.arm_rule is not None) == (row.status == "waiting")
            if row.status == "waiting":
                assert row.lease_owner is row.next_run_at is None and order_id not in held
            live = [swap.state for swap in own if swap.state in ("signed", "landed")]
            assert live == {"submitted": ["signed"], "confirmed": ["landed"]}.get(row.status, [])
            for swap in own:
                if swap.signature not in known.swaps:
                    known.swaps.add(swap.signature)
                    self.check_swap(known, row, swap.raw)
            assert order_id not in landed or row.status in ("submitted", "confirmed")
            self.check_end(known, row)

    def check_group(self, rows: Sequence[Row[Any]]) -> None:
        """There is one group: one of it runs at most, and one at most is filled, which ends the others."""
        running = [row for row in rows if row.status not in FINAL | {"waiting"}]
        filled = [row for row in rows if row.status == "confirmed"]
        turns = [row.id for row in rows if row.turn is not None]
        assert len(running) + len(filled) <= 1 and len(turns) <= 1
        assert not filled or all(row.status in FINAL for row in rows)
        assert {row.id for row in running} <= set(turns)

    def check_trail(self, row: Row[Any], events: Sequence[Row[Any]]) -> None:
        assert [event.seq for event in events] == [*range(1, row.event_seq + 1)]
        trail = [event.status for event in events]
        assert trail[-1] == row.status and trail[0] == "waiting"
        assert all(new in FOLLOWS[old] for old, new in pairwise(trail)), trail
        assert sum("trigger" in event.data for event in events) == row.firings

    def bound(self, known: Known, row: Row[Any]) -> int | None:
        """By the terms as they were asked for, in hand-made arithmetic: SOL has 9 decimals, USDC 6."""
        if known.kind == "later sell":
            return None
        if known.kind.startswith("limit"):
            price = known.target
        elif row.latched or known.trail is not None or row.limit_price < (known.target or 0) * Decimal("0.7"):
            price = row.limit_price
        else:
            price = known.target and known.target * Decimal("0.8")
        assert price is not None
        exact = Fraction(price) * known.amount / 1000
        return ceil(exact) if known.sells else floor(exact)

    def check_swap(self, known: Known, row: Row[Any], raw: bytes) -> None:
        """The bytes that were signed: what they let leave and arrive."""
        (instruction,) = VersionedTransaction.from_bytes(raw).message.instructions
        said = read_instruction(bytes(instruction.data))
        assert int(said["amountIn" if known.sells else "amountOut"]) == known.amount
        bound = self.bound(known, row)
        if bound is not None:
            assert int(said["limit"]) >= bound if known.sells else int(said["limit"]) <= bound

    def check_end(self, known: Known, row: Row[Any]) -> None:
        if row.status == "confirmed":
            bound = self.bound(known, row)
            if bound is not None:
                assert row.filled_out >= bound if known.sells else row.filled_in <= bound
        if row.status in FINAL:
            known.final = known.final or row
            assert row == known.final
