"""Puts one order through a real worker process that dies where it is told to, and judges the outcome.

The judge reads the chain's ledger from its own file, outside Postgres, so that nothing the engine wrote,
or failed to flush, can hide what happened.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert

from oee_cli.drill.drill_verdict import Verdict, judge, landings
from oee_daemon.api import order_wire
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import FINAL
from oee_daemon.embedded.embedded_child import Child
from oee_daemon.embedded.embedded_supervision import Watch
from oee_daemon.embedded.embedded_worker import WorkerProcess
from oee_daemon.engine.engine_loop import Loop
from oee_daemon.engine.group_intake import GroupIntake
from oee_daemon.engine.intake import Intake
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.reads.reads_history import History
from oee_daemon.settings import Settings
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import Timing
from tests.faults.mutants import WORKERS
from tests.kit.daemons import until
from tests.kit.engine import BOOK
from tests.kit.forked import forked_worker
from tests.kit.simulated_tables import sim_faults

#: What is lost is looked for sooner than usual, which proves the same.
HASTY = Timing(beat_s=0.2, soon_s=0.1, overdue_s=0.2, ring_again_s=2.0)
DECIMALS = {t.symbol: t.decimals for t in TOKENS.values()}


def _name(home: Path, home_id: str) -> None:
    """By this file a worker knows the home that it is given."""
    (home / "id").write_text(f"{home_id}\n")


def _sale(price: str) -> tuple[Terms, Armed]:
    given: dict[str, Any] = {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"]}
    given |= {"amount": 1_500_000_000, "type": OrderType.LIMIT, "target_price": Decimal(price)}
    return terms_of(given), Armed(rule=Rule.SELL_LIMIT, price=Decimal(price), data={})


class ForkedWorker(WorkerProcess):
    """A worker process forked from this one; that the daemon's own is killed and replaced well is proven by
    `test_daemon`. With a `mutant` its engine is broken on purpose, in one way."""

    def __init__(self, home_id: str, mutant: str | None) -> None:
        super().__init__(home_id)
        self.mutant = mutant
        self._watch = Watch(self)
        self._watch.advance()

    def check(self) -> None:
        """Replaces it where it has died."""
        self._watch.check()

    def spawn(self, beats: int) -> Child:
        return forked_worker(beats, WORKERS[self.mutant] if self.mutant else None)


class Bench:
    """One database, one queue, one ledger file, and workers that may die."""

    def __init__(self, settings: Settings, db: Engine) -> None:
        self.ledger = settings.home / "ledger.sqlite"
        settings.run_dir.mkdir(parents=True)
        self.home_id = "bench"
        _name(settings.home, self.home_id)
        self.settings = dataclasses.replace(settings, sim_ledger_file=self.ledger, timing=HASTY)
        self.db = db
        self.chain_db = open_file(self.ledger)
        assert settings.redis_url is not None
        self.broker = open_broker(settings.redis_url)
        self.feed = Feed(settings.redis_url)
        self.loop = Loop(10)
        self.line = Line(db.url)
        self.intake = Intake(db, self.line, self.broker, self.feed, network="simulated")
        self.history = History(db)
        self.accepted: list[UUID] = []

    def move(self) -> None:
        """From now on workers have another home of the same engine, as on another host: the same keys."""
        self.home_id = "other"
        home = self.settings.home / self.home_id
        (home / "run").mkdir(parents=True)
        _name(home, self.home_id)
        shutil.copytree(self.settings.home / "wallets", home / "wallets")
        self.settings = dataclasses.replace(self.settings, home=home)

    def close(self) -> None:
        self.loop.run(self.line.close())
        self.loop.stop()
        self.intake.close()
        self.broker.close()
        self.feed.close()
        self.chain_db.dispose()

    def fault(self, **row: Any) -> None:
        """Orders a fault of the simulated network; see `oee_daemon.contract.planned_faults`."""
        with self.chain_db.connect() as conn:
            conn.execute(insert(sim_faults).values(row))

    def place(self, amount: int = 1_500_000_000, **more: Any) -> UUID:
        more |= {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"], "amount": amount}
        order, _ = self.loop.run(self.intake.accept(terms_of(more), None))
        self.accepted.append(order.id)
        return order.id

    def wait_for(self, price: str) -> UUID:
        """Sells when the price is that or more."""
        order, _ = self.loop.run(self.intake.accept(_sale(price)[0], None, _sale(price)[1]))
        self.accepted.append(order.id)
        return order.id

    def wait_for_one(self, *prices: str) -> None:
        """Sells once, when one of these prices is reached."""
        groups = GroupIntake(self.db, self.feed, network="simulated")
        group = self.loop.run(groups.accept([_sale(price) for price in prices], None))
        self.accepted += [order.id for order in group.orders]

    @contextmanager
    def worker(self, mutant: str | None = None) -> Iterator[ForkedWorker]:
        """A supervised worker process; `check` replaces it when it has died."""
        process = ForkedWorker(self.home_id, mutant)
        process.hand(self.settings)
        try:
            yield process
        finally:
            process.kill()

    def ended(self) -> bool:
        return all(self.history.order(i).status in FINAL for i in self.accepted)

    def wait(self, worker: ForkedWorker, within: float = 40) -> None:
        """Until every order has ended, replacing the worker whenever it has died."""

        def done() -> bool:
            worker.check()
            return self.ended()

        until(done, within=within, what="the end of every order")

    def orders(self) -> list[dict[str, Any]]:
        found = []
        for order_id in self.accepted:
            order, events, _ = self.history.detail(order_id)
            told = [order_wire.event_json(event, BOOK) for event in events]
            found.append(order_wire.order_json(order, BOOK) | {"events": told})
        return found

    def verdict(self) -> Verdict:
        return judge([str(i) for i in self.accepted], self.orders(), landings(self.ledger), DECIMALS)

    def wait_death(self, place: str) -> None:
        """Until the failpoint `place`, and no other, was hit. To be asked while the worker still runs: an
        order has ended a moment before its worker gets to die right after the last commit."""
        until(lambda: self.deaths() == [f"{place}.0"], what=f"the death at {place}")

    def deaths(self) -> list[str]:
        """The failpoints that were hit, as they marked themselves."""
        marks = self.settings.home / "failpoints"
        return sorted(p.name for p in marks.iterdir()) if marks.exists() else []
