"""How often one API may be asked: turns at an even pace, the urgent ones first.

An API that asks for a pause gets it from everybody who shares its bucket. What is due for execution is
urgent; what is only looked at waits.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time


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
        self._not_before = 0.0
        self._waiting: list[tuple[bool, int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def pause(self, seconds: float) -> None:
        """No turn for so long."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def refused(self) -> None:
        """The API answered 429. Counted where others share the bucket."""

    @property
    def pause_s(self) -> float:
        """For how long the API still wants to be left alone."""
        return max(0.0, self._not_before - time.monotonic())

    async def turn(self, count: int = 1, *, urgent: bool = False) -> None:
        """Returns when it is the caller's turn, who takes `count`. Who stops waiting takes none."""
        if not self._waiting and self.take(count):
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (not urgent, next(self._numbers), count, turn))
        self._serve()
        await turn

    @property
    def wait_s(self) -> float:
        """Until there is a turn; not above 0 where there is one."""
        now = time.monotonic()
        return max(self._not_before, self._full_at - (self._burst - 1) * self._every_s) - now

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
        while self._waiting:
            *_, count, turn = self._waiting[0]
            if turn.done():
                heapq.heappop(self._waiting)
            elif self.take(count):
                heapq.heappop(self._waiting)
                turn.set_result(None)
            else:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(max(self.wait_s, 0.001), self._serve)
                return
