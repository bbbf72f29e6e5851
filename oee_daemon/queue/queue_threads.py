"""The threads of a Dramatiq worker: they wait for work and not for a time, and get orders past the queue too.

Stock threads look a few times a second whether they shall stop. Ten of them cost an idle engine more than
all else that it does, so here they sleep until there is work or the worker ends. Orders that Postgres says
are due, or that are due again in a moment, are handed to them here: a queue that is full, read-only or gone
delays an order and stops none. What is on this way is lost with its process; Postgres knows it all the same.
"""

from __future__ import annotations

import heapq
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy

#: Messages that a worker takes beside those that its threads work on. Few: what it holds back another worker
#: might do at once, and the consumer brings the next ones within a millisecond or two.
SPARE = 3


class WorkQueue:
    """Stands in for a Dramatiq worker's queue: what comes first goes first, since there is one actor."""

    def __init__(self) -> None:
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._ended = False

    def put(self, item: Any) -> None:
        self._items.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next item, whenever it comes: `timeout` does not count. Raises `Empty` once it has ended."""
        if self._ended:
            raise Empty
        item = self._items.get(block)
        if item is None:
            raise Empty
        return item

    def get_nowait(self) -> Any:
        """The next item that is left. Raises `Empty`."""
        while True:
            item = self._items.get_nowait()
            if item is not None:
                return item

    def waiting(self) -> int:
        """How many items no thread has taken yet."""
        return self._items.qsize()

    def task_done(self) -> None:
        """Does nothing: nobody waits for an item to be done."""

    def end(self, threads: int) -> None:
        """Ends every `get` that waits, with `Empty`."""
        self._ended = True
        for _ in range(threads):
            self._items.put(None)


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
        """Hands out no more: what is not due yet is left to Postgres."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def add(self, item: Any, seconds: float) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), item))
            self._changed.notify()

    def _run(self) -> None:
        while (item := self._next_due()) is not None:
            self._put(item)

    def _next_due(self) -> Any:
        """The next item once it is due; `None` where there will be no more."""
        with self._changed:
            while not self._stopped:
                left = self._due[0][0] - time.monotonic() if self._due else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(left)
            return None


@dataclass(frozen=True, slots=True)
class _Handed:
    """An item of a worker's queue, as its threads expect it."""

    message: Any


class Threads(dramatiq.Middleware):
    """Puts a worker's threads to sleep, wakes them when the worker is told to stop, and gives them what does
    not come from the queue."""

    def __init__(self) -> None:
        self._consumers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._queue = WorkQueue()
        self._delays = Delays(self._put)
        self._works = False

    def consuming(self, consumer: Any) -> None:
        """One more thread that waits."""
        self._consumers.add(consumer)

    def hand(self, message: Any, seconds: float) -> bool:
        """Gives the message to one of the worker's threads, after so many seconds. False: there are none."""
        if not self._works:
            return False
        if seconds > 0:
            self._delays.add(message, seconds)
        else:
            self._put(message)
        return True

    def _put(self, message: Any) -> None:
        self._queue.put(_Handed(MessageProxy(message)))

    def waiting(self) -> int:
        """How many messages no thread has taken yet."""
        return self._queue.waiting()

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        worker.work_queue = self._queue
        worker.queue_prefetch = worker.worker_threads + SPARE

    def after_worker_boot(self, broker: Any, worker: Any) -> None:
        self._delays.start()
        self._works = True

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self._works = False
        self._delays.stop()
        for consumer in list(self._consumers):
            consumer.end()
        worker.work_queue.end(worker.worker_threads)
