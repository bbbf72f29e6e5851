"""How often one API may be asked: turns at an even pace, the urgent ones first.

An API that asks for a pause gets it from everybody who shares its bucket, for what it refused and no more:
providers limit by method, and a list that is refused says nothing of a send. What is due for execution is
urgent; what is only looked at waits.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Collection
from dataclasses import dataclass

#: As `urgent`: of a swap that is on its way. `True` is what else an order waits for, `False` who only looks.
FIRST = 2
#: Seconds by which that goes ahead of what else an order waits for; not for longer, or those that are on
#: their way would keep the next ones from being built.
AHEAD_S = 1.0


@dataclass(slots=True)
class Waiting:
    """One that waits for `count` turns, to ask these methods; the least `rank` comes first."""

    rank: tuple[bool, float, int]
    urgent: int
    count: int
    methods: frozenset[str]
    turn: asyncio.Future[None]


class Bucket:
    """`per_s` turns a second, and up to `burst` of them at once after a rest. One event loop's.

    Who takes `count` turns at once waits for one and has them all, and those that come next wait longer:
    nobody who takes many is kept waiting by those who take one. `rested`: whether it begins as after a rest.
    """

    def __init__(self, per_s: float, burst: int, *, rested: bool = True) -> None:
        self._every_s = 1 / per_s
        self._burst = burst
        #: When the bucket is full again, by the monotonic clock: each turn moves it on.
        self._full_at = time.monotonic() + (0 if rested else burst * self._every_s)
        #: Until when whatever asks for all of these methods is to leave the API alone.
        self._paused: dict[frozenset[str], float] = {}
        self._waiting: list[Waiting] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def pause(self, seconds: float, methods: Collection[str] = ()) -> None:
        """No turn for so long, for whatever asks for all of these methods; of none: for anything."""
        now, what = time.monotonic(), frozenset(methods)
        self._paused = {one: until for one, until in self._paused.items() if until > now}
        if seconds > 0:
            self._paused[what] = max(self._paused.get(what, 0.0), now + seconds)

    def refused(self) -> None:
        """The API answered 429. Counted where others share the bucket."""

    def paused_s(self, methods: Collection[str] = ()) -> float:
        """For how long the API still wants to be left alone by whoever asks for these methods."""
        if not self._paused:
            return 0.0
        held = [until for what, until in self._paused.items() if what.issubset(methods)]
        return max(0.0, max(held, default=0.0) - time.monotonic())

    async def turn(self, count: int = 1, *, urgent: int = False, methods: Collection[str] = ()) -> None:
        """Returns when it is the caller's turn, who takes `count`. Who stops waiting takes none."""
        if not self._waiting and not self.paused_s(methods) and self.take(count):
            return
        one = self._join(count, urgent, methods)
        self._serve()
        await one.turn

    def _join(self, count: int, urgent: int, methods: Collection[str]) -> Waiting:
        ahead_s = AHEAD_S if urgent >= FIRST else 0.0
        rank = (not urgent, time.monotonic() - ahead_s, next(self._numbers))
        turn = asyncio.get_running_loop().create_future()
        one = Waiting(rank, urgent, count, frozenset(methods), turn)
        self._waiting.append(one)
        return one

    def _next(self) -> tuple[float, Waiting] | None:
        """Whose turn is next, and for how many seconds it is still to leave the API alone; none where nobody
        waits."""
        self._waiting = [one for one in self._waiting if not one.turn.done()]
        held = [(self.paused_s(one.methods), one) for one in self._waiting]
        return min(held, key=lambda row: (row[0], row[1].rank), default=None)

    @property
    def wait_s(self) -> float:
        """Until there is a turn; not above 0 where there is one."""
        return self._full_at - (self._burst - 1) * self._every_s - time.monotonic()

    def take(self, count: int = 1) -> bool:
        """So many turns at once, if there is one."""
        if self.wait_s > 0:
            return False
        self._full_at = max(self._full_at, time.monotonic()) + count * self._every_s
        return True

    def _serve(self) -> None:
        """Gives away what turns there are, and comes back for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (found := self._next()) is not None:
            paused_s, one = found
            if not paused_s and self.take(one.count):
                one.turn.set_result(None)
            else:
                wait_s = max(paused_s, self.wait_s, 0.001)
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._serve)
                return
