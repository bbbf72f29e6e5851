"""Nodes that list what landed of a wallet, and what several of them tell together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_wallet_history import History
from tests.networks.solana.memo_landings import (
    OURS,
    USDC,
    WALLET,
    landing,
)
from tests.networks.solana.server import rpc, serving


def union_of(*nodes: Any) -> FillPage:
    """One page of the wallet's history, as all of these endpoints tell it."""

    async def run() -> FillPage:
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            try:
                return await History(pool, WALLET).page("G", limit=50, before=None)
            finally:
                await pool.close()

    return asyncio.run(run())


def lister(
    *landings: tuple[str, dict[str, Any]],
    slot: int = 460,
    first: int = 0,
    failed: bool = False,
    lost: str = "",
    keeps: bool = True,
) -> Any:
    """A node at that slot which keeps blocks from `first` on; `failed`: it tells every landing as failed;
    `lost`: one that it lists and does not tell; `keeps`: as of `rpc`."""
    known = dict(landings)

    def told(params: Any) -> Any:
        found = None if params[0] == lost else known.get(params[0])
        return found and {**found, "meta": {**found["meta"], **({"err": "no"} if failed else {})}}

    return rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": slot + 128}},
            "getEpochInfo": lambda _: {"absoluteSlot": slot, "blockHeight": slot - 22},
            "getSignaturesForAddress": lambda _: [
                {"signature": one, "slot": 400, "err": "no" if failed else None} for one in known
            ],
            "getTransaction": told,
            "getFirstAvailableBlock": lambda _: first,
        },
        keeps=keeps,
    )


ONE = landing(OURS, **{USDC: 7})


def walker(
    slots: Sequence[int],
    lies: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    *,
    falls_silent: bool = False,
) -> Any:
    """A node that knows landings of these slots and no others, and the same of each. `lies`: what it says
    otherwise of one of a slot, which it lists where it is. `falls_silent`: it tells its newest alone."""
    signed = {f"{slot:064}".replace("0", "z"): slot for slot in slots}

    def listed(params: Any) -> Any:
        if falls_silent and "before" in params[1]:
            return {}
        before = signed.get(params[1].get("before"), 10**9)
        found = [
            {"signature": one, "slot": slot, "err": None, "blockTime": 1_793_000_000 + slot}
            | dict(lies.get(slot, {}))
            for one, slot in signed.items() if slot < before
        ]  # fmt: skip
        return found[: params[1]["limit"]]

    def status(params: Any) -> Any:
        final = {"confirmationStatus": "finalized"} if params[0][0] in signed else None
        return {"context": {"slot": 1}, "value": [final]}

    return rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": slots[0] + 128}},
            "getEpochInfo": lambda _: {"absoluteSlot": slots[0], "blockHeight": slots[0] - 22},
            "getSignaturesForAddress": listed,
            "getSignatureStatuses": status,
            "getTransaction": lambda _: ONE[1],
            "getFirstAvailableBlock": lambda _: 0,
        }
    )
