"""A connection to Redis or Valkey on which nothing is answered: for what may be lost and is not waited for.

`CLIENT REPLY OFF` makes a command one write instead of a round trip, and each write of several threads whole.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from oee_daemon.event_loop import begin_look_up, is_address

#: Seconds to wait for the server before a command is given up, and for which it is then left alone.
TIMEOUT_S = 0.5
PAUSE_S = 1.0
#: Seconds for which a connection that was just used counts as alive.
FRESH_S = 0.05


def asked_once(url: str, *, wait_s: float) -> redis.Redis:
    """A client that asks once and never retries: a repeated script would enqueue twice."""
    return redis.Redis.from_pool(_pool(url, connect_s=wait_s, answer_s=wait_s))


def dialer(url: str, *, connect_s: float, answer_s: float) -> Callable[[], Any]:
    """Makes connections to `url` that are asked once and never retried.

    Not a pool's: that counts what it made and never what was lost, so that after a hundred it makes none.
    """
    pool = _pool(url, connect_s=connect_s, answer_s=answer_s)
    return lambda: pool.connection_class(**pool.connection_kwargs)


def _pool(url: str, *, connect_s: float, answer_s: float) -> redis.ConnectionPool:
    pool = redis.ConnectionPool.from_url(
        url, socket_connect_timeout=connect_s, socket_timeout=answer_s, retry=Retry(NoBackoff(), 0)
    )
    named = {redis.Connection: _Named, redis.SSLConnection: _NamedTls}
    pool.connection_class = named.get(pool.connection_class, pool.connection_class)
    return pool


class _LooksUp:
    """Waits for its host's address no longer than for the host: a resolver may be silent for minutes, and all
    that time nobody could end the thread that asks."""

    host: str
    port: int
    socket_connect_timeout: float | None

    def connect(self) -> None:
        """Raises `redis.RedisError`."""
        try:
            if not is_address(self.host):
                _look_up(self.host, self.port).result(self.socket_connect_timeout)
        except FutureTimeout:
            raise redis.TimeoutError(f"{self.host}: no answer when asked for its address") from None
        except (OSError, UnicodeError) as e:
            raise redis.ConnectionError(f"{self.host}: {e}") from None
        super().connect()  # type: ignore[misc]


class _Named(_LooksUp, redis.Connection):
    pass


class _NamedTls(_LooksUp, redis.SSLConnection):
    pass


#: One of a name at a time: what is silent is not asked by more and more threads.
_look_ups: dict[tuple[str, int], Future[Any]] = {}


def _look_up(host: str, port: int) -> Future[Any]:
    asked = _look_ups.get((host, port))
    if asked is None or asked.done():
        asked = _look_ups[host, port] = begin_look_up(host, port)
    return asked


class FireAndForget:
    """Sends the commands of all threads over one connection.

    `script` is loaded first, so that EVALSHA finds it.
    """

    def __init__(self, url: str, *, script: str | bytes | None = None) -> None:
        self._dial = dialer(url, connect_s=TIMEOUT_S, answer_s=TIMEOUT_S)
        self._script = script
        self._lock = threading.Lock()
        self._connection: Any = None
        self._pause_until = 0.0
        self._sent_at = 0.0

    def send(self, *command: Any) -> None:
        """One command; otherwise as `send_all`."""
        self.send_all([command])

    def send_all(self, commands: Sequence[Sequence[Any]]) -> None:
        """Raises `redis.RedisError` or `OSError` where the server can't be reached, once a pause."""
        if time.monotonic() < self._pause_until:
            return
        with self._lock:
            try:
                self._send(commands, again=self._connection is not None)
            except (redis.RedisError, OSError):
                self._pause_until = time.monotonic() + PAUSE_S
                raise

    def send_at_once(self, commands: Sequence[Sequence[Any]]) -> bool:
        """As `send_all`, for an event loop: never waits, and raises nothing. False: it would have had to."""
        if time.monotonic() < self._pause_until:
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._connection is None or self._readiness() != select.POLLOUT:
                return False
            # Ready means that a good part of the buffer is free, and what is sent at once is small.
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except (redis.RedisError, OSError):
            self._drop_connection()
            return False
        finally:
            self._lock.release()
        return True

    def _readiness(self) -> int:
        """What could be done now: only where the server has closed it is there anything to read."""
        look = select.poll()
        look.register(self._connection._sock, select.POLLIN | select.POLLOUT)
        return next((ready for _, ready in look.poll(0)), 0)

    def _send(self, commands: Sequence[Sequence[Any]], *, again: bool) -> None:
        try:
            if self._connection is not None and self._server_has_closed():
                self._drop_connection()
            if self._connection is None:
                self._connect()
            packed = self._connection.pack_commands(commands)
            self._connection.send_packed_command(packed, check_health=False)
        except (redis.RedisError, OSError):
            self._drop_connection()
            # It ended in this very moment.
            if not again:
                raise
            self._send(commands, again=False)

    def _connect(self) -> None:
        self._connection = self._dial()
        self._connection.connect()
        if self._script is not None:
            self._connection.send_command("SCRIPT", "LOAD", self._script)
            self._connection.read_response()
        self._connection.send_command("CLIENT", "REPLY", "OFF")

    def _server_has_closed(self) -> bool:
        """Whether the server has closed the connection, which answers nothing: only then can it be read.

        Looked at after a pause only, as after a restart: in a stream of commands one of them finds out.
        """
        before, self._sent_at = self._sent_at, time.monotonic()
        if self._sent_at - before < FRESH_S:
            return False
        return bool(self._readiness() & ~select.POLLOUT)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(redis.RedisError, OSError):
                self._connection.disconnect()
        self._connection = None

    def close(self) -> None:
        with self._lock:
            self._drop_connection()
