"""The whole way against localnet, while nodes, slots, venues and the way to them misbehave."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_daemon.errors import ChainUnavailable, VenueError
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.solana_anchor_choice import anchor_of
from oee_daemon.orders.swap import Landed
from tests.networks.solana.local import Local, localnet
from tests.networks.solana.trader import DEADLINE_S, request_of, trading


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with localnet(tmp_path_factory.mktemp("localnet")) as found:
        yield found


#: Of each test under faults; a long proof takes more.
ORDERS = max(6, int(os.environ.get("OEE_FUZZ_EXAMPLES", "0")) // 10)


#: Nodes as two operators may have them, and what goes wrong while they are asked.
WEATHER = {
    "a laggard": (
        [{"name": "behind", "lag": 60}],
        ["", "node/behind"],
    ),
    "slots for heights, and no history": (
        [{"name": "liar", "height_is_slot": 1}, {"name": "none", "history": "none"}],
        ["", "node/liar", "node/none"],
    ),
    "a balancer without batches": (
        [{"name": "late", "lag": 40}, {"name": "lb", "members": "main,late", "batches": 0}],
        ["node/lb", ""],
    ),
}


FAULTS = [
    {"target": "send", "kind": "drop", "percent": 20},
    {"target": "send", "kind": "cut", "landed": 1, "percent": 15},
    {"target": "send", "kind": "429", "percent": 10},
    {"target": "fate", "kind": "never", "percent": 15},
    {"target": "fate", "kind": "late", "blocks": 1, "percent": 20},
    {"target": "read", "kind": "503", "percent": 5},
    {"target": "read", "kind": "null", "percent": 5},
    {"target": "read", "kind": "html", "percent": 3},
]


@pytest.mark.parametrize(("nodes", "asked"), WEATHER.values(), ids=WEATHER)
def test_under_faults_no_order_is_doubled_or_lost(
    tmp_path: Path, nodes: list[dict[str, object]], asked: list[str]
) -> None:
    orders = ORDERS
    with localnet(tmp_path, "--slippage", "5") as local:
        for node in nodes:
            local.order("nodes", **node)
        for fault in FAULTS:
            local.order("faults", **fault)

        async def run() -> list[Landed]:
            async with trading(local, *asked) as trader:
                request = request_of("SOL", "USDC", 10**6)
                return await asyncio.gather(*(trader.bought("raydium", request) for _ in range(orders)))

        landed = asyncio.run(run())
        good = Counter(signature for signature, err in local.landed() if err is None)
        assert sorted(one.fill.signature for one in landed) == sorted(good)
        assert len({one.fill.order_id for one in landed}) == orders
        assert sum(good.values()) == orders


def test_a_venue_that_lies_or_is_broken_is_no_price(tmp_path: Path) -> None:
    kinds = ["empty", "huge", "wrong_mint", "html", "cut", "503", "429"]
    with localnet(tmp_path) as local:
        for kind in kinds:
            for target in ("raydium", "jupiter"):
                local.order("faults", target=target, kind=kind, remaining=1)

        async def run() -> None:
            async with trading(local) as trader:
                for venue in ("raydium", "meteora"):
                    for _ in kinds:
                        with pytest.raises(VenueError) as caught:
                            await trader.venues[venue].quote(request_of("SOL", "USDC", 10**7), DEADLINE_S)
                        assert caught.value.retryable
                        json.dumps(caught.value.as_dict())

        asyncio.run(run())


def test_an_anchor_whose_height_is_a_slot_is_refused(tmp_path: Path) -> None:
    """By its own blockhash, which another node of the same endpoint gave."""

    async def run(local: Local) -> None:
        async with trading(local) as trader:
            found = await trader.chain.anchor(DEADLINE_S)
            results = [local.genesis, {"value": {"blockhash": found.blockhash, "lastValidBlockHeight": 588}}]
            epoch = {"absoluteSlot": 460, "blockHeight": 438}
            assert anchor_of([*results, epoch], local.genesis).height == 438
            with pytest.raises(NoAnswer):
                anchor_of([*results, epoch | {"blockHeight": 588}], local.genesis)

    with localnet(tmp_path) as local:
        asyncio.run(run(local))


def test_a_node_that_gives_slots_for_heights_is_no_anchor(tmp_path: Path) -> None:
    """Its blockhash agrees with itself; what is signed on it is proven dead millions of blocks later."""

    async def run(local: Local) -> None:
        async with trading(local, "node/liar") as trader:
            with pytest.raises(ChainUnavailable):
                await trader.chain.anchor(DEADLINE_S)
        async with trading(local, "node/liar", "") as trader:
            found = await trader.chain.anchor(DEADLINE_S)
            assert found.height < found.slot

    with localnet(tmp_path) as local:
        local.order("nodes", name="liar", height_is_slot=1)
        asyncio.run(run(local))
