"""Lets one request of each key through at a time, without a thread that waits.

A client that got no answer repeats its request. If each repetition of a request that hangs took a thread, no
thread would be left for anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oee_daemon.errors import Unavailable


class KeyedLock:
    """Belongs to the event loop."""

    def __init__(self, *, within_s: float) -> None:
        """`within_s`: seconds that a request waits for the one before it."""
        self._within_s = within_s
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiters: dict[str, int] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Raises `Unavailable` where the request before this one does not end in time."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._waiters[key] = self._waiters.get(key, 0) + 1
        try:
            try:
                async with asyncio.timeout(self._within_s):
                    await lock.acquire()
            except TimeoutError:
                raise Unavailable(
                    "The same request is under way; nothing was stored by this one. Try again."
                ) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            self._waiters[key] -= 1
            if not self._waiters[key]:
                del self._waiters[key], self._locks[key]
