"""The queue: Dramatiq on Redis or Valkey, as a bell and nothing more.

A message carries an order's id; losing, doubling or delaying it costs time, never an order, because
Postgres knows what is due and `recovery` rings again. So acknowledging is a courtesy here, and a lost
connection never stops a thread.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries
from redis.backoff import NoBackoff
from redis.retry import Retry

from oee_daemon.bell import Consumer
from oee_daemon.idling import SPARE, Idling
from oee_daemon.oneway import OneWay

log = logging.getLogger(__name__)

QUEUE = "orders"
ACTOR = "execute"
NAMESPACE = "oee"
#: Seconds to wait for an answer from Redis or Valkey.
TIMEOUT_S = 2.0
#: Milliseconds of Dramatiq's own backoff, for faults of ours such as Postgres being away.
MIN_BACKOFF_MS, MAX_BACKOFF_MS = 500, 10_000


class _Script:
    """Stands in for a script of Dramatiq's: its command is handed to `run` instead of being waited for."""

    def __init__(self, script: Any, run: Callable[..., Any]) -> None:
        self._sha = script.sha
        self._run = run

    def __call__(self, *, keys: list[str], args: list[Any]) -> Any:
        return self._run("EVALSHA", self._sha, len(keys), *keys, *args)


class Broker(RedisBroker):
    """Dramatiq's Redis broker with a consumer that is rung instead of polling."""

    #: How much room a consumer waits for before it fetches again.
    batch = SPARE

    def __init__(self, url: str, **options: Any) -> None:
        # Redis is asked once and never retried: a repeated script would enqueue twice.
        client = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        super().__init__(client=client, **options)  # type: ignore[no-untyped-call]
        self.url = url
        self._idling = Idling()
        self.add_middleware(self._idling)
        self._way = OneWay(url, script=self.script)
        #: The same broker, but nobody waits for what the server answers.
        self.quiet = self._with(self._way.send)
        self._unsent = self._with(lambda *command: list(command))

    def _with(self, run: Callable[..., Any]) -> Any:
        other = copy.copy(self)
        other.scripts = self.scripts | {"dispatch": _Script(self.scripts["dispatch"], run)}
        return other

    @property
    def consumer_class(self) -> Any:
        return Consumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Any:
        consumer = super().consume(queue_name, prefetch, timeout)
        self._idling.consuming(consumer)
        return consumer

    @property
    def script(self) -> Any:
        """What Dramatiq runs on the server."""
        return self.scripts["dispatch"].script

    def fetch_command(self, queue_name: str, room: int) -> list[Any]:
        """The very fetch that stock Dramatiq would send."""
        command: list[Any] = self._unsent.do_fetch(queue_name, room)
        return command

    def close(self) -> None:
        self._way.close()
        super().close()


def open_broker(url: str) -> Broker:
    """A broker with exactly the middleware named here: no time limits, which raise inside a commit, and
    no metrics server of Dramatiq's own."""
    retries = Retries(min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS)
    broker = Broker(url, middleware=[retries], namespace=NAMESPACE)
    broker.declare_queue(QUEUE)
    return broker


def ring(broker: dramatiq.Broker, order_id: UUID) -> bool:
    """Rings for one order. False: the queue could not be reached, and recovery will ring."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=QUEUE, actor_name=ACTOR, args=(str(order_id),), kwargs={}, options={}
    )
    try:
        broker.enqueue(message)
    except (redis.RedisError, OSError) as e:
        log.warning("not rung: the queue can't be reached", extra={"order_id": order_id, "reason": str(e)})
        return False
    return True
