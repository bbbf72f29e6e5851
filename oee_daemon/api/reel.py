"""The events of orders that are watched, read and worded once for all who watch.

Without this, a hundred clients on one order are a hundred looks into Postgres for each of its moves. A hint
makes what is held of its order stale; whoever asks first reads what is new, and the others wait for that.
Nothing here decides when to look: `stream` does.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from oee_daemon.api import wire
from oee_daemon.contract.status import Status
from oee_daemon.orders.order import Event
from oee_daemon.reads.history import History

#: Orders whose events are held; the one that was asked for longest ago goes first.
HELD = 500

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Told:
    """One event, and how it is told."""

    seq: int
    status: Status
    at: datetime
    text: str


@dataclass(slots=True)
class _Held:
    told: list[Told] = field(default_factory=list)
    stale: bool = True
    reading: asyncio.Task[None] | None = None


class Reel:
    """All of it runs in the event loop; only the reading itself is a thread's."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._held: OrderedDict[UUID, _Held] = OrderedDict()

    def moved(self, order_id: UUID) -> None:
        """There may be more of this order now."""
        held = self._held.get(order_id)
        if held is not None:
            held.stale = True

    def doubt(self) -> None:
        """There may be more of every order: hints were missed."""
        for held in self._held.values():
            held.stale = True

    async def events(self, order_id: UUID, after: int, *, look: bool) -> list[Told]:
        """The order's events past `after`, in order. `look`: whatever hints said or did not say.

        Raises `SQLAlchemyError` where Postgres can't be reached.
        """
        held = self._held.setdefault(order_id, _Held())
        self._held.move_to_end(order_id)
        if len(self._held) > HELD:
            self._held.popitem(last=False)
        if look:
            held.stale = True
        while held.stale or held.reading is not None:
            if held.reading is None:
                # Before it is read: a hint that comes meanwhile makes it stale again.
                held.stale = False
                held.reading = asyncio.create_task(self._read(order_id, held))
            # One that leaves does not take the others' answer with it.
            await asyncio.shield(held.reading)
        return [one for one in held.told if one.seq > after]

    async def _read(self, order_id: UUID, held: _Held) -> None:
        try:
            after = held.told[-1].seq if held.told else 0
            found = await run_in_threadpool(self._history.events, order_id, after)
            held.told += [told(event) for event in found]
        except BaseException:
            held.stale = True
            raise
        finally:
            held.reading = None


def told(event: Event) -> Told:
    return Told(event.seq, event.status, event.at, _ENCODE(wire.event_json(event)))
