"""A clock that a test holds: it moves when somebody sleeps by it, or when the test winds it."""

from __future__ import annotations

import threading


class FakeClock:
    """Sleeping takes no time and moves the clock; `slept` says how long each sleep was, in ms."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._lock = threading.Lock()
        self._now_ms = now_ms
        self.slept: list[int] = []

    def now_ms(self) -> int:
        with self._lock:
            return self._now_ms

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            with self._lock:
                self.slept.append(round(seconds * 1000))
                self._now_ms += round(seconds * 1000)

    def wind(self, *, ms: int = 0, s: int = 0) -> None:
        """Forwards, or back where it is negative, as a clock that jumps."""
        with self._lock:
            self._now_ms += ms + 1000 * s
