"""Tells the watchers of this process what moved: hints of one order, or the events of every order.

A hint says that an order moved and nothing else; what happened is always read from Postgres. All who watch
every order share one read of what was committed since the last read (see `tail_sql`), on each hint or each
second. Where nobody watches, the hub asks nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from uuid import UUID

import redis
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from oee_daemon.api.api_event_cache import EventCache, encode
from oee_daemon.fault_log import FaultLog
from oee_daemon.queue import queue_hints
from oee_daemon.store.tail_sql import Tail

log = logging.getLogger(__name__)

#: Seconds without a hint after which Postgres is read all the same.
LOOK_S = 1.0
#: Events that a watcher of every order may fall behind before it is told that it lagged.
BACKLOG = 5000
#: Seconds between two reads for all of them: what comes at the same time is read at once.
BREATH_S = 0.01
#: Seconds between two tries to listen for hints.
LISTEN_AGAIN_S = 1.0
#: Seconds after the last watcher for which hints are still listened to.
LINGER_S = 10.0


class Hub:
    """Passes on hints and events to whoever watches in this process; where nobody does, it asks nobody."""

    def __init__(self, redis_url: str, cache: EventCache, tail: Tail) -> None:
        self._url = redis_url
        self.cache = cache
        self._tail = tail
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._all: set[AllOrders] = set()
        self._looking = asyncio.Lock()
        self._interest = 0
        self._left_at = 0.0
        self._wanted = asyncio.Event()
        self._hinted = asyncio.Event()
        self._faults = FaultLog()

    async def run(self) -> None:
        """Listens for hints and reads new events while somebody watches, for ever: nobody looks whether it
        still does, so that a fault costs those who watch a second, and never their stream."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._read())

    async def _listen(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                async with aclosing(queue_hints.listen(self._url)) as hints:
                    async for order_id in hints:
                        self._pass_on(order_id)
                        if not self._interest and time.monotonic() > self._left_at + LINGER_S:
                            self._wanted.clear()
                            break
            except (redis.RedisError, OSError, ValueError) as e:
                # Or somebody published what is no id.
                log.debug("hints lost", extra={"reason": str(e)})
            except Exception as e:
                self._faults.say("hints lost", e)
            if self._wanted.is_set():
                await asyncio.sleep(LISTEN_AGAIN_S)

    def _pass_on(self, order_id: UUID | None) -> None:
        self._hinted.set()
        if order_id is not None:
            self.cache.mark_stale(order_id)
            for watcher in self._watchers.get(order_id, ()):
                watcher.set()
            return
        # From here on hints come: whoever watched before looks once more.
        self.cache.mark_all_stale()
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.set()

    async def _read(self) -> None:
        while True:
            await self._wanted.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._hinted.wait()
            self._hinted.clear()
            try:
                async with self._looking:
                    if self._all:
                        await self._tell_what_is_new()
                    else:
                        await run_in_threadpool(self._tail.close)
            except SQLAlchemyError as e:
                # Postgres is away. Who watches is told that it lagged once it is back.
                log.debug("not looked", extra={"reason": str(e)})
                await asyncio.sleep(LOOK_S)
            except Exception as e:
                # What was to be told is lost, and said to be.
                for everything in self._all:
                    everything.lag()
                self._faults.say("what is new can't be told", e)
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(BREATH_S)

    async def _tell_what_is_new(self) -> None:
        """Tells all who watch what is new. Raises `SQLAlchemyError`."""
        found = await run_in_threadpool(self._tail.look, BACKLOG)
        texts = None if found is None else [encode(event, self.cache.tokens).text for event in found]
        for everything in self._all:
            if texts is None:
                everything.lag()
            else:
                everything.add(texts)

    @contextmanager
    def _keep_looking(self) -> Iterator[None]:
        self._interest += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._interest -= 1
            self._left_at = time.monotonic()

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._watchers.setdefault(order_id, set()).add(event)
        try:
            with self._keep_looking():
                yield event
        finally:
            watchers = self._watchers[order_id]
            watchers.discard(event)
            if not watchers:
                del self._watchers[order_id]

    @asynccontextmanager
    async def watch_all(self) -> AsyncIterator[AllOrders]:
        """ "From now on" begins with a look of its own: what comes before it is for the others.

        Raises `SQLAlchemyError` where Postgres is away.
        """
        everything = AllOrders()
        with self._keep_looking():
            async with self._looking:
                await self._tell_what_is_new()
                self._all.add(everything)
            try:
                yield everything
            finally:
                self._all.discard(everything)


class AllOrders:
    """One watcher of every order: what it has not been sent yet, bounded."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._wake = asyncio.Event()
        self.lagged = False

    def add(self, texts: list[str]) -> None:
        if len(self._texts) + len(texts) > BACKLOG:
            self.lag()
            return
        self._texts += texts
        if texts:
            self._wake.set()

    def lag(self) -> None:
        self._texts = []
        self.lagged = True
        self._wake.set()

    async def take(self) -> tuple[list[str], bool]:
        """The new events, and whether some were missed before them; waits until there is either."""
        await self._wake.wait()
        self._wake.clear()
        found, lagged = self._texts, self.lagged
        self._texts, self.lagged = [], False
        return found, lagged
