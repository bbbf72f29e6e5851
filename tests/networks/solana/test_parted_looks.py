"""A balancer that takes few calls at once: what one of its nodes remembers proves nothing of another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_endpoint_look import EPOCH, FINALIZED, GENESIS, answer_of, calls_for
from oee_daemon.networks.solana.solana_landed_transaction import OPTIONS
from oee_daemon.networks.solana.solana_look_evidence import Anchored, look_of
from tests.networks.solana.server import Asked, Said, rpc, serving
from tests.networks.solana.test_rpc import DEADLINE_S

#: Where the swap was anchored, and where the chain is: longer ago than a node's cache of statuses reaches.
ANCHORED, SLOT, HEIGHT = Anchored(slot=1_000, height=900), 5_000, 4_800
NODE = {
    "getGenesisHash": lambda _: "g",
    "getEpochInfo": lambda _: {"absoluteSlot": SLOT, "blockHeight": HEIGHT},
    "getTransaction": lambda _: None,
}


def status(said: Any) -> Any:
    return lambda _: {"context": {"slot": SLOT + 1}, "value": [said]}


#: The one has forgotten the swap and says nothing of it, the other one has it and is never asked.
FORGETS = rpc({**NODE, "getSignatureStatuses": status(None), "getFirstAvailableBlock": lambda _: 4_900})
KEEPS = rpc({**NODE, "getFirstAvailableBlock": lambda _: 0})


def balancer(most: int) -> Any:
    """As a worst one would: who forgets is asked for the status, who keeps all for the rest."""

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        of_status = any(call["method"] == "getSignatureStatuses" for call in calls)
        return (FORGETS if of_status else KEEPS)(asked)

    return answer


@pytest.mark.parametrize("there", [False, True], ids=["look", "look and transaction"])
@pytest.mark.parametrize("most", [2, 3, 4, 5])
def test_a_status_and_how_far_back_it_was_looked_for_are_of_one_node(most: int, there: bool) -> None:
    """A swap that landed while the engine was down was taken for one that never did, and bought twice: the
    one node's silence counted for as much as the other one remembers."""
    calls = calls_for("s") + ([("getTransaction", ["s", OPTIONS])] if there else [])

    async def run() -> None:
        async with serving(balancer(most)) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            for _ in range(4):
                results = await one.ask(calls, DEADLINE_S)
                answer = answer_of("n", results[:4], "g")
                look = look_of(answer, ANCHORED, [])
                assert look is not None and look.seen is None
                # Only from now on: an absence before says nothing.
                assert look.remembers_from == HEIGHT
            assert one.largest_batch == min(most, len(calls)) or most == 3
            await one.close()

    asyncio.run(run())


@pytest.mark.parametrize("most", [2, 3])
def test_a_block_to_build_on_and_where_the_chain_is_are_of_one_node(most: int) -> None:
    """By where its anchor was, it is told of a swap how far back a node has to remember."""
    parts: list[list[str]] = []

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        parts.append([call["method"] for call in calls])
        return KEEPS(asked)

    async def run() -> None:
        async with serving(answer) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            for _ in range(3):
                await one.ask([GENESIS, ("getLatestBlockhash", [FINALIZED]), EPOCH], DEADLINE_S)
            await one.close()

    asyncio.run(run())
    assert len([part for part in parts if part[-2:] == ["getLatestBlockhash", "getEpochInfo"]]) == 3
