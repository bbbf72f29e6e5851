"""How long an answer is waited for: as long as whoever asks waits at all, and no longer.

What a slow daemon says as a wait ends is worth a few seconds more; one that says nothing at all is not, and
which of both it is, is known by a question that needs no database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

#: Seconds for one answer; and the least, however soon the wait is over.
ANSWER_LIMIT, LEAST = 10.0, 1.0
#: Seconds for the last answer of a wait, of a daemon that is slow.
SLOW_LIMIT = 4.0


class _OfThread(threading.local):
    until: float | None = None
    asks_again: bool = False


class Patience:
    """Threads may share it."""

    def __init__(self) -> None:
        #: When nobody waits any more, by the monotonic clock: a daemon is not brought back for longer.
        self.until: float | None = None
        self._of_thread = _OfThread()

    @contextmanager
    def waiting(self, until: float, *, asks_again: bool = False) -> Iterator[None]:
        """As `until`, for what this thread asks for inside. `asks_again`: up to then it asks again and again,
        so that no answer before is its last one."""
        mine = self._of_thread
        before = mine.until, mine.asks_again
        mine.until, mine.asks_again = until, asks_again
        try:
            yield
        finally:
            mine.until, mine.asks_again = before

    def left(self, most: float = ANSWER_LIMIT) -> float:
        """Seconds for which something is waited for: a second at least, and so many at most."""
        return max(LEAST, min(most, self._end() - time.monotonic()))

    def asks_last(self) -> bool:
        """Whether an answer that is asked for now may be the last of the wait."""
        left = self._end() - time.monotonic()
        return left <= 0 or (left < SLOW_LIMIT and not self._of_thread.asks_again)

    def _end(self) -> float:
        return min(until for until in (self.until, self._of_thread.until, inf) if until is not None)
