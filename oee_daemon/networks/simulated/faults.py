"""Misbehaviour of the simulated network that was ordered: read from its table and used up.

What a row orders says `oee_daemon.contract.simulated`.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, exists, or_, select, update

from oee_daemon.networks.simulated.schema import sim_faults
from oee_daemon.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    ms: int | None


#: Whether any fault was ordered: mostly none is.
ORDERED = exists(select(sim_faults.c.id))
_ANY = Prepared(select(ORDERED))


@dataclass(slots=True)
class _Look:
    """One look at the table, for all who ask while it is under way."""

    done: threading.Event = field(default_factory=threading.Event)
    #: What was seen; none where it failed, and everybody looks for himself.
    any: bool = True


class Faults:
    """Reads and uses up the ordered faults."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._look: _Look | None = None

    def any(self) -> bool:
        """Whether any fault was ordered. The venues ask at the same moment: one look serves them."""
        with self._lock:
            look, mine = self._look or _Look(), self._look is None
            self._look = look
        if not mine:
            look.done.wait()
            return look.any
        try:
            with self._db.connect() as conn:
                look.any = _ANY.first(conn, {}) != (False,)
        finally:
            with self._lock:
                self._look = None
            look.done.set()
        return look.any

    def take(self, target: str, kinds: Collection[str], number: int | None) -> Fault | None:
        """The first fault that applies to this call, used up by one, or `None`."""
        if not self.any():
            return None
        f = sim_faults.c
        found = (
            select(f.id, f.kind, f.ms, f.percent, f.remaining)
            .where(f.target == target, f.kind.in_(kinds))
            .where(or_(f.remaining.is_(None), f.remaining > 0), or_(f.number.is_(None), f.number == number))
            .order_by(f.id)
        )
        with self._db.connect() as conn:
            for row in conn.execute(found).all():
                if row.percent < 100 and random.randrange(100) >= row.percent:  # noqa: S311
                    continue
                if row.remaining is None or self._use(conn, row.id):
                    return Fault(row.kind, row.ms)
        return None

    @staticmethod
    def _use(conn: Connection, fault_id: int) -> bool:
        """Takes one of what remains; somebody else may have had the last."""
        f = sim_faults.c
        statement = (
            update(sim_faults)
            .where(f.id == fault_id, f.remaining > 0)
            .values(remaining=f.remaining - 1)
            .returning(f.id)
        )
        return conn.execute(statement).first() is not None
