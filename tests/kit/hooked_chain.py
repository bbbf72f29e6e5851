"""The simulated chain with hooks: a test acts just before a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from sqlalchemy import Engine

from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.orders.swap import Anchor, Look, SignedSwap
from tests.kit.clock import FakeClock


def nothing() -> None:
    """What a hook does unless a test sets it."""


class HookedChain(SimulatedChain):
    """The simulated chain; a test may act just before a call, and sees what was sent."""

    before_anchor: Callable[[], None] = staticmethod(nothing)
    before_submit: Callable[[], None] = staticmethod(nothing)
    before_outcome: Callable[[], None] = staticmethod(nothing)

    def __init__(self, db: Engine, *, clock: FakeClock, failure_rate: str = "0") -> None:
        super().__init__(db, seed=0, failure_rate=Decimal(failure_rate), confirm_ms=400, clock=clock)
        self.sent: list[str] = []

    async def anchor(self, deadline_s: float) -> Anchor:
        await asyncio.to_thread(self.before_anchor)
        return await super().anchor(deadline_s)

    async def last_height(self, deadline_s: float) -> int:
        await asyncio.to_thread(self.before_anchor)
        return await super().last_height(deadline_s)

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        await asyncio.to_thread(self.before_submit)
        self.sent.append(swap.signature)
        await super().submit(swap, deadline_s)

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        await asyncio.to_thread(self.before_outcome)
        return await super().look(swap, wait_s)
