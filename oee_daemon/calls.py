"""Threads that ask one party outside: a venue, or the chain. Each party has its own, so that one that never
answers uses up none but those that ask it; and they end with the process, whatever they wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Calls(Executor):
    """At most `threads` calls at once, each on a daemon thread; the threads are made when they are needed."""

    def __init__(self, threads: int, name: str) -> None:
        self._most = threads
        self._name = name
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._made = 0
        #: When each thread began what it is at.
        self._begun: dict[int, float] = {}

    @property
    def hang_s(self) -> float:
        """For how long none of its threads has come back, seconds; none is free then."""
        begun = list(self._begun.values())
        return time.monotonic() - max(begun) if 0 < self._most <= len(begun) else 0.0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            self._one_more()
        return future

    def ask(self, deadline_s: float, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `fn` returns or raises. Raises `TimeoutError` after `deadline_s`, and leaves it alone then."""
        future = self.submit(fn, *args, **kwargs)
        try:
            return future.result(deadline_s)
        finally:
            # One that has not begun never does.
            future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Its threads end once they have nothing to do; nobody waits for them."""
        with self._lock:
            self._most = 0
            for _ in range(self._made):
                self._queue.put(None)

    def _one_more(self) -> None:
        with self._lock:
            if self._made < self._most:
                self._made += 1
                threading.Thread(target=self._run, name=f"ask {self._name}", daemon=True).start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                self._begun[threading.get_ident()] = time.monotonic()
                try:
                    future.set_result(call())
                except BaseException as e:
                    future.set_exception(e)
                finally:
                    del self._begun[threading.get_ident()]
            # Neither the last answer nor its error is held while there is nothing to do.
            del item, future, call
            self._idle.release()


def for_each(names: Iterable[str], threads: int) -> dict[str, Executor]:
    """Each party's threads, by its name."""
    return {name: Calls(threads, name) for name in names}
