"""Dramatiq's consumer, woken by the queue itself instead of looking at it again and again.

`BLMOVE q q LEFT LEFT` waits until the queue's list has something and moves it to where it was: a blocking
look that takes nothing. It is a bell that can't be lost, since it is the queue's own state, and whoever
enqueues rings it. The timer stays as the fallback, and as the heartbeat that Dramatiq needs.
"""

from __future__ import annotations

import heapq
import logging
import select
import socket
import time
from contextlib import suppress
from typing import Any

import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed, DecodeError
from dramatiq.message import Message
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

#: Seconds after which a silent queue is looked at anyway; also Dramatiq's heartbeat, which has 60.
LOOK_S = 1.0
#: Seconds to leave a queue alone that can't be reached.
AWAY_S = 0.25

LOST = (redis.ConnectionError, redis.TimeoutError, ConnectionClosed, OSError)


class Bell:
    """A blocking look at one list, on a connection of its own, and a local wake-up beside it."""

    def __init__(self, url: str, key: str) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, socket_connect_timeout=AWAY_S, socket_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self._key = key
        self._connection: Any = None
        self._asked = False
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def wake(self) -> None:
        """Ends a `wait` that is under way, or the next one; from any thread."""
        # A full buffer means that it is woken already.
        with suppress(OSError):
            self._waker.send(b"!")

    def wait(self, seconds: float, *, peek: bool) -> bool:
        """Waits until woken, until the list has something if `peek`, at most `seconds`. False: nothing."""
        watched: list[Any] = [self._woken]
        if peek:
            try:
                watched.append(self._ask())
            except LOST:
                self.close()
                seconds = min(seconds, AWAY_S)
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._woken in ready:
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        if len(ready) > (self._woken in ready):
            try:
                self._connection.read_response()
            except (*LOST, redis.RedisError):
                self.close()
            self._asked = False
        return bool(ready)

    def _ask(self) -> Any:
        if self._connection is None:
            self._connection = self._pool.make_connection()
            self._connection.connect()
        if not self._asked:
            self._connection.send_command("BLMOVE", self._key, self._key, "LEFT", "LEFT", 0)
            self._asked = True
        return self._connection._sock

    def close(self) -> None:
        """Forgets the connection; the next `wait` makes another."""
        if self._connection is not None:
            with suppress(*LOST):
                self._connection.disconnect()
        self._connection, self._asked = None, False


class Consumer(_RedisConsumer):
    """One queue's consumer. What it can't reach is away for a moment, never an end of its thread."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._bell = Bell(broker.url, f"{broker.namespace}:{queue_name}")
        self._due: list[float] = []
        self._full = False
        self._look_at = 0.0

    def __next__(self) -> Any:
        """The next message, or nothing after a wait of at most `timeout` ms."""
        while not self.message_cache:
            # Said before the room is looked at: an acknowledgement in between then rings.
            self._full = True
            room = self.prefetch - self.outstanding_message_count
            self._full = room <= 0
            if self._full or time.monotonic() < self._look_at or not self._fetch(room):
                self._wait()
                return None
        try:
            message = Message.decode(self.message_cache.pop(0))
        except (DecodeError, TypeError, KeyError):
            log.warning("a message that is none of ours was left alone", extra={"queue": self.queue_name})
            return None
        self.queued_message_ids.add(message.message_id)
        eta = message.options.get("eta")
        if isinstance(eta, int | float):
            heapq.heappush(self._due, eta / 1000)
        return MessageProxy(message)

    def _fetch(self, room: int) -> bool:
        self._look_at = time.monotonic() + LOOK_S
        try:
            self.message_cache = self.broker.do_fetch(self.queue_name, room)
        except LOST:
            self.message_cache = []
            self._look_at = time.monotonic() + AWAY_S
        return bool(self.message_cache)

    def _wait(self) -> None:
        now = time.time()
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
        seconds = self.timeout / 1000
        if self._due:
            # A delayed message that it handed out falls due: its thread has to look then.
            seconds = min(seconds, self._due[0] - now + 0.001)
        if self._bell.wait(seconds, peek=not self._full):
            self._look_at = 0.0

    def _freed(self) -> None:
        if self._full:
            self._bell.wake()

    def ack(self, message: Any) -> None:
        # Stock Dramatiq holds the worker thread until this succeeds. What stays unacknowledged is rung
        # again when this worker is gone, and finds nothing to do.
        with suppress(*LOST):
            super().ack(message)  # type: ignore[no-untyped-call]
        self._freed()

    def nack(self, message: Any) -> None:
        with suppress(*LOST):
            super().nack(message)  # type: ignore[no-untyped-call]
        self._freed()

    def requeue(self, messages: Any) -> None:
        # Otherwise a queue that is away would end the consumer's thread for good.
        with suppress(*LOST):
            super().requeue(messages)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._bell.close()
