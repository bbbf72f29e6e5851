"""Puts one order through a real worker process that dies where it is told to, and judges the outcome.

The judge reads the chain's ledger from its own file, outside Postgres, so that nothing the engine wrote,
or failed to flush, can hide what happened.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert

from oee_cli.verdict import Verdict, judge, landings
from oee_daemon.api import wire
from oee_daemon.broker import open_broker
from oee_daemon.chains.faults import sim_faults
from oee_daemon.chains.ledger import open_file
from oee_daemon.feed import Feed
from oee_daemon.history import History
from oee_daemon.intake import Intake, NewOrder
from oee_daemon.order import FINAL
from oee_daemon.settings import Settings
from oee_daemon.supervisor import WorkerProcess
from oee_daemon.tokens import TOKENS
from tests.daemons import until

DECIMALS = {t.symbol: t.decimals for t in TOKENS.values()}


class MutantWorker(WorkerProcess):
    """A worker whose engine was broken on purpose, in one way."""

    mutant = ""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.faults.mutants", self.mutant]


class Bench:
    """One database, one queue, one ledger file, and workers that may die."""

    def __init__(self, settings: Settings, db: Engine) -> None:
        self.ledger = settings.home / "ledger.sqlite"
        settings.run_dir.mkdir(parents=True)
        self.settings = dataclasses.replace(settings, sim_ledger_file=self.ledger)
        self.db = db
        self.chain_db = open_file(self.ledger)
        assert settings.redis_url is not None
        self.broker = open_broker(settings.redis_url)
        self.intake = Intake(db, self.broker, Feed(settings.redis_url), network="simulated")
        self.history = History(db)
        self.accepted: list[UUID] = []

    def fault(self, **row: Any) -> None:
        """Orders a fault of the simulated network; see `oee_daemon/chains/faults.py`."""
        with self.chain_db.connect() as conn:
            conn.execute(insert(sim_faults).values(row))

    def place(self, amount: int = 1_500_000_000, **more: Any) -> UUID:
        sol, usdc = TOKENS["SOL"], TOKENS["USDC"]
        order, _ = self.intake.accept(
            NewOrder(input_token=sol, output_token=usdc, amount=amount, **more), None
        )
        self.accepted.append(order.id)
        return order.id

    @contextmanager
    def worker(self, mutant: str | None = None) -> Iterator[WorkerProcess]:
        """A supervised worker process; `check` replaces it when it has died."""
        process: WorkerProcess = WorkerProcess("bench") if mutant is None else MutantWorker("bench")
        if mutant is not None:
            process.mutant = mutant  # type: ignore[attr-defined]
        process.start()
        process.hand(self.settings)
        try:
            yield process
        finally:
            process.kill()

    def ended(self) -> bool:
        return all(self.history.order(i).status in FINAL for i in self.accepted)

    def wait(self, worker: WorkerProcess, within: float = 40) -> None:
        """Until every order has ended, replacing the worker whenever it has died."""

        def done() -> bool:
            worker.check()
            return self.ended()

        until(done, within=within, what="the end of every order")

    def orders(self) -> list[dict[str, Any]]:
        found = []
        for order_id in self.accepted:
            order, events, _ = self.history.whole(order_id)
            found.append(wire.order_json(order) | {"events": [wire.event_json(e) for e in events]})
        return found

    def verdict(self) -> Verdict:
        return judge([str(i) for i in self.accepted], self.orders(), landings(self.ledger), DECIMALS)

    def deaths(self) -> list[str]:
        """The failpoints that were hit, as they marked themselves."""
        marks = self.settings.home / "failpoints"
        return sorted(p.name for p in marks.iterdir()) if marks.exists() else []
