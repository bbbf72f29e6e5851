"""Runs one order from whatever status it is in to its end, or to where it has to wait.

Every step is the same: read, call the outside with nothing held, commit the move. What a crash leaves is
always a status from which the same step can be done again; the one call with an effect, `chain.submit`,
comes only after the signed bytes are committed, and only the chain's own word ends an attempt.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_loop import Loop
from oee_daemon.engine.engine_moves import Mover
from oee_daemon.engine.engine_new_token_checks import NewTokenChecks
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_outside import Outside
from oee_daemon.engine.engine_send_gate import Gate
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.engine.execution_attempt import Attempt
from oee_daemon.engine.execution_slots import Hands, Slots
from oee_daemon.engine.settlement import Settlement
from oee_daemon.errors import WalletLocked
from oee_daemon.fault_log import FaultLog, where
from oee_daemon.networks.network import Network
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import SignedSwap
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import lease_sql
from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import USUAL, Timing

log = logging.getLogger(__name__)

#: When an order comes back that found no slot before its worker stopped.
COME_AGAIN = timedelta(milliseconds=100)


class Execution:
    """One worker's hands. `owner` names it in leases; `busy` is what it is working on right now."""

    def __init__(
        self,
        db: Engine,
        line: Line,
        loop: Loop,
        network: Network,
        feed: Feed,
        *,
        owner: str,
        max_attempts: int,
        max_active: int,
        urgent_places: int = 0,
        timing: Timing = USUAL,
        gate: Gate | None = None,
    ) -> None:
        """`gate`: what every send passes; none where nobody halts."""
        self._db = db
        self._loop = loop
        self._owner = owner
        self._timing = timing
        self.slots = Slots(
            db,
            line,
            owner=owner,
            network=network.name,
            most=max_active,
            urgent=urgent_places,
            lease=timing.lease,
            locked=lambda: network.wallet.locked,
            # Not before there is an attempt, and there is one before anything is claimed.
            seen=lambda order: self._attempt.ask_ahead(order),
        )
        self.gate = gate or Gate()
        self._faults = FaultLog()
        self._outside = Outside(network, self._faults)
        self._hands = Hands()
        #: A run ended because Postgres did not answer; who handed the order out does not know that nobody has
        #: it any more, and says that it has seen this by setting it to false.
        self.left_some = False
        self._mover = Mover(line, feed, max_attempts=max_attempts, timing=timing)
        self._checks = OrderChecks(network, TokenDesk(db, network), self._faults)
        hands = (self._outside, self._mover, self.gate, timing)
        new_tokens = NewTokenChecks(network, self._faults)
        self._attempt = Attempt(db, line, *hands, self._checks, new_tokens)
        self._settlement = Settlement(db, line, *hands, where=lambda: self.slots.where)

    @property
    def busy(self) -> list[UUID]:
        return self._hands.orders()

    @property
    def busy_threads(self) -> int:
        return self._hands.threads()

    @property
    def longest_s(self) -> float:
        """For how long the order that it has been at for the longest time has been in its hands, or the loop
        has not come round, seconds."""
        return max(self._hands.longest_s(), self._loop.hang_s)

    def stop(self) -> None:
        """What runs goes on; who waits for a slot comes back later."""
        self.slots.stop()

    def run(self, order_id: UUID) -> timedelta | None:
        """Runs the order as far as it goes, while the thread waits. Returns when it wants to be run again, if
        ever.

        Never raises: a fault costs this one order a pause, and nobody a slot. Where Postgres is away the
        order is as it was last committed, and recovery goes on from there.
        """
        return self._loop.run(self._run(order_id))

    async def run_urgent(self, order_id: UUID, line: Line | None = None) -> timedelta | None:
        """As `run`, for what can't wait, on the loop itself: no thread waits, nor is waited for. `line`: on
        which it is claimed, behind what was asked there in this turn of the loop."""
        return await self._run(order_id, urgent=True, line=line)

    async def prepare(self, order: Order, line: Line) -> None:
        """Asks whatever an attempt of the order would ask, so that the ways there are open when it begins:
        Postgres, on `line` too, both tokens, every venue, the chain. Changes nothing. Raises what they do."""
        await self._checks.know_tokens(order)
        await asyncio.gather(
            self.slots.ensure(),
            self.slots.warm(line),
            self._outside.quotes(order),
            self._outside.chain.anchor(),
        )

    async def _run(
        self, order_id: UUID, *, urgent: bool = False, line: Line | None = None
    ) -> timedelta | None:
        if not self._hands.take(order_id, threadless=urgent):
            return None
        try:
            return await self._claim_and_go(order_id, urgent, line)
        except Exception as e:
            return await self._give_back(order_id, e)
        finally:
            self._hands.leave(order_id)
            self._attempt.forget(order_id)

    async def _give_back(self, order_id: UUID, fault: Exception) -> timedelta | None:
        """The run has ended in a fault: wherever the order had got to, its next run goes on from there."""
        reason = where(fault)
        pauses = self._timing.fault_pause_s
        try:
            given = await aside(self._db, lease_sql.give_back, order_id, self._owner, reason, pauses)
        except SQLAlchemyError:
            log.warning("Postgres is away: left as it was", extra={"order_id": order_id, "reason": reason})
            self.left_some = True
            return None
        # It answers again, and the order had not been claimed.
        self.left_some |= given is None and isinstance(fault, OperationalError)
        faults, pause = given or (None, None)
        again_in_s = None if pause is None else round(pause.total_seconds(), 1)
        what = {"order_id": order_id, "faults": faults, "again_in_s": again_in_s}
        self._faults.say("a run ended in a fault", fault, **what)
        return pause

    async def _claim_and_go(self, order_id: UUID, urgent: bool, line: Line | None) -> timedelta | None:
        try:
            claimed = await self.slots.claim(order_id, urgent=urgent, line=line)
        except lease_sql.NoSlot:
            return COME_AGAIN
        if claimed is None:
            return None
        order, begun = claimed
        self._hands.begun(order_id)
        failpoints.hit("claimed", order.attempt)
        if begun:
            failpoints.hit("after_routing", order.attempt)
            self._mover.publish(order)
        try:
            return await self._go(order)
        finally:
            self.slots.given_back()

    async def _go(self, order: Order) -> timedelta | None:
        """From the status that it was found in, as far as it goes."""
        if order.expired_by_now and order.status is not Status.SUBMITTED:
            await self._mover.expire(order)
            return None
        moved: Order | None = order
        swap: SignedSwap | None = None
        if order.status is Status.ROUTING:
            moved = await self._attempt.route(order)
        if moved is not None and moved.status is Status.BUILDING:
            building = moved
            try:
                moved, swap = await self._attempt.build(building, found=building is order)
            except WalletLocked:
                # Since it was claimed: it waits as it is for whoever has the key.
                await aside(self._db, lease_sql.let_go, building, COME_AGAIN)
                return None
        if moved is not None and moved.status is Status.SUBMITTED:
            moved = await self._settlement.settle(moved, swap)
        if moved is None or moved.status is not Status.PENDING:
            return None
        assert moved.next_run_at is not None
        return moved.next_run_at - moved.updated_at
