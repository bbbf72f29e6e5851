"""What tells the watchers: a fault that nobody planned costs them a moment, and not all that follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from oee_daemon.api import api_hub as hub_module
from oee_daemon.api.api_hub import AllOrders, Hub
from oee_daemon.queue import queue_hints


class BrokenTail:
    """Fails by a fault of ours at its second look."""

    looks = 0

    def look(self, _limit: int) -> list[Any]:
        self.looks += 1
        if self.looks == 2:
            raise KeyError("an event that nobody can read")
        return [SimpleNamespace(text=f"event {self.looks}")]

    def close(self) -> None: ...


def test_a_fault_of_either_part_ends_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    moved, listened = uuid4(), 0

    async def listen(_url: str) -> AsyncGenerator[UUID | None, None]:
        nonlocal listened
        listened += 1
        if listened == 1:
            # As a client library may where its connection goes in the wrong moment.
            raise AttributeError("'NoneType' object has no attribute 'readuntil'")
        yield moved
        await asyncio.Event().wait()

    monkeypatch.setattr(queue_hints, "listen", listen)
    monkeypatch.setattr(hub_module, "encode", lambda event, _tokens: event)
    monkeypatch.setattr(hub_module, "LOOK_S", 0.001)
    monkeypatch.setattr(hub_module, "LISTEN_AGAIN_S", 0.001)

    async def watch() -> None:
        cache: Any = SimpleNamespace(tokens=None, mark_stale=lambda _: None, mark_all_stale=lambda: None)
        tail: Any = BrokenTail()
        hub = Hub("", cache, tail)
        running = asyncio.create_task(hub.run())
        # Before anybody listens: a hint is told once.
        with hub.watch(moved) as hint:
            async with asyncio.timeout(30), hub.watch_all() as everything:
                await hint.wait()
                await all_told(everything)
        assert not running.done()
        running.cancel()

    async def all_told(everything: AllOrders) -> None:
        texts: list[str] = []
        lagged = False
        while "event 3" not in texts:
            more, missed = await everything.take()
            texts, lagged = texts + more, lagged or missed
        assert lagged

    asyncio.run(watch())
