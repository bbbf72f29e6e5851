"""Launches are found however much else names the mint, and whatever an endpoint lists that nobody has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.localnet import localnet_json
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.solana_launch_finder import LaunchFinder
from oee_daemon.networks.solana.solana_programs import CPMM, DAMM_V2
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations


def transaction(launches: bool) -> dict[str, Any]:
    data = localnet_json.base58(bytes.fromhex("5fb40aac54aee828") + b"\x07" * 9)
    step = {"programIdIndex": 1, "accounts": [0, 2], "data": data}
    message = {"accountKeys": ["maker", DAMM_V2, "mint"], "instructions": [step] if launches else []}
    return {"meta": {"err": None, "innerInstructions": []}, "transaction": {"message": message}}


class Chain:
    """What named a mint, oldest first; `hidden`: what is listed and no endpoint has."""

    def __init__(self) -> None:
        self.named: list[str] = []
        self.hidden: set[str] = set()

    async def any(self, calls: Any, read: Any, _deadline_s: float, *, urgent: bool) -> Any:
        try:
            return read([self.told(method, params) for method, params in calls])
        except NoAnswer as e:
            raise ChainUnavailable(str(e)) from None

    def told(self, method: str, params: Any) -> Any:
        if method == "getTransaction":
            return None if params[0] in self.hidden else transaction(params[0] == "launch")
        asked = params[1]
        newest = self.named[::-1]
        first = newest.index(asked["before"]) + 1 if "before" in asked else 0
        last = newest.index(asked["until"]) if "until" in asked else len(newest)
        return [{"signature": key, "err": None} for key in newest[first:last][: asked["limit"]]]


def looks(chain: Any) -> int | None:
    """How many looks it takes until the launch is found."""
    finder = LaunchFinder(chain, CPMM, Configurations(), 0.0)
    chain.named, named = chain.named[:1], chain.named

    async def run() -> int | None:
        await finder.market("mint", 1.0, urgent=False)
        chain.named = named
        for n in range(1, 40):
            if await finder.market("mint", 1.0, urgent=False) == "Meteora DAMM v2":
                return n
        return None

    return asyncio.run(run())


@pytest.mark.parametrize(("before", "after", "most"), [(0, 350, 2), (350, 0, 2), (3, 1, 1)])
def test_spam_around_a_launch_neither_hides_it_nor_keeps_it_back(before: int, after: int, most: int) -> None:
    chain = Chain()
    chain.named = ["first", *(f"b{n}" for n in range(before)), "launch", *(f"a{n}" for n in range(after))]
    found = looks(chain)
    assert found is not None and found <= most


def test_what_no_endpoint_has_keeps_nobody_waiting_for_ever() -> None:
    chain = Chain()
    chain.hidden = {f"h{n}" for n in range(20)}
    hidden = sorted(chain.hidden)
    chain.named = ["first", *hidden[:10], "launch", *hidden[10:]]
    found = looks(chain)
    assert found is not None and found <= 6
