"""Claims an order for a worker, waiting while all `OEE_MAX_ACTIVE` slots are taken.

How many orders may be in execution at once is one figure for all workers; Postgres decides each claim. A
thread that finds no slot has nothing better to do, since every order needs one: it waits, one thread of a
process asking for all. `Hands` knows which orders this worker's threads execute.
"""

from __future__ import annotations

import math
import threading
import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.orders.order import Order
from oee_daemon.store import leases
from oee_daemon.timing import USUAL

#: Seconds between two looks for a slot that another worker gave back; one of our own is told at once.
LOOK_S = 0.02
#: Seconds between two looks for slots whose holders are dead.
REAP_S = 0.25


class Hands:
    """Which orders one worker's threads execute, and since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: At the end of time until it is claimed, which may take any time.
        self._since: dict[UUID, float] = {}

    def take(self, order_id: UUID) -> bool:
        """False: another thread executes it."""
        with self._lock:
            if order_id in self._since:
                return False
            self._since[order_id] = math.inf
            return True

    def begun(self, order_id: UUID) -> None:
        with self._lock:
            self._since[order_id] = time.monotonic()

    def leave(self, order_id: UUID) -> None:
        with self._lock:
            self._since.pop(order_id, None)

    def orders(self) -> list[UUID]:
        with self._lock:
            return list(self._since)

    def longest_s(self) -> float:
        """For how long the order that was begun first has been executed."""
        with self._lock:
            return max(0.0, time.monotonic() - min(self._since.values(), default=math.inf))


class Slots:
    """Claims for one worker. `most`: orders in execution at once, over all workers; `lease`: how long a claim
    holds without a sign of life."""

    def __init__(self, *, owner: str, network: str, most: int, lease: timedelta = USUAL.lease) -> None:
        self._owner = owner
        self._network = network
        self._most = most
        self._lease = lease
        self._turn = threading.Lock()
        self._given_back = threading.Event()
        self._stopped = False
        self._reap_at = 0.0
        #: Where Postgres has to be for a claim; none for anywhere.
        self.where: leases.Where | None = None

    def claim(self, conn: Connection, order_id: UUID) -> tuple[Order, bool] | None:
        """As `leases.claim`, after a wait where need be. Raises `NoSlot` once this worker is stopping."""
        try:
            return self._claim(conn, order_id)
        except leases.NoSlot:
            pass
        with self._turn:
            while True:
                self._given_back.clear()
                try:
                    return self._claim(conn, order_id)
                except leases.NoSlot:
                    if self._stopped:
                        raise
                if not (leases.ensure_slots(conn, self._most) or self._reap(conn)):
                    self._given_back.wait(LOOK_S)

    def _claim(self, conn: Connection, order_id: UUID) -> tuple[Order, bool] | None:
        return leases.claim(
            conn,
            order_id,
            owner=self._owner,
            network=self._network,
            slots=self._most,
            where=self.where,
            lease=self._lease,
        )

    def _reap(self, conn: Connection) -> bool:
        if time.monotonic() < self._reap_at:
            return False
        self._reap_at = time.monotonic() + REAP_S
        return leases.reap(conn, self._lease)

    def given_back(self) -> None:
        """An order of this worker has let go of its slot."""
        self._given_back.set()

    def stop(self) -> None:
        """Who waits gives up."""
        self._stopped = True
        self._given_back.set()
