"""How the threads of a Dramatiq worker idle: they wait for work, not for a time.

Stock threads look a few times a second whether they shall stop. Ten of them cost an idle engine more than
all else that it does, so here they sleep until there is work or the worker ends.
"""

from __future__ import annotations

import weakref
from queue import Empty, SimpleQueue
from typing import Any

import dramatiq

#: Messages that a worker takes beside those that its threads work on. Few: what it holds back another worker
#: might do at once, and the bell brings the next ones within a millisecond or two.
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
        """What is left. Raises `Empty`."""
        while True:
            item = self._items.get_nowait()
            if item is not None:
                return item

    def task_done(self) -> None:
        """Nobody waits for that."""

    def end(self, threads: int) -> None:
        """Sends everybody home who waits."""
        self._ended = True
        for _ in range(threads):
            self._items.put(None)


class Idling(dramatiq.Middleware):
    """Puts a worker's threads to sleep, and wakes them when the worker is told to stop."""

    def __init__(self) -> None:
        self._consumers: weakref.WeakSet[Any] = weakref.WeakSet()

    def consuming(self, consumer: Any) -> None:
        """One more thread that waits."""
        self._consumers.add(consumer)

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        worker.work_queue = WorkQueue()
        worker.queue_prefetch = worker.worker_threads + SPARE

    def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
        for consumer in list(self._consumers):
            consumer.end()
        worker.work_queue.end(worker.worker_threads)
