"""Dramatiq's consumer, woken by the queue itself instead of looking at it again and again.

`BLMOVE q q LEFT LEFT` waits until the queue's list has something and moves it to where it was: a blocking
look that takes nothing. Dramatiq's own fetch is sent right behind it, so that the server runs it in the
moment in which the look ends: one answer brings the messages. It is a bell that can't be lost, since it is
the queue's own state. The look's limit is the fallback timer, and the heartbeat that Dramatiq needs.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

import redis
from dramatiq.broker import MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed, DecodeError
from dramatiq.message import Message

from oee_daemon.queue.queue_connection import dialer

log = logging.getLogger(__name__)

#: Seconds to wait for an answer past the look's own limit, and for a connection.
ANSWER_S = 2.0
#: Seconds to leave a queue alone that can't be reached.
AWAY_S = 0.25
#: Seconds between messages that were handed out and the next question: the threads that got them may begin,
#: and what comes at the same time comes in one answer.
BREATH_S = 0.001
#: Seconds between two looks at whether the worker has ended, once it was told to.
ENDING_S = 0.01
#: Seconds between two looks at what became of acknowledgements, and how many are looked at.
PROVE_S = 1.0
KEPT = 1000

#: Messages that are acknowledged together; whatever is left when no message is under way goes at once.
ACKS = 4

#: How the queue fails: away, or with an error for an answer, as while it is full, read-only or loading.
FAILS = (redis.RedisError, ConnectionClosed, OSError)


class BlockingFetch:
    """A blocking fetch from one list, on a connection of its own, and a local wake-up beside it."""

    def __init__(self, broker: Any, queue_name: str) -> None:
        self._broker = broker
        self._queue_name = queue_name
        self._key = f"{broker.namespace}:{queue_name}"
        self._dial = dialer(broker.url, connect_s=AWAY_S, answer_s=ANSWER_S)
        self._connection: Any = None
        #: By when the question that is under way is answered; none is where this is None.
        self._answered_by: float | None = None
        #: Until when it is left alone.
        self._away_until = 0.0
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def wake(self) -> None:
        """Ends a `wait` that is under way, or the next one; from any thread."""
        # A full buffer means that it is woken already.
        with suppress(OSError):
            self._waker.send(b"!")

    def wait(self, seconds: float, *, room: int, look: float) -> list[Any]:
        """Messages, at most `room`, as soon as there are some; none when woken or after `seconds`.

        `look`: after how many seconds the server answers even without any. A question that was asked before
        stays as it was asked.
        """
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        away = self._away_until - time.monotonic()
        if room > 0 and away <= 0:
            try:
                poll.register(self._ask(room, look), select.POLLIN)
            except FAILS:
                self._leave_connection()
                away = AWAY_S
        if away > 0:
            seconds = min(seconds, away)
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)]
        if self._woken.fileno() in ready:
            with suppress(BlockingIOError):
                self._woken.recv(4096)
        if len(ready) > (self._woken.fileno() in ready):
            return self._read_answer()
        if self._answered_by is not None and time.monotonic() > self._answered_by:
            # Its other end is gone without a word.
            self.close()
        return []

    def _ask(self, room: int, look: float) -> Any:
        if self._connection is None:
            self._connection = self._dial()
            self._connection.connect()
            self._connection.send_command("SCRIPT", "LOAD", self._broker.script)
            self._connection.read_response()
        if self._answered_by is None:
            pack = self._connection.pack_command
            question = pack("BLMOVE", self._key, self._key, "LEFT", "LEFT", look)
            question += pack(*self._broker.fetch_command(self._queue_name, room))
            self._connection.send_packed_command([b"".join(question)])
            self._answered_by = time.monotonic() + look + ANSWER_S
        return self._connection._sock

    def _read_answer(self) -> list[Any]:
        looked = False
        try:
            # What comes behind a look that was refused may be messages all the same.
            with suppress(redis.ResponseError):
                self._connection.read_response()
                looked = True
            messages: list[Any] = self._connection.read_response()
        except FAILS:
            self._leave_connection()
            return []
        self._answered_by = None
        if not looked:
            self._away_until = time.monotonic() + AWAY_S
        return messages

    def _leave_connection(self) -> None:
        self.close()
        self._away_until = time.monotonic() + AWAY_S

    def close(self) -> None:
        """Forgets the connection; the next `wait` makes another."""
        if self._connection is not None:
            with suppress(*FAILS):
                self._connection.disconnect()
        self._connection, self._answered_by = None, None

    def end(self) -> None:
        """Closes its connection and its wake-up. No `wait` comes after it."""
        self.close()
        self._woken.close()
        self._waker.close()


class Consumer(_RedisConsumer):
    """One queue's consumer. A queue that fails is away for a moment, and never the end of its thread."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._fetch = BlockingFetch(broker, queue_name)
        # Fetched again only when there is room for several: one message at a time costs as much as three.
        self._batch = min(prefetch, broker.batch)
        self._full = False
        self._ending = False
        #: What is done, and was not told to the queue yet.
        self._unsent: deque[Any] = deque()
        #: What was acknowledged, and is not known to have been taken.
        self._acked: deque[Any] = deque(maxlen=KEPT)
        self._prove_at = 0.0

    @property
    def _room_for_batch(self) -> int:
        room: int = self.prefetch - self.outstanding_message_count
        return room if room >= self._batch else 0

    def __next__(self) -> Any:
        """The next message, or nothing after a wait of at most `timeout` ms."""
        if not self.message_cache:
            self._acknowledge()
            self._acknowledge_again()
            # Said before the room is looked at: an acknowledgement in between then rings.
            self._full = True
            if self.queued_message_ids:
                time.sleep(BREATH_S)
            room = self._room_for_batch
            self._full = not room
            limit = ENDING_S if self._ending else self.timeout / 1000 + ANSWER_S
            self.message_cache = self._fetch.wait(limit, room=room, look=self.timeout / 1000)
            if not self.message_cache:
                return None
        try:
            message = Message.decode(self.message_cache.pop(0))
        except (DecodeError, TypeError, KeyError):
            log.warning("a message that is none of ours was left alone", extra={"queue": self.queue_name})
            return None
        self.queued_message_ids.add(message.message_id)
        # Nothing is delayed here: what is not due is not claimed.
        message.options.pop("eta", None)
        return MessageProxy(message)

    def _acknowledge_again(self) -> None:
        """Acknowledges again what the queue did not take, as while it was full."""
        if not self._acked or time.monotonic() < self._prove_at:
            return
        self._prove_at = time.monotonic() + PROVE_S
        told = [self._acked.popleft() for _ in range(len(self._acked))]
        acks = f"{self.broker.namespace}:__acks__.{self.broker.broker_id}.{self.queue_name}"
        try:
            held = self.broker.client.smismember(acks, told)
            told = [message_id for message_id, still in zip(told, held, strict=True) if still]
            while told:
                self.broker.do_ack(self.queue_name, told[-1])
                told.pop()
        except FAILS:
            self._acked.extend(told)

    def end(self) -> None:
        """Has its thread look often, from now on, whether it shall stop."""
        self._ending = True
        self._fetch.wake()

    def _wake_if_room(self) -> None:
        if self._full and self._room_for_batch:
            self._fetch.wake()

    def ack(self, message: Any) -> None:
        message_id = message.options.get("redis_message_id")
        if message_id is None:
            # It did not come from the queue.
            return
        # Stock Dramatiq holds the worker thread until this succeeds. What stays unacknowledged is rung
        # again when this worker is gone, and finds nothing to do.
        self._acked.append(message_id)
        self._unsent.append(message_id)
        self.queued_message_ids.discard(message.message_id)
        if len(self._unsent) >= ACKS or not self.queued_message_ids:
            self._acknowledge()
        self._wake_if_room()

    def _acknowledge(self) -> None:
        """All that is done, in one write."""
        done: list[Any] = []
        # Whoever empties it, of several threads.
        with suppress(IndexError):
            while True:
                done.append(self._unsent.popleft())
        if done:
            with suppress(*FAILS):
                self.broker.acknowledge(self.queue_name, done)

    def nack(self, message: Any) -> None:
        with suppress(*FAILS):
            super().nack(message)  # type: ignore[no-untyped-call]
        self._wake_if_room()

    def requeue(self, messages: Any) -> None:
        ours = [message for message in messages if "redis_message_id" in message.options]
        # Otherwise a queue that fails would end the consumer's thread for good.
        with suppress(*FAILS):
            super().requeue(ours)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._fetch.end()
