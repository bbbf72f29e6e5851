"""The queue: Dramatiq on Redis or Valkey, as a bell and nothing more.

A message carries an order's id; losing, doubling or delaying it costs time, never an order, because
Postgres knows what is due and `recovery` hands it to the threads. So acknowledging is a courtesy here, and
neither a lost connection nor an error for an answer ever stops a thread. Nothing is delayed in the queue:
what is due later waits in its worker (see `worker_threads`), and in Postgres should that die.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from oee_daemon.queue.queue_connection import FireAndForget, asked_once
from oee_daemon.queue.queue_consumer import Consumer
from oee_daemon.queue.queue_hints import hint_of
from oee_daemon.queue.queue_threads import SPARE, Threads

log = logging.getLogger(__name__)

QUEUE = "orders"
ACTOR = "execute"
NAMESPACE = "oee"
#: Rung as an order's id: something was placed whose time comes before the watcher's next beat.
LOOK = UUID(int=0)
#: Seconds to wait for an answer from Redis or Valkey.
TIMEOUT_S = 2.0


class _Unsent:
    """Stands in for a script of Dramatiq's: its command is returned instead of being sent."""

    def __init__(self, script: Any) -> None:
        self._sha = script.sha

    def __call__(self, *, keys: list[str], args: list[Any]) -> list[Any]:
        return ["EVALSHA", self._sha, len(keys), *keys, *args]


class Broker(RedisBroker):
    """Dramatiq's Redis broker with a consumer that waits instead of polling."""

    #: How much room a consumer waits for before it fetches again.
    batch = SPARE

    def __init__(self, url: str, **options: Any) -> None:
        client = asked_once(url, wait_s=TIMEOUT_S)
        super().__init__(client=client, **options)  # type: ignore[no-untyped-call]
        if not self.scripts:
            # Dramatiq looks for them by a pattern, as which a folder's name with brackets matches nothing.
            self.scripts = {
                name: client.register_script(
                    (files("dramatiq.brokers") / "redis" / f"{name}.lua").read_bytes()
                )
                for name in ("dispatch", "maxstack")
            }
        self.url = url
        self._threads = Threads()
        self.add_middleware(self._threads)
        self._sender = FireAndForget(url, script=self.script)
        #: The same broker, which sends nothing: what it would send is what its calls return.
        self._unsent: Any = copy.copy(self)
        self._unsent.scripts = self.scripts | {"dispatch": _Unsent(self.scripts["dispatch"])}

    def ring(self, order_ids: Sequence[UUID], *, at_once: bool) -> bool:
        """Rings for each, and tells who watches, in one write; waits for no answer, and with `at_once` for
        nothing else: False where it would have to. Raises as `FireAndForget` does."""
        commands = [*map(self._enqueue_command, order_ids), hint_of(order_ids)]
        if at_once:
            return self._sender.send_at_once(commands)
        self._sender.send_all(commands)
        return True

    def acknowledge(self, queue_name: str, message_ids: Sequence[Any]) -> None:
        """All of them in one write, of which no answer is waited for. Raises as `FireAndForget` does."""
        self._sender.send_all([self._unsent.do_ack(queue_name, one) for one in message_ids])

    def _enqueue_command(self, order_id: UUID) -> Any:
        """As stock Dramatiq would enqueue its message, whose hooks nobody here has."""
        message = _message(order_id)
        # Dramatiq draws another id, since messages may be retried; none of ours is.
        message.options["redis_message_id"] = message.message_id
        return self._unsent.do_enqueue(QUEUE, message.message_id, message.encode())

    def declare_queue(self, queue_name: str) -> None:
        """Declares a queue as Dramatiq does, but none of delayed messages, with a thread of its own."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def hand(self, order_id: UUID, delay: timedelta = timedelta(0)) -> bool:
        """Gives an order to this process's own threads, past the queue. False: none works here (any more)."""
        return self._threads.hand(_message(order_id), delay.total_seconds())

    def waiting_here(self) -> int:
        """How many messages this process holds and none of its threads has taken yet."""
        return self._threads.waiting()

    @property
    def consumer_class(self) -> Any:
        return Consumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Any:
        consumer = super().consume(queue_name, prefetch, timeout)
        self._threads.consuming(consumer)
        return consumer

    @property
    def script(self) -> Any:
        """The Lua script that Dramatiq runs on the server."""
        return self.scripts["dispatch"].script

    def fetch_command(self, queue_name: str, room: int) -> list[Any]:
        """The very fetch that stock Dramatiq would send."""
        command: list[Any] = self._unsent.do_fetch(queue_name, room)
        return command

    def close(self) -> None:
        self._sender.close()
        super().close()


def open_broker(url: str) -> Broker:
    """A broker without any of Dramatiq's own middleware: no time limits, which raise inside a commit, no
    metrics server, and no retries, since a run never raises (see `execution`)."""
    broker = Broker(url, middleware=[], namespace=NAMESPACE)
    broker.declare_queue(QUEUE)
    return broker


def _message(order_id: UUID) -> dramatiq.Message[None]:
    return dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=(str(order_id),), kwargs={}, options={})


def ring(broker: dramatiq.Broker, order_id: UUID) -> bool:
    """Rings for one order. False: the queue did not take it, and recovery will see to the order."""
    try:
        broker.enqueue(_message(order_id))
    except (redis.RedisError, OSError) as e:
        log.warning("not rung: the queue did not take it", extra={"order_id": order_id, "reason": str(e)})
        return False
    return True


def ring_all(broker: Broker, order_ids: Sequence[UUID], *, at_once: bool = False) -> bool:
    """Rings for orders that were just stored, where nobody waits for the queue: recovery sees to the rest.
    False: `at_once` it can't be done, and nobody was rung for."""
    try:
        return broker.ring(order_ids, at_once=at_once)
    except (redis.RedisError, OSError) as e:
        log.warning("not rung: the queue did not take it", extra={"orders": len(order_ids), "reason": str(e)})
        return True
