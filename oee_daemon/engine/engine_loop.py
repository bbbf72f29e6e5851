"""The event loop on which a worker does the work of all its orders, on a thread of its own.

A worker's other threads hand it a coroutine and wait. Nothing may block it: what blocks goes to the loop's
own threads (`asyncio.to_thread`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from oee_daemon import event_loop

T = TypeVar("T")


class Loop:
    """Runs from the first to the last moment. `threads`: how many calls may wait beside it at once."""

    def __init__(self, threads: int) -> None:
        self._loop = event_loop.new_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="aside"))
        #: When it was last asked for a sign of life that it has not given yet.
        self._asked_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns or raises, for a thread that waits for it."""
        # Each order goes through here: a task and a lock cost half of the two futures that tell each other.
        done, tasks = threading.Lock(), list[asyncio.Task[T]]()
        done.acquire()

        def start() -> None:
            tasks.append(self._loop.create_task(work))
            tasks[0].add_done_callback(lambda _: done.release())

        self._loop.call_soon_threadsafe(start)
        done.acquire()
        return tasks[0].result()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The coroutine, beside all others, for a thread that goes on."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Callable[[], object]) -> None:
        """Calls it on the loop, and waits for nothing."""
        self._loop.call_soon_threadsafe(work)

    @property
    def hang_s(self) -> float:
        """For how long the loop has not come round since it was first asked, seconds: something blocks it."""
        asked_at = self._asked_at
        if asked_at is not None:
            return time.monotonic() - asked_at
        self._asked_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._answer)
        return 0.0

    def _answer(self) -> None:
        self._asked_at = None

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def stop(self) -> None:
        """Ends its thread; nothing runs on it any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
