"""Accepts orders and cancels them. The only place where an order begins.

What was answered is durable. What comes at the same time shares its commit, and then its ring, which no
answer waits for: what was not rung is rung by recovery. A key makes a repetition harmless; without one every
request is a new order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract import halt_mark
from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.contract.status import UNSENT, Status
from oee_daemon.engine.engine_identity import Identity
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.engine.group_intake import Joining, refuse_group_key
from oee_daemon.engine.retention import refuse_spent
from oee_daemon.errors import Conflict, Halted, KeyConflict, NotFound, Unavailable, WalletLocked
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.queue.queue_broker import LOOK, Broker, ring_all
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import cancel_sql, creating_sql, halt_row, move_sql, order_rows
from oee_daemon.store.cancel_sql import Chosen
from oee_daemon.store.creating_sql import Armed, New
from oee_daemon.store.database import aside
from oee_daemon.store.engine_row import Where
from oee_daemon.store.postgres_line import Line

#: Seconds that a request waits for another with its key; clients wait for 10. Seconds between two tries.
SAME_KEY_S, AGAIN_S = 8.0, 0.1
#: Orders that are cancelled in one statement, and the seconds after which the rest is left to another call;
#: seconds between two looks at what is being moved.
CANCEL_AT_ONCE, CANCEL_S, CANCEL_AGAIN_S = 200, 8.0, 0.02
#: A launch that is nearer than this may come before the watcher's next beat has seen it.
LOOK_AHEAD = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """How many orders were stopped, which of the rest may be on the chain, and how many are still to be
    stopped."""

    count: int
    sent: list[UUID]
    unsent: int


@dataclass(eq=False)
class Intake:
    """Where orders come in. `identity`: tells whether what the database says can be relied on; none where
    nobody asks. `lock`: tells whether an order could be signed; none where it always can. `limits`: those for
    all orders, where any is set. `home`: where the mark of a halt would be, where Postgres does not have it
    yet. `keeps`: what an order is accepted under, as `Terms` has it."""

    db: Engine
    line: Line
    broker: Broker
    feed: Feed
    _: KW_ONLY
    network: str
    identity: Identity | None = None
    lock: WalletLock | None = None
    limits: SpendingLimits | None = None
    home: Path | None = None
    keeps: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self._joining = Joining(self.db, self.network)
        #: Stored in this turn of the loop, and to be rung for.
        self._new: list[UUID] = []
        # For what has to wait: a queue that is away or frozen holds up no request.
        self._bell = ThreadPoolExecutor(1, thread_name_prefix="bell")

    def close(self) -> None:
        """Once all that was accepted has been rung for."""
        self._bell.shutdown()

    async def check(self, terms: Terms, key: str | None) -> None:
        """Checks all that `accept` checks, without storing. Raises as it does."""
        if (known := await asyncio.to_thread(self._of_key, key)) is not None:
            self._same(known, terms)
            return
        if terms.oco is not None:
            await asyncio.to_thread(self._joining.check, terms)
        if self.lock is not None:
            await self.lock.require()
        if halt_mark.halts(self.home, self.network) or (await aside(self.db, halt_row.read)) is not None:
            raise Halted
        if self.limits is not None:
            await self.limits.check(terms, waits=terms.waits)

    def is_known(self, key: str | None) -> bool:
        """Whether an order was placed under that key, kept or not: then `accept` stores nothing new."""
        return self._of_key(key) is not None

    def _of_key(self, key: str | None) -> Order | None:
        """The order that was placed under that key. Raises `Conflict` where it is no longer kept, and
        `KeyConflict` where it is a group's."""
        if key is None:
            return None
        with self.db.connect() as conn:
            known = order_rows.find_key(conn, key)
            if known is None:
                refuse_group_key(conn, key)
                refuse_spent(conn, key)
        return known

    async def accept(self, terms: Terms, key: str | None, armed: Armed | None = None) -> tuple[Order, bool]:
        """Stores the order and rings. Returns it, and whether it is new. `armed`: of one that waits, which
        nobody is rung for.

        With a `key` that is known: the order as it is now. Raises `KeyConflict` where the key came with other
        values before, `Conflict` where its order is no longer kept, and `Unavailable` where another request
        with it hangs. Raises `WalletLocked`, and stores nothing, where a new order could not be signed,
        `Halted` where none is accepted, and `OverLimit` where a limit leaves no room. One that joins a group:
        raises as `group_placing_sql.join`.
        """
        if self.lock is not None and (known := await self._refuse_locked(self.lock, terms, key)):
            return known, False
        new = New(terms.keeping(self.keeps), key, armed)
        if self.limits is None:
            order = await self._create(new)
        else:
            order = await self._create_within(self.limits, new)
        if order is None:
            return self._same(await asyncio.to_thread(self._of_key, key), terms), False
        failpoints.hit("accepted")
        if armed is not None:
            self.look_ahead(order)
            self.feed.publish(order.id)
            return order, True
        self._new.append(order.id)
        if len(self._new) == 1:
            asyncio.get_running_loop().call_soon(self._send_news)
        # The bell rings before anybody is answered: to write the answers of a flight takes longer.
        await asyncio.sleep(0)
        return order, True

    def look_ahead(self, order: Order) -> None:
        """Wakes who watches where the order's time, as it was just stored, may come before the next beat."""
        if order.launch_at is not None and order.launch_at - order.updated_at < LOOK_AHEAD:
            # Where no thread can be started the next beat sees it: what is stored is not denied for that.
            with suppress(RuntimeError):
                self._bell.submit(ring_all, self.broker, [LOOK])

    async def _refuse_locked(self, lock: WalletLock, terms: Terms, key: str | None) -> Order | None:
        """The order that a key is of: it was accepted, however it stands with the wallet by now."""
        try:
            await lock.require()
        except WalletLocked:
            known = None if key is None else await aside(self.db, order_rows.find_key, key)
            if known is None:
                raise
            return self._same(known, terms)
        return None

    async def _create_within(self, limits: SpendingLimits, new: New) -> Order | None:
        """None where the key is known: its order was within them then."""
        if await asyncio.to_thread(self.is_known, new.key):
            return None
        terms, reserving = await limits.admit(new.terms, waits=new.armed is not None)
        new = replace(new, terms=terms, reserving=reserving)
        return await limits.within(reserving, lambda: self._create_unless_known(new))

    async def _create_unless_known(self, new: New) -> Order | None:
        """As `_create`; of several with one key that came in one moment the first may have had no room, and
        then the others have no order that they would repeat."""
        while True:
            order = await self._create(new)
            if order is not None or await asyncio.to_thread(self.is_known, new.key):
                return order

    async def _create(self, new: New) -> Order | None:
        until = time.monotonic() + SAME_KEY_S
        while True:
            try:
                if halt_mark.halts(self.home, self.network):
                    raise Halted
                if new.terms.oco is not None:
                    return await asyncio.to_thread(self._joining.create, new)
                return await creating_sql.create(self.line, uuid4(), self.network, new)
            except Halted:
                # A repeat is answered all the same: it stores nothing.
                if not await asyncio.to_thread(self.is_known, new.key):
                    raise
                return None
            except Unavailable:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(AGAIN_S)

    def _send_news(self) -> None:
        new, self._new = self._new, []
        if ring_all(self.broker, new, at_once=True):
            failpoints.hit("rung")
        else:
            self._bell.submit(self._ring, new)

    def _ring(self, new: Sequence[UUID]) -> None:
        ring_all(self.broker, new)
        failpoints.hit("rung")

    @staticmethod
    def _same(known: Order | None, terms: Terms) -> Order:
        assert known is not None
        if known.request_hash != terms.request_hash:
            raise KeyConflict(
                f"Idempotency-Key was used with other values before, for order {known.id}.",
                field=KEY_HEADER,
                hint="Use a new key for a new order, or repeat the first request as it was.",
            )
        return known

    def cancel(self, order_id: UUID) -> Order:
        """Stops the order if nothing of it can be on the chain; harmless to repeat.

        Raises `NotFound`, `Conflict` with what it is where it can no longer be stopped, and `Unavailable`
        where the database may have forgotten what became of it.
        """
        until = time.monotonic() + CANCEL_S
        while True:
            seen = self._look_at_database()
            with self.db.connect() as conn:
                if (cancelled := move_sql.cancel(conn, order_id, seen)) is not None:
                    break
                order = order_rows.must_find(conn, order_id)
            if order.status is Status.CANCELLED:
                return order
            if order.status not in UNSENT:
                raise Conflict(_too_late(order), code=f"order_{order.status}")
            # Its attempt ended between the two looks: now it can be cancelled after all. Or another database
            # took over there, which is asked of first.
            moved_on(until)
        self.feed.publish(order_id)
        return cancelled

    def cancel_many(self, chosen: Chosen, up_to: UUID | None = None) -> Cancelled:
        """Stops all of them of which nothing can be on the chain, in batches, for up to `CANCEL_S`. `up_to`:
        the newest order that is meant; none for the newest that there is now. What is placed later goes on.

        Raises `NotFound`, and `Unavailable` where the database may have forgotten what became of them.
        """
        until, count = time.monotonic() + CANCEL_S, 0
        with self.db.connect() as conn:
            last = cancel_sql.number_of(conn, up_to)
        if last is None and up_to is not None:
            raise NotFound(f"There is no order {up_to}.", field="upTo")
        chosen = replace(chosen, up_to=last)
        while True:
            seen = self._look_at_database()
            with self.db.connect() as conn:
                stopped = cancel_sql.cancel_some(conn, chosen, CANCEL_AT_ONCE, seen)
                self.feed.publish(*stopped)
                count += len(stopped)
                if stopped and time.monotonic() < until:
                    continue
                left = cancel_sql.left_of(conn, chosen)
            sent = [order_id for order_id, status in left if status not in UNSENT]
            if len(sent) == len(left) or time.monotonic() >= until:
                return Cancelled(count, sent, len(left) - len(sent))
            # Workers are moving the rest at this moment: it is met again.
            time.sleep(CANCEL_AGAIN_S)

    def _look_at_database(self) -> Where | None:
        """Where the database was seen just now. Raises as `Identity.must_be_settled`."""
        return None if self.identity is None else self.identity.must_be_settled()


def moved_on(until: float) -> None:
    """Raises `Unavailable` past `until`, in monotonic seconds: between a look at the database and a statement
    it was another one, each time."""
    if time.monotonic() >= until:
        raise Unavailable(
            "The database is not where it was looked at, again and again. Nothing was changed.",
            hint="What is away: oee doctor",
        )
    time.sleep(CANCEL_AGAIN_S)


def _too_late(order: Order) -> str:
    if order.status is Status.SUBMITTED:
        return "The order was submitted: it may be on the chain and can't be cancelled any more."
    return f"The order is {order.status}, which is final."
