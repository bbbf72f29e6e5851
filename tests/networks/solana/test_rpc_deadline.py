"""A deadline within a task: what is late ends as `TimeoutError`, and who cancels from outside is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from oee_daemon.networks.solana.rpc.rpc_deadline import Within


async def never(within_s: float) -> None:
    with Within(within_s):
        await asyncio.Event().wait()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_is_late_ends_as_a_timeout_and_its_task_goes_on() -> None:
    async def work() -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await never(0.001)
        task = asyncio.current_task()
        assert task is not None and task.cancelling() == 0
        await asyncio.sleep(0)

    run(work())


def test_what_is_in_time_is_not_cancelled_later() -> None:
    async def work() -> None:
        with Within(0.001):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    run(work())


def test_who_cancels_from_outside_cancels() -> None:
    async def work() -> None:
        task = asyncio.create_task(never(60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())


def test_who_cancels_as_time_is_up_is_heard() -> None:
    async def work() -> None:
        deadline = Within(60)

        async def both() -> None:
            with deadline:
                await asyncio.Event().wait()

        task = asyncio.create_task(both())
        await asyncio.sleep(0)
        deadline._end()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work())


def test_the_outer_of_two_ends_the_inner_and_is_the_one_that_says_so() -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError), Within(0.001):
            try:
                await never(60)
            except TimeoutError:
                pytest.fail("the inner one had time")

    run(work())


def test_a_fault_of_its_own_stays_what_it_is() -> None:
    async def work() -> None:
        with pytest.raises(ValueError, match="own"), Within(60):
            raise ValueError("own")

    run(work())
