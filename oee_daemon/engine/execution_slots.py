"""Claims an order for a worker, waiting while all `OEE_MAX_ACTIVE` slots are taken; stops and snipers have
others beyond them.

How many orders may be in execution at once is one figure for all workers; Postgres decides each claim. An
order that finds no slot waits, one of a process asking for all. `Hands` knows which orders this worker has.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.orders.order import Order
from oee_daemon.store import lease_sql
from oee_daemon.store.database import aside
from oee_daemon.store.engine_row import Where
from oee_daemon.store.lease_sql import MARKET, URGENT
from oee_daemon.store.postgres_line import Line
from oee_daemon.timing import USUAL

#: Seconds between two looks for a slot that another worker gave back; one of our own is told at once.
LOOK_S = 0.02
#: Seconds between two looks for slots whose holders are dead.
REAP_S = 0.25


class Hands:
    """Which orders one worker executes, by its threads or past them, and since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: At the end of time until it is claimed, which may take any time.
        self._since: dict[UUID, float] = {}
        #: Those that no thread waits for.
        self._threadless: set[UUID] = set()

    def take(self, order_id: UUID, *, threadless: bool = False) -> bool:
        """False: it is executed already."""
        with self._lock:
            if order_id in self._since:
                return False
            self._since[order_id] = math.inf
            if threadless:
                self._threadless.add(order_id)
            return True

    def begun(self, order_id: UUID) -> None:
        with self._lock:
            self._since[order_id] = time.monotonic()

    def leave(self, order_id: UUID) -> None:
        with self._lock:
            self._since.pop(order_id, None)
            self._threadless.discard(order_id)

    def threads(self) -> int:
        """How many threads wait for an order's end."""
        with self._lock:
            return len(self._since) - len(self._threadless)

    def orders(self) -> list[UUID]:
        with self._lock:
            return list(self._since)

    def longest_s(self) -> float:
        """For how long the order that was begun first has been executed."""
        with self._lock:
            return max(0.0, time.monotonic() - min(self._since.values(), default=math.inf))


class Slots:
    """Claims for one worker. `most`: orders in execution at once, over all workers; `urgent`: stops and
    snipers beyond them; `lease`: how long a claim holds without a sign of life; `locked`: nothing can be
    signed now; `seen`: see `lease_sql.claim`."""

    def __init__(
        self,
        db: Engine,
        line: Line,
        *,
        owner: str,
        network: str,
        most: int,
        urgent: int = 0,
        lease: timedelta = USUAL.lease,
        locked: Callable[[], bool] = lambda: False,
        seen: Callable[[Order], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._line = line
        self._owner = owner
        self._network = network
        self._most = {MARKET: most, URGENT: urgent}
        self._lease = lease
        self.locked = locked
        self._seen = seen
        #: Whose turn it is to look for a slot: of all orders, and of those that are known to be urgent.
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}
        self._given_back = asyncio.Event()
        self._stopped = False
        self._reap_at = 0.0
        #: Where Postgres has to be for a claim; none for anywhere.
        self.where: Where | None = None

    async def claim(
        self, order_id: UUID, *, urgent: bool = False, line: Line | None = None
    ) -> tuple[Order, bool] | None:
        """As `lease_sql.claim`, after a wait where need be; `urgent`: one that is known to be a stop or a
        sniper, which waits for no other order's turn, and is first asked for on that `line`, where there is
        one. Raises `NoSlot` once this worker is stopping."""
        try:
            return await self._claim_either(order_id, urgent=urgent, line=line)
        except lease_sql.NoSlot:
            pass
        async with self._turns[urgent]:
            while True:
                self._given_back.clear()
                try:
                    return await self._claim_either(order_id, urgent=urgent)
                except lease_sql.NoSlot:
                    if self._stopped:
                        raise
                if not (await self.ensure() or await self._reap()):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._given_back.wait(), LOOK_S)

    @property
    def most(self) -> int:
        """Orders in execution at once that are urgent, over all workers, if no other one is."""
        return sum(self._most.values())

    async def warm(self, line: Line) -> None:
        """Prepares there what an urgent claim asks; no order has that id."""
        with suppress(lease_sql.NoSlot):
            await self._claim(UUID(int=0), URGENT, line)

    async def ensure(self) -> bool:
        """Makes the slots that are missing. False: they were all there."""
        made = [await aside(self._db, lease_sql.ensure_slots, n, kind) for kind, n in self._most.items() if n]
        return any(made)

    async def _claim_either(
        self, order_id: UUID, *, urgent: bool, line: Line | None = None
    ) -> tuple[Order, bool] | None:
        """A slot of its own first, where the order is known to be urgent; else once no other is left."""
        first, second = (URGENT, MARKET) if urgent and self._most[URGENT] else (MARKET, URGENT)
        try:
            return await self._claim(order_id, first, line)
        except lease_sql.NoSlot as full:
            if not self._most[URGENT] or not (urgent or full.urgent):
                raise
        return await self._claim(order_id, second)

    async def _claim(
        self, order_id: UUID, slot_class: str, line: Line | None = None
    ) -> tuple[Order, bool] | None:
        return await lease_sql.claim(
            line or self._line,
            order_id,
            owner=self._owner,
            network=self._network,
            slots=self._most[slot_class],
            where=self.where,
            lease=self._lease,
            slot_class=slot_class,
            locked=self.locked(),
            seen=self._seen,
        )

    async def _reap(self) -> bool:
        if time.monotonic() < self._reap_at:
            return False
        self._reap_at = time.monotonic() + REAP_S
        return await aside(self._db, lease_sql.reap, self._lease)

    def given_back(self) -> None:
        """An order of this worker has let go of its slot."""
        self._given_back.set()

    def stop(self) -> None:
        """Who waits gives up at the next look."""
        self._stopped = True
