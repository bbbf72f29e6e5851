"""Deadlines for what a task waits for: of one thing as `asyncio.timeout`, at half its cost, for each request
has one; and what is left of one for several things, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType


def time_left(deadline_s: float) -> Callable[[], float]:
    """Tells the seconds that are left of `deadline_s`, counted from now; never none at all."""
    clock = asyncio.get_running_loop().time
    until = clock() + deadline_s
    return lambda: max(0.001, until - clock())


class Within:
    """So many seconds for what is awaited inside of it: after them that is cancelled, and `TimeoutError`
    raised. Who cancels from outside is heard as ever."""

    __slots__ = ("_before", "_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before, self._over = task, task.cancelling(), False
        self._timer = task.get_loop().call_later(self._seconds, self._end)

    def _end(self) -> None:
        self._over = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from fault
