"""Hints that an order has moved: published after each commit, so that whoever streams looks at once.

A hint carries the order's id and nothing else. It may be lost: who listens also looks every second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
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
    """Publishes hints. Never raises, and never holds an order up for longer than `TIMEOUT_S`."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._quiet_until = 0.0

    def publish(self, order_id: UUID) -> None:
        if time.monotonic() < self._quiet_until:
            return
        try:
            self._client.publish(CHANNEL, str(order_id))
        except redis.RedisError as e:
            self._quiet_until = time.monotonic() + PAUSE_S
            log.debug("hint lost", extra={"order_id": order_id, "reason": str(e)})

    def close(self) -> None:
        self._client.close()


async def listen(url: str) -> AsyncIterator[UUID | None]:
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
