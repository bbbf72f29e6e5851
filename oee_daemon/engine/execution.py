"""Runs one order from whatever status it is in to its end, or to where it has to wait.

Every step is the same: read, call the outside with nothing held, commit the move. What a crash leaves is
always a status from which the same step can be done again; the one call with an effect, `chain.submit`,
comes only after the signed bytes are committed, and only the chain's own word ends an attempt.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon import failpoints
from oee_daemon.contract.status import FINAL, Status
from oee_daemon.engine import recall, routing
from oee_daemon.engine.outside import Outside, request_of
from oee_daemon.engine.slots import Hands, Slots
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.fault_log import FaultLog, where
from oee_daemon.networks.network import Network
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Landed, Lapsed, Outcome, Rejected, SignedSwap, Unknown, VenueAnswer
from oee_daemon.queue.feed import Feed
from oee_daemon.store import leases, moves

log = logging.getLogger(__name__)

#: Seconds past the expected confirmation for which a thread asks before it lets go.
ASK_S = 10.0
#: Seconds between two sends of the same bytes, and the longest single wait for the chain.
RESEND_S = 2.0
#: Seconds between attempts: doubling from the first to the second, with a jitter of a quarter.
BACKOFF_S = (0.5, 10.0)
#: Seconds until an order with an unknown outcome is asked about again: doubling, for ever.
PAUSE_S = (2.0, 60.0)
#: Seconds until an order is run again whose run ended in a fault of ours: doubling with each of its faults.
FAULT_PAUSE_S = (0.5, 60.0)
#: What an attempt can end in.
ENDS = FINAL | {Status.PENDING}
#: When an order comes back that found no slot before its worker stopped.
COME_AGAIN = timedelta(milliseconds=100)


def backoff(attempt: int, bounds: tuple[float, float] = BACKOFF_S) -> timedelta:
    """The wait after attempt number `attempt` (from 1) has failed."""
    first, most = bounds
    # The exponent is bounded too: attempts and asks may count far.
    seconds = min(most, first * 2 ** min(attempt - 1, 20))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.0))  # noqa: S311


class Execution:
    """One worker's hands. `owner` names it in leases; `busy` is what it is working on right now."""

    def __init__(
        self,
        db: Engine,
        network: Network,
        feed: Feed,
        *,
        owner: str,
        threads: int,
        max_attempts: int,
        max_active: int,
    ) -> None:
        self._db = db
        self._network = network
        self._feed = feed
        self._owner = owner
        self._max_attempts = max_attempts
        self.slots = Slots(owner=owner, network=network.name, most=max_active)
        self._faults = FaultLog()
        self._outside = Outside(network, threads, self._faults)
        self._hands = Hands()

    @property
    def busy(self) -> list[UUID]:
        return self._hands.orders()

    @property
    def longest_s(self) -> float:
        """For how long the order that it has been at for the longest time has been in its hands, or nobody
        outside can be asked by it any more, seconds."""
        return max(self._hands.longest_s(), self._outside.hang_s)

    def stop(self) -> None:
        """What runs goes on; who waits for a slot comes back later."""
        self.slots.stop()

    def close(self) -> None:
        """Ends the threads that ask venues and the chain; call it when nothing runs any more."""
        self._outside.close()

    def run(self, order_id: UUID) -> timedelta | None:
        """Runs the order as far as it goes. Returns when it wants to be run again, if ever.

        Never raises: a fault costs this one order a pause, and nobody a slot. Where Postgres is away the
        order is as it was last committed, and recovery goes on from there.
        """
        if not self._hands.take(order_id):
            return None
        try:
            with self._db.connect() as conn:
                return self._run(conn, order_id)
        except Exception as e:
            return self._give_back(order_id, e)
        finally:
            self._hands.leave(order_id)

    def _give_back(self, order_id: UUID, fault: Exception) -> timedelta | None:
        """The run has ended in a fault: wherever the order had got to, its next run goes on from there."""
        reason = where(fault)
        try:
            with self._db.connect() as conn:
                given = leases.give_back(conn, order_id, self._owner, reason, FAULT_PAUSE_S)
        except SQLAlchemyError:
            log.warning("Postgres is away: left as it was", extra={"order_id": order_id, "reason": reason})
            return None
        faults, pause = given or (None, None)
        again_in_s = None if pause is None else round(pause.total_seconds(), 1)
        what = {"order_id": order_id, "faults": faults, "again_in_s": again_in_s}
        self._faults.say("a run ended in a fault", fault, **what)
        return pause

    def _run(self, conn: Connection, order_id: UUID) -> timedelta | None:
        try:
            claimed = self.slots.claim(conn, order_id)
        except leases.NoSlot:
            return COME_AGAIN
        if claimed is None:
            return None
        order, begun = claimed
        self._hands.begun(order_id)
        failpoints.hit("claimed", order.attempt)
        if begun:
            failpoints.hit("after_routing", order.attempt)
            self._told(order)
        try:
            return self._go(conn, order)
        finally:
            self.slots.given_back()

    def _go(self, conn: Connection, order: Order) -> timedelta | None:
        """From the status that it was found in, as far as it goes."""
        if order.expired_by_now and order.status is not Status.SUBMITTED:
            self._expire(conn, order)
            return None
        moved: Order | None = order
        swap: SignedSwap | None = None
        if order.status is Status.ROUTING:
            moved = self._route(conn, order)
        if moved is not None and moved.status is Status.BUILDING:
            moved, swap = self._build(conn, moved)
        if moved is not None and moved.status is Status.SUBMITTED:
            moved = self._settle(conn, moved, swap or moves.live_swap(conn, moved.id))
        if moved is None or moved.status is not Status.PENDING:
            return None
        assert moved.next_run_at is not None
        return moved.next_run_at - moved.updated_at

    def _move(self, order: Order, to: Status, move: Callable[[], Order | None]) -> Order | None:
        """One move and its hint: the only place where an order that is held moves."""
        failpoints.hit(f"before_{to}", order.attempt)
        moved = move()
        failpoints.hit(f"after_{to}", order.attempt)
        if moved is not None:
            self._told(moved)
        return moved

    def _expire(self, conn: Connection, order: Order) -> Order | None:
        """Its time is over. Where our own faults used it up, the order says so."""
        failure = None
        if order.faults:
            found = f"{order.faults} of them, the last {order.fault}"
            message = f"Faults of the engine kept it from being executed in time ({found})."
            failure = AttemptFailed(message, code="engine_fault", retryable=True)
        return self._move(order, Status.EXPIRED, lambda: moves.expire(conn, order, failure))

    def _told(self, moved: Order) -> None:
        self._feed.publish(moved.id)
        # What an attempt came to is for everybody; its steps are events of the order, and cost a tenth of it.
        level = logging.INFO if moved.status in ENDS else logging.DEBUG
        if log.isEnabledFor(level):
            extra = {"order_id": moved.id, "status": moved.status.value, "attempt": moved.attempt}
            log.log(level, "moved", extra=extra | {"venue": moved.venue, "signature": moved.signature})

    def _route(self, conn: Connection, order: Order) -> Order | None:
        request = request_of(order, self._network.tokens)
        answers = routing.ask(self._network.venues, request, self._outside.asking)
        try:
            best = routing.choose(answers, order.swap_mode, order.bound)
        except AttemptFailed as failure:
            return self._fail(conn, order, failure, answers=answers)
        # What the first choice fixes, later choices find fixed.
        fixed = routing.bound_of(best, order.swap_mode, order.slippage_bps)
        bound = fixed if order.bound is None else order.bound
        return self._move(order, Status.BUILDING, lambda: moves.choose(conn, order, best, answers, bound))

    def _build(self, conn: Connection, order: Order) -> tuple[Order | None, SignedSwap | None]:
        try:
            swap = self._sign(order)
        except AttemptFailed as e:
            return self._fail(conn, order, e), None
        except ChainUnavailable as e:
            failure = AttemptFailed(e.message, code=e.code, retryable=True)
            return self._fail(conn, order, failure), None
        failpoints.hit("signed", order.attempt)
        # The write ahead: status and signed bytes in one commit, before anything is sent. Where its
        # answer is lost this raises, the bytes are thrown away unsent, and the next claim goes on from
        # what Postgres says: `submitted` with them, or `building` without.
        moved = self._move(order, Status.SUBMITTED, lambda: moves.submit(conn, order, swap))
        return (moved, swap) if moved is not None else (self._too_late(conn, order), None)

    def _too_late(self, conn: Connection, order: Order) -> Order | None:
        """It could not be stored: another holder has it, or its time is over and nothing of it has left."""
        current = leases.extend(conn, order)
        if current is not None and current.expired_by_now:
            return self._expire(conn, current)
        return None

    def _sign(self, order: Order) -> SignedSwap:
        return self._outside.signed(order)

    def _settle(self, conn: Connection, order: Order, swap: SignedSwap | None) -> Order | None:
        """Sends the stored bytes and asks the chain, until it says what became of them or time is up."""
        if swap is None:
            return self._recalled(conn, order, None, None)
        until = time.monotonic() + self._network.chain.expected_s() + ASK_S
        current: Order | None = order
        while current is not None:
            # Past its time nothing is sent any more; what an earlier send left is still asked about.
            if not current.expired_by_now:
                self._send(swap)
            outcome = self._outcome(swap)
            if isinstance(outcome, Landed):
                return self._confirm(conn, current, outcome, swap_ended="landed")
            if not isinstance(outcome, Unknown):
                return self._recalled(conn, current, swap, outcome)
            if time.monotonic() >= until:
                if recall.elsewhere(conn, self._outside.chain, current):
                    return self._recalled(conn, current, None, None)
                pause = backoff(current.asks + 1, PAUSE_S)
                log.warning(
                    "outcome unknown, asking again later",
                    extra={"order_id": order.id, "signature": swap.signature, "reason": outcome.reason},
                )
                leases.let_go(conn, current, pause)
                return None
            current = leases.extend(conn, current)
        return None

    def _send(self, swap: SignedSwap) -> None:
        """Whatever the answer is, it ends nothing: an earlier send of the same bytes may still land."""
        try:
            self._outside.chain.submit(swap)
        except ChainUnavailable as e:
            extra = {"order_id": swap.order_id, "attempt": swap.attempt, "signature": swap.signature}
            log.warning("sent without an answer", extra=extra | {"reason": e.message})
        failpoints.hit("sent", swap.attempt)

    def _outcome(self, swap: SignedSwap) -> Outcome:
        try:
            return self._outside.outcome(swap, RESEND_S)
        except ChainUnavailable as e:
            # A chain that can't be asked answers at once: don't turn that into a busy loop.
            time.sleep(RESEND_S / 4)
            return Unknown(e.message)

    def _recalled(
        self, conn: Connection, order: Order, swap: SignedSwap | None, said: Rejected | Lapsed | None
    ) -> Order | None:
        """Its stored swap moved nothing, or there is none: unless another one is in doubt, that ends it."""
        ended = None if said is None else "rejected" if isinstance(said, Rejected) else "lapsed"
        try:
            landed = recall.ask(conn, self._outside.chain, order, said)
        except recall.StillInDoubt as e:
            leases.let_go(conn, order, e.pause)
            return None
        except AttemptFailed as failure:
            return self._fail(conn, order, failure, swap_ended=ended)
        known = swap is not None and swap.signature == landed.fill.signature
        return self._confirm(conn, order, landed, swap_ended="landed" if known else ended)

    def _confirm(
        self, conn: Connection, order: Order, outcome: Landed, *, swap_ended: str | None
    ) -> Order | None:
        return self._move(
            order, Status.CONFIRMED, lambda: moves.confirm(conn, order, outcome.fill, swap_ended)
        )

    def _fail(
        self,
        conn: Connection,
        order: Order,
        failure: AttemptFailed,
        *,
        answers: Sequence[VenueAnswer] = (),
        swap_ended: str | None = None,
    ) -> Order | None:
        """Ends the attempt: another one after a pause, or the order's end."""
        if failure.retryable and order.attempt < self._max_attempts:
            delay = backoff(order.attempt)
            return self._move(
                order,
                Status.PENDING,
                lambda: moves.retry(conn, order, failure, delay, answers, swap_ended),
            )
        return self._move(order, Status.FAILED, lambda: moves.fail(conn, order, failure, answers, swap_ended))
