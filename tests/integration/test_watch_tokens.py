"""Looks at new tokens: neither their slowness nor their faults cost a stop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest

from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_listing_watch import ListingWatch
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.waiting import (
    SLOT_MS,
    stop,
)


def test_a_stop_waits_for_no_look_at_a_new_token(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    order, watcher = stop(bench, "0.97"), bench.watcher()
    asked, told = threading.Event(), threading.Event()

    async def slow(self: ListingWatch, fence: int) -> list[Any]:
        asked.set()
        await asyncio.to_thread(told.wait, 30)
        return []

    monkeypatch.setattr(ListingWatch, "once", slow)
    beat = watcher.beat

    async def listed() -> None:
        await beat()
        watcher._listed = True

    monkeypatch.setattr(watcher, "beat", listed)
    running = bench.loop.begin(watcher.run())
    assert asked.wait(10)
    bench.move_market(-500)

    def fired() -> bool:
        bench.clock.wind(ms=SLOT_MS)
        return bench.order(order.id).status is not Status.WAITING

    until(fired)
    assert not told.is_set()
    told.set()
    watcher.stop()
    running.result(10)


def test_a_fault_of_a_look_at_a_new_token_costs_no_stop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would cost the lead at each beat, and what has to hold over two slots would begin anew each time."""
    order, watcher = stop(bench, "0.97"), bench.watcher()
    faults = itertools.count()

    async def fail(self: ListingWatch, fence: int) -> list[Any]:
        next(faults)
        raise RuntimeError("nobody planned it")

    monkeypatch.setattr(ListingWatch, "once", fail)
    beat = watcher.beat

    async def listed() -> None:
        await beat()
        watcher._listed = True

    monkeypatch.setattr(watcher, "beat", listed)
    bench.move_market(-500)
    running = bench.loop.begin(watcher.run())

    def fired() -> bool:
        bench.clock.wind(ms=SLOT_MS)
        return bench.order(order.id).status is not Status.WAITING

    until(fired)
    watcher.stop()
    running.result(10)
    assert next(faults) > 0
