"""What the steps of an execution share: a move with its failpoints and its hint, and an attempt's end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from oee_daemon import failpoints
from oee_daemon.contract.status import FINAL, Status
from oee_daemon.engine import returning
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders.conditions import Back
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import VenueAnswer
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import move_sql
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import Growing, Timing

log = logging.getLogger(__name__)

#: Statuses that end an attempt: final, `pending` again, or waiting again.
ENDS = FINAL | {Status.PENDING, Status.WAITING}
#: Seconds after which whoever watches is told of an order that goes on: by then its next flight has departed.
HINT_S = 0.001


def backoff(attempt: int, bounds: Growing) -> timedelta:
    """The wait after attempt number `attempt` (from 1): doubling within `bounds`, with a jitter of a
    quarter."""
    first, most = bounds
    # The exponent is bounded too: attempts and asks may count far.
    seconds = min(most, first * 2 ** min(attempt - 1, 20))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.0))  # noqa: S311


class Mover:
    """Moves orders that this worker holds. `max_attempts`: how often one may be tried."""

    def __init__(self, line: Line, feed: Feed, *, max_attempts: int, timing: Timing) -> None:
        self._line = line
        self._feed = feed
        self._max_attempts = max_attempts
        self._timing = timing
        #: Moved, and to be told of.
        self._moved: list[UUID] = []

    async def move(
        self, order: Order, to: Status, move: Callable[[], Awaitable[Order | None]]
    ) -> Order | None:
        """One move and its hint: the only place where an order that is held moves."""
        failpoints.hit(f"before_{to}", order.attempt)
        moved = await move()
        failpoints.hit(f"after_{to}", order.attempt)
        if moved is not None:
            self.publish(moved)
        return moved

    async def expire(self, order: Order) -> Order | None:
        """Ends an order whose time is over, or lets it wait for its price again. Where our own faults used it
        up, the order says so."""
        back = returning.over(order)
        if back is not None:
            message = "It could not be filled in the time that each firing has."
            over = AttemptFailed(message, code="firing_over", retryable=True)
            if (moved := await self._wait(order, back, over, (), None)) is not None:
                return moved
        failure = None
        if order.faults:
            found = f"{order.faults} of them, the last {order.fault}"
            message = f"Faults of the engine kept it from being executed in time ({found})."
            failure = AttemptFailed(message, code="engine_fault", retryable=True)
        return await self.move(order, Status.EXPIRED, lambda: move_sql.expire(self._line, order, failure))

    async def end_attempt(
        self,
        order: Order,
        failure: AttemptFailed,
        *,
        answers: Sequence[VenueAnswer] = (),
        swap_ended: str | None = None,
        bars: str | None = None,
        spare: bool = False,
    ) -> Order | None:
        """The attempt has failed: another one after a pause, or the order's end. `bars`: a venue that the
        order asks no more, from this very move on; `spare`: another one follows however many there were."""
        # A venue that is barred is not asked again: another one may do.
        back = None if bars or spare else returning.returns(order, failure, self._max_attempts)
        if back is not None:
            moved = await self._wait(order, back, failure, answers, swap_ended)
            if moved is not None:
                return moved
            if failure.code != returning.NO_TURN and order.status is not Status.SUBMITTED:
                return await self.move(
                    order, Status.EXPIRED, lambda: move_sql.expire(self._line, order, failure)
                )
        follows = returning.again(order, failure, self._max_attempts, barred=bars is not None)
        if back is not None or follows or (spare and failure.retryable):
            delay = backoff(returning.pauses(order), self._timing.backoff_s)
            rejections = returning.rejections(order, failure)
            retried = await self.move(
                order,
                Status.PENDING,
                lambda: move_sql.retry(
                    self._line,
                    order,
                    failure,
                    delay,
                    answers,
                    swap_ended,
                    bars,
                    rejections=rejections,
                ),
            )
            if retried is not None or order.group_id is None:
                return retried
            # Only doubt brings an order here whose group's turn is not its own.
            failure = returning.turnless(retryable=False)
        return await self.move(
            order, Status.FAILED, lambda: move_sql.fail(self._line, order, failure, answers, swap_ended, bars)
        )

    async def _wait(
        self,
        order: Order,
        back: Back,
        failure: AttemptFailed,
        answers: Sequence[VenueAnswer],
        swap_ended: str | None,
    ) -> Order | None:
        """None, too: the time for which it may wait is over."""
        code = {returning.GONE: "under_floor" if back.latched else "moved_away"}.get(
            failure.code, failure.code
        )
        why = {"code": code, "message": failure.message}
        return await self.move(
            order,
            Status.WAITING,
            lambda: move_sql.wait(self._line, order, back, why, answers, swap_ended),
        )

    def publish(self, moved: Order) -> None:
        """Tells whoever watches that the order has moved."""
        self.tell([moved.id], goes_on=moved.status not in ENDS)
        # What an attempt came to is for everybody; its steps are events of the order, and cost a tenth of it.
        level = logging.INFO if moved.status in ENDS else logging.DEBUG
        if log.isEnabledFor(level):
            extra = {"order_id": moved.id, "status": moved.status.value, "attempt": moved.attempt}
            log.log(level, "moved", extra=extra | {"venue": moved.venue, "signature": moved.signature})

    def tell(self, moved: Sequence[UUID], *, goes_on: bool = False) -> None:
        """Whoever watches is told of orders that have moved, by one hint for all of a flight. `goes_on`: what
        they do next goes first."""
        if moved:
            asyncio.get_running_loop().call_later(HINT_S if goes_on else 0, self._send_hint)
        self._moved += moved

    def _send_hint(self) -> None:
        moved, self._moved = self._moved, []
        if moved:
            self._feed.publish(*moved)
