"""Hints that an order has moved: published after each commit, so that whoever streams looks at once.

A hint carries the order's id and nothing else. It may be lost: who listens also looks every second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

#: The channel of the hints.
CHANNEL = "oee:moved"
#: Seconds to wait for Valkey before a hint is given up, and for which it is then left alone.
TIMEOUT_S = 0.5
PAUSE_S = 1.0


class Feed:
    """Publishes hints. Never raises, and never holds an order up for longer than `TIMEOUT_S`.

    One connection for all threads, on which nothing is answered: a hint is one write, never a round trip.
    """

    def __init__(self, url: str) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._lock = threading.Lock()
        self._connection: Any = None
        self._quiet_until = 0.0

    def publish(self, order_id: UUID) -> None:
        if time.monotonic() < self._quiet_until:
            return
        with self._lock:
            try:
                self._send(order_id, again=self._connection is not None)
            except (redis.RedisError, OSError) as e:
                self._quiet_until = time.monotonic() + PAUSE_S
                log.debug("hint lost", extra={"order_id": order_id, "reason": str(e)})

    def _send(self, order_id: UUID, *, again: bool) -> None:
        try:
            if self._connection is None:
                self._connection = self._pool.make_connection()
                self._connection.connect()
                self._connection.send_command("CLIENT", "REPLY", "OFF")
            self._connection.send_command("PUBLISH", CHANNEL, str(order_id), check_health=False)
        except (redis.RedisError, OSError):
            self._drop()
            # What was connected before a restart is found lost only now.
            if not again:
                raise
            self._send(order_id, again=False)

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(redis.RedisError, OSError):
                self._connection.disconnect()
        self._connection = None

    def close(self) -> None:
        with self._lock:
            self._drop()


async def listen(url: str) -> AsyncGenerator[UUID | None, None]:
    """The ids of orders that moved, from the first item on, which is `None`: what moved before is not told.

    Raises `redis.RedisError` when the connection is lost.
    """
    client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=None)
    try:
        async with client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            yield None
            async for message in channel.listen():
                yield UUID(bytes(message["data"]).decode())
    finally:
        await client.aclose()
