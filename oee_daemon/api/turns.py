"""One request at a time of each name, without a thread that waits.

Whoever repeats a request that hangs, as a client does that got no answer, would hang a thread with each
repetition, until none is left for anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oee_daemon.errors import Unavailable


class Turns:
    """Belongs to the event loop."""

    def __init__(self, *, within_s: float) -> None:
        """`within_s`: seconds that a request waits for its turn."""
        self._within_s = within_s
        self._locks: dict[str, asyncio.Lock] = {}
        self._interested: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Raises `Unavailable` where the turn does not come in time."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._interested[name] = self._interested.get(name, 0) + 1
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
            self._interested[name] -= 1
            if not self._interested[name]:
                del self._interested[name], self._locks[name]
