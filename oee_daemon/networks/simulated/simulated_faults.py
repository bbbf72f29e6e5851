"""Misbehaviour of the simulated network that was ordered: read from its table and used up.

What a row orders says `oee_daemon.contract.simulated`.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, exists, or_, select, update

from oee_daemon.networks.simulated.simulated_schema import sim_faults
from oee_daemon.store.database import aside
from oee_daemon.store.line import Batch, Line, answered, asked


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    ms: int | None


#: Whether any fault was ordered: mostly none is.
ORDERED = exists(select(sim_faults.c.id))
_ORDERED = Batch(f"""
    -- ordered: whether any fault was
    WITH {asked("target text", "target")}
    {answered("SELECT n FROM asked WHERE EXISTS (SELECT FROM sim_faults)")}
""")  # noqa: S608  # the names are our own


class Faults:
    """Reads and uses up the ordered faults. `line`: by which Postgres is asked whether there are any."""

    def __init__(self, db: Engine, line: Line | None = None) -> None:
        self._db = db
        self._line = line

    async def take(self, target: str, kinds: Collection[str], number: int | None) -> Fault | None:
        """The first fault that applies to this call, used up by one, or `None`."""
        if self._line is not None and await self._line.ask(_ORDERED, {"target": target}) is None:
            return None
        return await aside(self._db, self._take, target, kinds, number)

    @staticmethod
    def _take(conn: Connection, target: str, kinds: Collection[str], number: int | None) -> Fault | None:
        f = sim_faults.c
        found = (
            select(f.id, f.kind, f.ms, f.percent, f.remaining)
            .where(f.target == target, f.kind.in_(kinds))
            .where(or_(f.remaining.is_(None), f.remaining > 0), or_(f.number.is_(None), f.number == number))
            .order_by(f.id)
        )
        for row in conn.execute(found).all():
            if row.percent < 100 and random.randrange(100) >= row.percent:  # noqa: S311
                continue
            if row.remaining is None or _use(conn, row.id):
                return Fault(row.kind, row.ms)
        return None


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
