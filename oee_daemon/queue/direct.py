"""The way to a worker's own threads that leads past the queue: for orders that Postgres says are due, and for
those that are due again in a moment.

So a queue that is full, read-only or gone delays an order and stops none. What is on this way is lost with
its process; Postgres knows it all the same.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any


class Delays:
    """Hands each item to `put` when its time has come, on a thread of its own."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        self._put = put
        # By due time (of the monotonic clock), then as they came.
        self._due: list[tuple[float, int, Any]] = []
        self._number = count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="delays", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """What is not due yet is left to Postgres."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def add(self, item: Any, seconds: float) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), item))
            self._changed.notify()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._put(item)

    def _next(self) -> Any:
        """The next one once it is due; none where there will be no more."""
        with self._changed:
            while not self._stopped:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            return None
