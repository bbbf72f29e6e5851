"""The second half of an attempt: send the stored bytes, ask the chain, and end what the chain has decided.

Only what the chain says ends a `submitted` order. The same bytes may be sent again at any time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.contract.status import Status
from oee_daemon.engine import recall
from oee_daemon.engine.engine_moves import Mover, backoff
from oee_daemon.engine.engine_outside import Outside
from oee_daemon.engine.engine_send_gate import Gate
from oee_daemon.engine.engine_wallet_walk import StillInDoubt, WalletWalk
from oee_daemon.engine.recall import There
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Rejected, SignedSwap, Unknown
from oee_daemon.store import doubt_sql, lease_sql, move_sql, order_rows
from oee_daemon.store.database import aside
from oee_daemon.store.engine_row import Where
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import Timing

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Settlement:
    """One worker's way from `submitted` to the attempt's end. `where`: the database has to be for what it
    says of orders to count; none for anywhere."""

    db: Engine
    line: Line
    outside: Outside
    mover: Mover
    gate: Gate
    timing: Timing
    where: Callable[[], Where | None]

    def __post_init__(self) -> None:
        self._there = There(self.db, self.where)
        self._walk = WalletWalk(self.outside.chain, lambda ids: self._there.ask(doubt_sql.concerned, ids))

    async def settle(self, order: Order, signed: SignedSwap | None) -> Order | None:
        """Sends the stored bytes and asks the chain, until it says what became of them or time is up.
        `signed`: the swap, where it was stored just now."""
        try:
            swap = signed or await self._there.ask(order_rows.live_swap, order.id)
        except StillInDoubt as e:
            await aside(self.db, lease_sql.let_go, order, e.pause)
            return None
        if swap is None:
            return await self._recall(order, None, None)
        swap = replace(swap, mints=(order.input_mint, order.output_mint))
        until = time.monotonic() + self.outside.chain.expected_s() + self.timing.ask_s
        current: Order | None = order
        while current is not None:
            # Past its time nothing is sent any more; what an earlier send left is still asked about.
            if not current.expired_by_now:
                with self.gate.sending() as may_send:
                    if may_send:
                        await self.outside.send(swap)
            outcome = await self.outside.outcome(swap, self.timing.resend_s)
            if isinstance(outcome, Landed):
                return await self._confirm(current, outcome.fill, "landed")
            if not isinstance(outcome, Unknown):
                return await self._recall(current, swap, outcome)
            if time.monotonic() >= until:
                return await self._ask_later(current, swap, outcome)
            current = await aside(self.db, lease_sql.extend, current, self.timing.lease)
        return None

    async def _ask_later(self, order: Order, swap: SignedSwap, outcome: Unknown) -> Order | None:
        if await recall.elsewhere(self._there, self.outside.chain, order):
            return await self._recall(order, None, None)
        log.warning(
            "outcome unknown, asking again later",
            extra={"order_id": order.id, "signature": swap.signature, "reason": outcome.reason},
        )
        await aside(self.db, lease_sql.let_go, order, backoff(order.asks + 1, self.timing.pause_s))
        return None

    async def _recall(
        self, order: Order, swap: SignedSwap | None, said: Rejected | Lapsed | None
    ) -> Order | None:
        """Its stored swap moved nothing, or there is none: unless another one is in doubt, that ends it."""
        ended = None if said is None else "rejected" if isinstance(said, Rejected) else "lapsed"
        try:
            landed = await recall.ask(self._there, self.outside.chain, order, said, self._walk)
        except StillInDoubt as e:
            await aside(self.db, lease_sql.let_go, order, e.pause)
            return None
        except AttemptFailed as failure:
            # What a halt kept from being sent is no attempt that was lost.
            spare = self.gate.shut and isinstance(said, Lapsed)
            return await self.mover.end_attempt(order, failure, swap_ended=ended, spare=spare)
        known = swap is not None and swap.signature == landed.fill.signature
        return await self._confirm(order, landed.fill, "landed" if known else ended)

    async def _confirm(self, order: Order, fill: Fill, swap_ended: str | None) -> Order | None:
        stopped: list[UUID] = []
        moved = await self.mover.move(
            order, Status.CONFIRMED, lambda: move_sql.confirm(self.line, order, fill, swap_ended, stopped)
        )
        self.mover.tell(stopped)
        return moved
