"""A mint is learnt of all endpoints: by its decimals every amount of an order is counted."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from itertools import count, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.solana import solana_mint_reader
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_mint_reader import MintReader
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.server import Handler, Said, rpc, serving

MINT = TOKENS["BONK"].mint


def node(
    decimals: int | None,
    owner: object = crafted.TOKEN,
    extension: bytes = b"",
    slots: Iterator[int] | None = None,
) -> Handler:
    """Tells that mint, or none of it; at these slots, where it says any."""
    data = bytes(36) + struct.pack("<QBB", 10**15, decimals or 0, 1) + bytes(36)
    if extension:
        data += bytes(83) + b"\1" + extension
    row = {"owner": str(owner), "lamports": 1, "data": [base64.b64encode(data).decode(), "base64"]}

    def accounts(params: list[Any]) -> Any:
        context = {} if slots is None else {"context": {"slot": next(slots)}}
        return context | {
            "value": [row if key == MINT and decimals is not None else None for key in params[0]]
        }

    return rpc({"getGenesisHash": lambda _: "G", "getMultipleAccounts": accounts})


def read(*nodes: Handler, times: int = 1) -> Mapping[str, MintFacts]:
    """As it is read in the end."""

    async def genesis() -> str:
        return "G"

    async def run() -> Mapping[str, MintFacts]:
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            reader = MintReader(pool, genesis=genesis)
            for _ in range(times - 1):
                with suppress(ChainUnavailable):
                    await reader.read([MINT], 2.0)
            return await reader.read([MINT], 2.0)

    return asyncio.run(run())


DELEGATED = struct.pack("<HH", 12, 32) + bytes([7]) * 32


@pytest.mark.parametrize(
    "liar",
    [node(9), node(5, crafted.TOKEN_2022), node(5, crafted.TOKEN_2022, DELEGATED)],
    ids=["decimals", "program", "a risk"],
)
def test_endpoints_that_tell_different_mints_are_not_believed(liar: Handler) -> None:
    for nodes in ([node(5), liar], [liar, node(5)]):
        with pytest.raises(ChainUnavailable, match="different things"):
            read(*nodes)


@pytest.mark.parametrize("stands_still", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_who_stands_still_since_before_a_risk_was_taken_back_has_no_say_on_it(
    monkeypatch: pytest.MonkeyPatch, stands_still: bool, turned: bool
) -> None:
    """The token would be unknown for as long as that endpoint is set. On decimals it has one: they stay."""
    passed = count(1_000.0, 45.0)
    monkeypatch.setattr(solana_mint_reader, "time", SimpleNamespace(monotonic=lambda: next(passed)))

    def nodes(decimals: int) -> list[Handler]:
        behind = repeat(500) if stands_still else count(500, 100)
        old = node(decimals, crafted.TOKEN_2022, DELEGATED, behind)
        both = [node(5, crafted.TOKEN_2022, slots=count(900, 100)), old]
        return both[::-1] if turned else both

    if stands_still:
        assert read(*nodes(5), times=3)[MINT].extensions == ()
    for decimals in (4, *([] if stands_still else [5])):
        with pytest.raises(ChainUnavailable, match="different things"):
            read(*nodes(decimals), times=3)


def test_one_that_is_silent_or_has_not_heard_of_it_holds_nobody_up() -> None:
    for beside in ([], [node(None)], [lambda _: Said(status=503)], [node(5)]):
        for nodes in ([node(5), *beside], [*beside, node(5)]):
            assert read(*nodes)[MINT].decimals == 5
    assert read(node(None), node(None)) == {}
    with pytest.raises(ChainUnavailable):
        read(lambda _: Said(status=503))
