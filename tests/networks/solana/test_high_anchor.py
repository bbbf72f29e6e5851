"""Too high a height, told by one endpoint, leaves no swap in doubt that nobody could ever prove dead."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana import solana_anchor_choice
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_anchor_choice import FAR_BLOCKS, AnchorChoice
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.orders.swap import Anchor
from tests.networks.solana.server import Asked, Said, serving
from tests.networks.solana.test_low_anchor import World, node

#: Blocks by which a liar is ahead: of 200 ms, years.
LIE = 10**9
#: Blocks, a minute of them, by which the one that still answers may be behind the one that led.
LAG = 150


def last_height(ahead: Sequence[int]) -> int:
    """By how much the anchor's last height is beyond the honest one, where endpoints lie by so much."""
    world = World()

    async def run() -> int:
        async with AsyncExitStack() as stack:
            nodes = [node(world, low=-by) for by in ahead]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            chain = SolanaChain(pool, wallet="", genesis="G")
            return (await chain.anchor(2.0)).last_valid_height - (world.height + 150)

    return asyncio.run(run())


def test_of_three_the_liar_is_left_out_and_of_two_nothing_is_built_on() -> None:
    assert last_height([LIE, 0, 0]) == 0 == last_height([0, -100, LIE])
    with pytest.raises(ChainUnavailable, match="contradict"):
        last_height([LIE, 0])
    # A lag is no lie, and whoever is alone is believed.
    assert last_height([0, -200]) == 0 and last_height([LIE]) == LIE


def at(height: int) -> Anchor:
    return Anchor("b", height + 150, height + 22_000_000, height)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(solana_anchor_choice, "clock_s", lambda: self.now)


def test_what_two_agreed_on_tells_a_liar_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, choice = Clock(monkeypatch), AnchorChoice(100.0)
    assert choice.of({"a": at(1_000), "b": at(1_010)}) == at(1_010)
    clock.now += 60
    # 60 seconds are 600 blocks at most.
    assert choice.of({"a": at(1_300), "b": at(LIE)}) == at(1_300)
    with pytest.raises(ChainUnavailable):
        choice.of({"b": at(1_010 + FAR_BLOCKS + 601)})
    assert choice.of({"b": at(1_010 + FAR_BLOCKS + 600)}) == at(1_010 + FAR_BLOCKS + 600)
    clock.now += 3_600
    # One that begins anew far behind holds nobody up.
    assert choice.of({"a": at(20_000), "b": at(0)}) == at(20_000)


def test_one_that_stands_still_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, choice = Clock(monkeypatch), AnchorChoice(100.0)
    with pytest.raises(ChainUnavailable):
        choice.of({"a": at(10_000), "b": at(100)})
    clock.now += 6
    assert choice.of({"a": at(10_020), "b": at(100)}) == at(10_020)
    clock.now += 6
    # Where the chain itself stands, nobody is to blame.
    assert choice.of({"a": at(10_020)}) == at(10_020)


def test_an_anchor_serves_the_swaps_of_a_moment_by_the_blocks_that_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for block_s, shared_s in ((0.2, 1.0), (0.01, 0.07)):
        clock, choice = Clock(monkeypatch), AnchorChoice(5.0)
        choice.of({"a": at(1_000)})
        assert choice.lately() is None, "nobody knows yet how long a block takes"
        clock.now += 100 * block_s
        choice.of({"a": at(1_100)})
        clock.now += 0.99 * shared_s
        assert choice.lately() == at(1_100)
        clock.now += 0.02 * shared_s
        assert choice.lately() is None
        choice.of({"a": at(1_100)})
        assert choice.lately() is None, "the chain stands"


def test_what_bounds_all_that_was_signed_is_no_anchor_of_a_moment_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Finality stood still, and then came on by many blocks at once, on which another worker has signed."""
    world, clock = World(), Clock(monkeypatch)

    async def run() -> tuple[int, int]:
        async with AsyncExitStack() as stack:
            served, _ = await stack.enter_async_context(serving(node(world)))
            pool = open_pool([served], 1000.0, 1000)
            stack.push_async_callback(pool.close)
            chain = SolanaChain(pool, wallet="", genesis="G")
            await chain.anchor(2.0)
            world.slot, clock.now = world.slot + 1, clock.now + 20
            await chain.anchor(2.0)
            world.slot, clock.now = world.slot + 80, clock.now + 0.5
            shared, last = await chain.anchor(2.0), await chain.last_height(2.0)
            return (world.height + 150 - shared.last_valid_height, last)

    assert asyncio.run(run()) == (80, world.height + 150)


@pytest.mark.parametrize("built", [True, False])
def test_one_that_led_and_is_silent_leaves_nothing_of_it_out_of_the_bound(*, built: bool) -> None:
    """Who was signed for by the leading one can land after what the lagging one calls the last height,
    whether this process has asked it before or another one has."""
    world, silent = World(), False

    def leading(asked: Asked) -> Any:
        return Said(status=503) if silent else node(world)(asked)

    async def run() -> tuple[int, int]:
        nonlocal silent
        async with AsyncExitStack() as stack:
            nodes = [leading, node(world, low=LAG)]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            signed = SolanaChain(pool, wallet="", genesis="G")
            anchor = await signed.anchor(2.0)
            chain = signed if built else SolanaChain(pool, wallet="", genesis="G")
            silent = True
            return anchor.last_valid_height, await chain.last_height(2.0)

    last, bound = asyncio.run(run())
    assert bound >= last


def test_where_all_answer_the_bound_is_the_newest_one_s() -> None:
    world = World()

    async def run() -> int:
        async with AsyncExitStack() as stack:
            nodes = [node(world), node(world, low=LAG)]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            return await SolanaChain(pool, wallet="", genesis="G").last_height(2.0)

    assert asyncio.run(run()) == world.height + 150
