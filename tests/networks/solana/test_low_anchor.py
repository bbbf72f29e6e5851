"""An endpoint that tells too low a height does not have the others prove a swap dead that can still land."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Lapsed, SignedSwap
from tests.networks.solana import crafted
from tests.networks.solana.server import rpc, serving

KEY = Keypair.from_seed(bytes(32))


@dataclass
class World:
    slot: int = 460_000_000

    @property
    def height(self) -> int:
        return self.slot - 22_000_000


def node(world: World, *, low: int = 0) -> Any:
    """Of that world; `low`: by how many blocks it tells too little when it gives a blockhash, which is the
    newest."""

    def latest(_: Any) -> Any:
        return {"value": {"blockhash": "1" * 32, "lastValidBlockHeight": world.height + 150 - low}}

    return rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": latest,
            "getEpochInfo": lambda _: {"absoluteSlot": world.slot - low, "blockHeight": world.height - low},
            "getSignatureStatuses": lambda _: {"context": {"slot": world.slot + 32}, "value": [None]},
        }
    )


@pytest.mark.parametrize("low", [100, 1_000])
def test_a_low_anchor_of_one_endpoint_kills_nothing_that_lives(low: int) -> None:
    world = World()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            nodes = [node(world, low=low), node(world), node(world)]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            chain = SolanaChain(pool, wallet=str(KEY.pubkey()), genesis="G", fastest_slot_ms=1e-6)
            truly_last = world.height + 150
            anchor = await chain.anchor(2.0)
            order = uuid4()
            memo = Memo(order, 1, Anchored(slot=anchor.slot, height=anchor.height)).text()
            message = MessageV0.try_compile(KEY.pubkey(), [crafted.memo(memo)], [], Hash.default())
            transaction = VersionedTransaction(message, [KEY])
            swap = SignedSwap(
                order_id=order, attempt=1, signature=str(transaction.signatures[0]), raw=bytes(transaction),
                last_valid_height=anchor.last_valid_height,
            )  # fmt: skip
            cases = Cases(chain.nodes)
            while world.height <= truly_last:
                world.slot += 6
                outcome = cases.judge(swap, await chain.look(swap))
                alive = truly_last - world.height
                assert not isinstance(outcome, Lapsed) or alive <= 0, f"it can land for {alive} more blocks"
            await pool.close()

    asyncio.run(run())
