"""Caches the events of watched orders, each read and encoded once for all who watch.

Without this cache, a hundred clients on one order are a hundred reads of Postgres for each of its moves. A
hint marks the order's entry as stale; the first watcher that asks then reads what is new, and the others wait
for that read. The cache never decides when to read: `api_hub` and `stream_routes` do.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from oee_daemon.api import order_wire
from oee_daemon.contract.status import Status
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.order import Event
from oee_daemon.reads.reads_history import History

#: Orders in the cache; the one that was asked for longest ago is dropped first.
MAX_ORDERS = 500

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """One event and its JSON, encoded once for all watchers."""

    seq: int
    status: Status
    at: datetime
    text: str


@dataclass(slots=True)
class _Entry:
    events: list[EncodedEvent] = field(default_factory=list)
    stale: bool = True
    reading: asyncio.Task[None] | None = None


class EventCache:
    """Runs in the event loop; only the read itself runs on a thread."""

    def __init__(self, history: History, tokens: TokenBook) -> None:
        self._history = history
        self.tokens = tokens
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()

    def mark_stale(self, order_id: UUID) -> None:
        """The order may have more events now."""
        entry = self._entries.get(order_id)
        if entry is not None:
            entry.stale = True

    def mark_all_stale(self) -> None:
        """Every order may have more events: hints were missed."""
        for entry in self._entries.values():
            entry.stale = True

    async def events(self, order_id: UUID, after: int, *, fresh: bool) -> list[EncodedEvent]:
        """The order's events past `after`, in order. `fresh`: Postgres is read even where no hint came.

        Raises `SQLAlchemyError` where Postgres can't be reached.
        """
        entry = self._entries.setdefault(order_id, _Entry())
        self._entries.move_to_end(order_id)
        if len(self._entries) > MAX_ORDERS:
            self._entries.popitem(last=False)
        if fresh:
            entry.stale = True
        while entry.stale or entry.reading is not None:
            if entry.reading is None:
                # Before the read: a hint that comes during it makes the entry stale again.
                entry.stale = False
                entry.reading = asyncio.create_task(self._read(order_id, entry))
            # A watcher that leaves does not take the others' answer with it.
            await asyncio.shield(entry.reading)
        return [event for event in entry.events if event.seq > after]

    async def _read(self, order_id: UUID, entry: _Entry) -> None:
        try:
            after = entry.events[-1].seq if entry.events else 0
            found = await run_in_threadpool(self._history.events, order_id, after)
            entry.events += [encode(event, self.tokens) for event in found]
        except BaseException:
            entry.stale = True
            raise
        finally:
            entry.reading = None


def encode(event: Event, tokens: TokenBook) -> EncodedEvent:
    return EncodedEvent(event.seq, event.status, event.at, _ENCODE(order_wire.event_json(event, tokens)))
