"""The first half of an attempt: ask the venues, choose, build, sign, and store what was signed.

Nothing has left yet: whatever a venue or the chain does wrong ends the attempt as a result.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_quotes, returning
from oee_daemon.engine.engine_moves import Mover
from oee_daemon.engine.engine_new_token_checks import Judged, NewTokenChecks, verdicts_told
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_outside import Outside
from oee_daemon.engine.engine_send_gate import Gate
from oee_daemon.engine.engine_token_safety import Check
from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap
from oee_daemon.networks.holdings import Means
from oee_daemon.orders.conditions import is_unbound
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, SignedSwap, VenueAnswer
from oee_daemon.store import group_sql, lease_sql, move_sql
from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import Timing

log = logging.getLogger(__name__)

#: When an order is due again that a halt has stopped; it waits for the halt's end all the same.
HALTED_PAUSE = timedelta(milliseconds=100)
#: Checks of a new token that an earlier run made: they say nothing of now.
OLD_CHECKS = "checks_outdated"
#: What ends an attempt before anything is signed and is not its venue's doing, or is asked elsewhere anyway.
NOT_ITS_OWN = ("insufficient_funds", "unknown_token", "quote_wrong", OLD_CHECKS)
#: Orders of which it is remembered whose swap could not be made.
_REMEMBERED = 1_000
#: Seconds for which what was asked before a claim was durable serves its attempt: a slow disk makes no old
#: prices.
AHEAD_S = 0.1


class Asked(NamedTuple):
    """What the outside says before a choice. `judged`: of a new token."""

    means: Sequence[Means]
    judged: Judged | None
    answers: list[VenueAnswer]


@dataclass(eq=False)
class Attempt:
    """One worker's way from `routing` to `submitted`."""

    db: Engine
    line: Line
    outside: Outside
    mover: Mover
    gate: Gate
    timing: Timing
    checks: OrderChecks
    new_tokens: NewTokenChecks

    def __post_init__(self) -> None:
        #: What is asked for orders whose claim waits for the disk, and since when.
        self._ahead: dict[UUID, tuple[float, asyncio.Task[Asked]]] = {}
        #: By order, the venue that could not make its swap: the next attempt goes elsewhere, if it can. Lost
        #: with this process, which costs an attempt.
        self._failed: dict[UUID, str] = {}

    def ask_ahead(self, order: Order) -> None:
        """Asks what `route` will ask, while the order's claim waits for the disk: to ask changes nothing."""
        self.forget(order.id)
        if order.status is Status.ROUTING and not order.expired_by_now:
            asking = asyncio.get_running_loop().create_task(self._ask(order))
            # Whoever needs the answer hears of its fault.
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._ahead[order.id] = time.monotonic(), asking

    def forget(self, order_id: UUID) -> None:
        """What was asked ahead is of no use: the claim has failed, or another came of it."""
        if order_id in self._ahead:
            self._ahead.pop(order_id)[1].cancel()

    async def _ask(self, order: Order) -> Asked:
        """Raises `AttemptFailed`."""
        means = await self.checks.before_routing(order)
        if order.token_address is None:
            return Asked(means, None, await self.outside.quotes(order))
        judged = await self.new_tokens.before_routing(order)
        return Asked(means, judged, await self.outside.quotes(order, judged.venue, judged.route))

    async def _ask_or_take(self, order: Order) -> Asked:
        begun, asking = self._ahead.get(order.id, (0.0, None))
        if asking is not None and time.monotonic() - begun <= AHEAD_S:
            return await asking
        return await self._ask(order)

    async def route(self, order: Order) -> Order | None:
        """Chooses the best quote that keeps the order's bound, or ends the attempt."""
        answers: Sequence[VenueAnswer] = ()
        verdicts: Sequence[Check] = ()
        try:
            means, judged, answers = await self._ask_or_take(order)
            answers, best, bound = await self._choose(order, answers, means)
            if judged is not None:
                verdicts = await self.new_tokens.at_choice(order, best, judged)
        except AttemptFailed as failure:
            return await self.mover.end_attempt(order, failure, answers=answers)
        told, lease = verdicts_told(verdicts), self.timing.lease
        return await self.mover.move(
            order,
            Status.BUILDING,
            lambda: move_sql.choose(self.line, order, best, answers, bound, verdicts=told, lease=lease),
        )

    async def _choose(
        self, order: Order, answers: Sequence[VenueAnswer], means: Sequence[Means]
    ) -> tuple[Sequence[VenueAnswer], Quote, int]:
        """The best quote, or one hardly worse where the wallet lacks what the accounts on the best one's way
        take, with its bound and the answers as it was chosen of. Raises `AttemptFailed`."""
        # A stop without a limit has a bound in name alone.
        set_bound = None if is_unbound(order.limit_price) else order.bound
        left_out, why = self._failed.pop(order.id, None), engine_quotes.UNMADE
        short: AttemptFailed | None = None
        while True:
            answers, best = engine_quotes.choose_elsewhere(answers, left_out, order, set_bound, why)
            if short is not None and best.venue == left_out:
                raise short
            # What the first choice fixes, later choices find fixed.
            fixed = engine_quotes.bound_of(best, order.swap_mode, order.slippage_bps)
            bound = fixed if order.bound is None else order.bound
            try:
                await self.checks.at_choice(order, best, bound, means)
            except AttemptFailed as failure:
                if failure.code != "insufficient_funds":
                    raise
                short, left_out, why = short or failure, best.venue, engine_quotes.UNPAID
                if best.toll is None or not best.toll.opens:
                    raise short from None
            else:
                return answers, best, bound

    async def build(self, order: Order, *, found: bool) -> tuple[Order | None, SignedSwap | None]:
        """Signs a swap of the stored choice and stores it, or ends the attempt. Under a halt the order stays
        as it is. `found`: an earlier run made the choice, and nobody knows how long ago."""
        if self.gate.shut:
            return await self._stay(order), None
        if found and order.token_address is not None:
            # A new token may have been emptied since its checks passed.
            message = "Its token was checked before the engine stopped: it is checked anew."
            return await self.mover.end_attempt(
                order, AttemptFailed(message, code=OLD_CHECKS, retryable=True)
            ), None
        try:
            await self.checks.know_tokens(order)
            swap = await self.outside.signed(order)
        except UnsafeSwap as refused:
            return await self._bar(order, refused), None
        except AttemptFailed as failure:
            self._note(order, failure)
            return await self.mover.end_attempt(order, failure), None
        except ChainUnavailable as e:
            unanchored = AttemptFailed(e.message, code=e.code, retryable=True)
            return await self.mover.end_attempt(order, unanchored), None
        failpoints.hit("signed", order.attempt)
        if self.gate.shut:
            return await self._stay(order), None
        # The write ahead: status and signed bytes in one commit, before anything is sent. Where its
        # answer is lost this raises, the bytes are thrown away unsent, and the next claim goes on from
        # what Postgres says: `submitted` with them, or `building` without.
        moved = await self.mover.move(
            order, Status.SUBMITTED, lambda: move_sql.submit(self.line, order, swap, lease=self.timing.lease)
        )
        return (moved, swap) if moved is not None else (await self._stay(order), None)

    def _note(self, order: Order, failure: AttemptFailed) -> None:
        if order.venue is None or failure.code in NOT_ITS_OWN:
            return
        while len(self._failed) >= _REMEMBERED:
            del self._failed[next(iter(self._failed))]
        self._failed[order.id] = order.venue

    async def _bar(self, order: Order, refused: UnsafeSwap) -> Order | None:
        """The order asks that venue no more: its price may be the best again just because it is a lie."""
        another = len(self.outside.venues_of(order)) > 1
        said = f"{refused.message} {order.venue} is not asked again for this order."
        failure = AttemptFailed(said, code=refused.code, retryable=another)
        log.warning(
            "a swap is not signed", extra={"order_id": order.id, "venue": order.venue, "code": refused.code}
        )
        return await self.mover.end_attempt(order, failure, bars=order.venue)

    async def _stay(self, order: Order) -> Order | None:
        """No swap may be stored: another holder has the order, its time is over, it is not its turn, or the
        engine is halted. In that case it is as good as never claimed; recovery finds it once the halt is
        over."""
        current = await aside(self.db, lease_sql.extend, order, self.timing.lease)
        if current is None:
            return None
        if current.expired_by_now:
            return await self.mover.expire(current)
        if current.group_id is not None and not await aside(self.db, group_sql.has_turn, current.id):
            return await self.mover.end_attempt(current, returning.turnless())
        await aside(self.db, lease_sql.let_go, current, HALTED_PAUSE)
        return None
