"""Hints that an order has moved: published after each commit, so that whoever streams looks at once.

A hint carries the ids of orders and nothing else. It may be lost: who listens also looks every second.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import redis
import redis.asyncio

from oee_daemon.queue.queue_connection import TIMEOUT_S, FireAndForget

log = logging.getLogger(__name__)

#: The channel of the hints.
CHANNEL = "oee:moved"
#: Seconds of silence after which the queue is asked whether it is there, and has to answer.
SILENT_S = 2.0


def hint_of(order_ids: Sequence[UUID]) -> tuple[str, ...]:
    """The command that publishes a hint of these orders."""
    return "PUBLISH", CHANNEL, " ".join(map(str, order_ids))


class Feed:
    """Publishes hints. Never raises, and never holds an order up for longer than `TIMEOUT_S`."""

    def __init__(self, url: str) -> None:
        self._sender = FireAndForget(url)

    def publish(self, *order_ids: UUID) -> None:
        try:
            self._sender.send(*hint_of(order_ids))
        except (redis.RedisError, OSError) as e:
            log.debug("hint lost", extra={"orders": len(order_ids), "reason": str(e)})

    def close(self) -> None:
        self._sender.close()


async def listen(url: str) -> AsyncGenerator[UUID | None, None]:
    """The ids of orders that moved, from the first item on, which is `None`: what moved before is not told.

    Raises `redis.RedisError` when the connection is lost, or its other end silent.
    """
    client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=None)
    try:
        async with client.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            yield None
            asked = False
            while True:
                message = await channel.get_message(timeout=SILENT_S)
                if message is not None and message["type"] == "message":
                    for order_id in bytes(message["data"]).decode().split():
                        yield UUID(order_id)
                elif message is None and asked:
                    raise redis.TimeoutError("the queue is silent")
                asked = message is None
                if asked:
                    await channel.ping()
    finally:
        await client.aclose()
