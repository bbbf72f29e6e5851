"""Misbehaviour of the simulated network that was ordered: read from its table and used up.

What a row orders says `oee_daemon.contract.planned_faults`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, text

from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Batch, Line, answered, asked


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    ms: int | None


#: Seconds for which an answer serves who asks the same next: far less than it takes to order a fault and then
#: to get as far as a call that it is for.
MOMENT_S = 0.002
#: The target of a fault that moves the prices of all venues.
MARKET = "market"
_KNOWN = """
    SELECT n, EXISTS (SELECT FROM sim_faults) AS ordered, begun_height
    FROM asked LEFT JOIN sim_paths ON sim_paths.pair = asked.pair
    WHERE EXISTS (SELECT FROM sim_faults) OR begun_height IS NOT NULL"""
_ORDERED = Batch(f"""
    -- ordered: whether any fault was, and since when somebody watches a pair
    WITH {asked("target text, pair text", "target")}
    {answered(_KNOWN)}
""")  # the names are our own
_APPLY = text("""
    SELECT id, kind, ms, percent, remaining FROM sim_faults
    WHERE target = :target AND kind IN :kinds
        AND (remaining IS NULL OR remaining > 0) AND (number IS NULL OR number = :number)
    ORDER BY id
""").bindparams(bindparam("kinds", expanding=True))
#: Takes one of what remains; somebody else may have had the last.
_USE = text("""
    UPDATE sim_faults SET remaining = remaining - 1 WHERE id = :id AND remaining > 0 RETURNING id
""")
_SHIFTS = text("SELECT target, ms FROM sim_faults WHERE kind IN ('spike', 'gap')")
_BEGUN = text("SELECT begun_height FROM sim_paths WHERE pair = :pair")
_WATCH = text("INSERT INTO sim_paths (pair, begun_height) VALUES (:pair, :height) ON CONFLICT DO NOTHING")


class Faults:
    """Reads and uses up the ordered faults. `line`: by which Postgres is asked whether there are any."""

    def __init__(self, db: Engine, line: Line | None = None) -> None:
        self._db = db
        self._line = line
        self._none_until = self._unwatched_until = 0.0

    def saw_none(self, *, watched: bool) -> None:
        """Another statement has just said that no fault is ordered, and whether somebody watches any pair."""
        self._none_until = time.monotonic() + MOMENT_S
        if not watched:
            self._unwatched_until = self._none_until

    @property
    def none_now(self) -> bool:
        """Whether it was said a moment ago that no fault is ordered."""
        return time.monotonic() < self._none_until

    async def take(self, target: str, kinds: Collection[str], number: int | None) -> Fault | None:
        """The first fault that applies to this call, used up by one, or `None`."""
        return (await self.met(target, kinds, number, None))[0]

    async def met(
        self, target: str, kinds: Collection[str], number: int | None, pair: str | None
    ) -> tuple[Fault | None, int | None]:
        """As `take`, and the height since which the pair of that path is watched, none where it is not."""
        if self._line is None:
            return await aside(self._db, self._both, target, kinds, number, pair)
        if time.monotonic() < (self._none_until if pair is None else self._unwatched_until):
            return None, None
        known = await self._line.ask(_ORDERED, {"target": target, "pair": pair})
        if known is None:
            return None, None
        fault = await aside(self._db, self._take, target, kinds, number) if known["ordered"] else None
        return fault, known["begun_height"]

    async def watch(self, pair: str, height: int) -> int:
        """Since which height it is watched: from this one on, unless it was before."""

        def begun(conn: Connection) -> int:
            conn.execute(_WATCH, {"pair": pair, "height": height})
            return int(_begun_height(conn, pair) or 0)

        return await aside(self._db, begun)

    async def shifts(self) -> dict[str, int]:
        """By how many basis points faults have moved prices: of a venue, and of all as `market`."""
        if self._line is not None:
            known = await self._line.ask(_ORDERED, {"target": MARKET, "pair": None})
            if known is None or not known["ordered"]:
                return {}

        def told(conn: Connection) -> dict[str, int]:
            return {target: ms or 0 for target, ms in conn.execute(_SHIFTS)}

        return await aside(self._db, told)

    @classmethod
    def _both(
        cls, conn: Connection, target: str, kinds: Collection[str], number: int | None, pair: str | None
    ) -> tuple[Fault | None, int | None]:
        return cls._take(conn, target, kinds, number), None if pair is None else _begun_height(conn, pair)

    @staticmethod
    def _take(conn: Connection, target: str, kinds: Collection[str], number: int | None) -> Fault | None:
        asked_for = {"target": target, "kinds": [*kinds], "number": number}
        for row in conn.execute(_APPLY, asked_for).all():
            if row.percent < 100 and random.randrange(100) >= row.percent:  # noqa: S311
                continue
            if row.remaining is None or conn.execute(_USE, {"id": row.id}).first() is not None:
                return Fault(row.kind, row.ms)
        return None


def _begun_height(conn: Connection, pair: str) -> int | None:
    return conn.execute(_BEGUN, {"pair": pair}).scalar()
