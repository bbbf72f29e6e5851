"""Orders that are looked for on the chain by their memo: what is there and what is forged."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from oee_daemon.engine.engine_wallet_walk import StillInDoubt, WalletWalk
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_wallet_history import History
from tests.networks.solana import crafted
from tests.networks.solana.memo_landings import (
    BONK,
    ORDER,
    OURS,
    THIEF,
    USDC,
    WALLET,
    Pages,
    fill,
    landing,
    searched,
)
from tests.networks.solana.server import Handler, rpc, serving


def node_of(known: Mapping[str, dict[str, Any]]) -> Handler:
    return rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": 588}},
            "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
            "getSignaturesForAddress": lambda _: [
                {"signature": one, "slot": 400, "err": None} for one in known
            ],
            "getTransaction": lambda params: known[params[0]],
            "getFirstAvailableBlock": lambda _: 0,
        }
    )


def page_of(*landings: tuple[str, dict[str, Any]], mints: Sequence[str] = ()) -> FillPage:
    async def run() -> FillPage:
        async with serving(node_of(dict(landings))) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            try:
                return await History(pool, WALLET).page("G", limit=50, before=None, mints=mints)
            finally:
                await pool.close()

    return asyncio.run(run())


def test_what_the_wallet_has_paid_for_is_found_by_its_memo() -> None:
    found = searched(page_of(landing(OURS, **{USDC: 7})))
    assert found is not None and (found.amount_in, found.amount_out) == (1_000, 7)


def test_another_s_transaction_with_an_order_s_memo_is_no_fill_of_it() -> None:
    """A token whose delegate may take it back: it leaves, dust of another arrives, and the wallet signed
    nothing."""
    page = page_of(landing(THIEF, **{BONK: -5, USDC: 1}))
    assert (list(page.fills), searched(page)) == ([], None)


def test_a_landing_that_nobody_has_signed_is_none() -> None:
    """An endpoint can tell any bytes: an order would count as filled, or as landed beside another."""
    signature, told = landing(OURS, **{USDC: 7})
    wire = base64.b64decode(told["transaction"][0])
    for height, orders in ((b" 438000000", [crafted.ORDER]), (b" 438000001", [])):
        other = wire.replace(b" 438000000", height)
        page = page_of((signature, {**told, "transaction": [base64.b64encode(other).decode(), "base64"]}))
        assert ([fill.order_id for fill in page.fills], list(page.unread)) == (orders, [])


def test_a_landed_swap_that_can_not_be_read_keeps_its_order_in_doubt() -> None:
    """Dust of a token on its way came along: it is no swap that can be told, and the order is not signed
    again."""
    page = page_of(landing(OURS, **{USDC: 7, BONK: 1}))
    with pytest.raises(StillInDoubt):
        searched(page)


def test_dust_that_came_along_keeps_no_order_in_doubt_whose_mints_are_known() -> None:
    dusty = landing(OURS, **{USDC: 7, BONK: 1})
    found = searched(page_of(dusty, mints=(WSOL, USDC)))
    assert found is not None and (found.amount_in, found.amount_out) == (1_000, 7)
    # By the mints of another order it is no swap, and yet the end of whoever may not be filled beside it.
    beside: Any = SimpleNamespace(id=uuid4(), created_at=ORDER.created_at, input_mint=USDC, output_mint=BONK)
    chain: Any = Pages(page_of(dusty, mints=(USDC, BONK)))
    group = dict.fromkeys((crafted.ORDER, beside.id), ORDER.created_at)
    assert asyncio.run(WalletWalk(chain).search(beside, group, None))[:2] == (None, crafted.ORDER)


def test_a_landing_of_which_dust_came_along_is_told_to_whoever_asks_for_its_order_s() -> None:
    """It was confirmed, and `oee fills` said of it that nothing had landed."""
    signature, told = landing(OURS, **{USDC: 7, BONK: 1})

    async def run() -> None:
        async with serving(node_of({signature: told})) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            chain = SolanaChain(pool, wallet=WALLET, genesis="G")
            try:
                found = await chain.fill(signature, (WSOL, USDC))
                assert found is not None and (found.amount_in, found.amount_out) == (1_000, 7)
                assert await chain.fill(signature, (USDC, BONK)) is None
            finally:
                await pool.close()

    asyncio.run(run())


def test_a_block_without_a_time_does_not_end_the_search() -> None:
    pages: Sequence[FillPage] = (
        FillPage([fill("b", 0)], "b", 9),
        FillPage([fill("a", 1_793_500_000, order_id=crafted.ORDER)], None, 9),
    )
    found = searched(*pages)
    assert found is not None and found.signature == "a"


def test_a_node_that_does_not_know_the_last_page_s_end_does_not_end_the_search() -> None:
    """It is pruned or behind, and says that nothing is older: then nobody has told it."""
    before, final = "2" * 88, {"confirmationStatus": "finalized"}

    def node(*, knows: bool) -> Any:
        return rpc(
            {
                "getGenesisHash": lambda _: "G",
                "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": 588}},
                "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
                "getSignaturesForAddress": lambda _: (
                    {"error": {"code": -32005, "message": ""}} if knows else []
                ),
                "getSignatureStatuses": lambda _: {
                    "context": {"slot": 1},
                    "value": [final if knows else None],
                },
                "getFirstAvailableBlock": lambda _: 0,
            }
        )

    async def run() -> None:
        async with serving(node(knows=True)) as (busy, _), serving(node(knows=False)) as (pruned, _):
            pool = open_pool([busy, pruned], 1000.0, 1000)
            try:
                with pytest.raises(ChainUnavailable):
                    print(await History(pool, WALLET).page("G", limit=50, before=before))
            finally:
                await pool.close()

    asyncio.run(run())
