"""An intake with limits of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.intake import Intake
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from oee_daemon.store.postgres_line import Line
from tests.kit.engine import Bench

USD = 10**6


class Limited:
    """An intake with limits of its own, on the bench."""

    def __init__(self, bench: Bench, line: Line | None = None, **limits: Any) -> None:
        self.bench, network = bench, bench.network(bench.chain())
        self.limits = SpendingLimits(replace(Settings(), **limits), bench.db, network)
        limits_set = self.limits if self.limits.any else None
        self.intake = Intake(
            bench.db, line or bench.line, bench.broker, bench.feed, network="simulated", limits=limits_set
        )

    def place(self, usd: int, key: str | None = None, **what: Any) -> Order:
        """Spends so many USDC."""
        return self.bench.loop.run(self.begin(usd, key, **what))[0]

    async def begin(self, usd: int, key: str | None = None, **what: Any) -> tuple[Order, bool]:
        given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": usd * USD} | what
        return await self.intake.accept(terms_of(given), key)

    @property
    def used(self) -> tuple[int, int]:
        """In US dollars: spent in the last day, and reserved."""
        use = self.bench.loop.run(self.limits.report()).use
        return int(use.spent) // USD, int(use.reserved) // USD
