"""A wallet's history by several endpoints: each may hide or make up landings, and none is believed alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from oee_daemon.engine.engine_wallet_walk import StillInDoubt
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.networks.solana.solana_wallet_list import LAG_SLOTS
from tests.networks.solana import crafted
from tests.networks.solana.listing_nodes import ONE, lister, union_of
from tests.networks.solana.memo_landings import (
    BONK,
    OURS,
    THIEF,
    USDC,
    WALLET,
    landing,
    searched,
)
from tests.networks.solana.server import Asked, Said, rpc, serving


@pytest.mark.parametrize(
    "hides", [lister(), lister(slot=300), lister(ONE, failed=True)], ids=["lies", "lags", "failed"]
)
@pytest.mark.parametrize("first", [True, False])
def test_no_endpoint_hides_a_landing_that_another_tells(hides: Any, first: bool) -> None:
    """It would be signed again."""
    page = union_of(hides, lister(ONE)) if first else union_of(lister(ONE), hides)
    assert [fill.signature for fill in page.fills] == [ONE[0]]


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("slot", "first"), [(300, 0), (460, 450)], ids=["lags", "forgets"])
def test_no_node_of_a_balancer_lists_up_to_the_height_of_another(slot: int, first: int, most: int) -> None:
    """After a failover what is not listed is signed again: the one node tells that all is known, up to its
    height and from the beginning, and another one, which lags or forgets, is asked for the list."""
    knows, lists = lister(ONE), lister(slot=slot, first=first)

    def balancer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        asks_list = [call for call in calls if call["method"] == "getSignaturesForAddress"]
        if any(call["params"][1].get("minContextSlot", 0) > slot for call in asks_list):
            return Said({"id": calls[0]["id"], "error": {"code": -32016, "message": "Minimum context slot"}})
        answer = (lists if asks_list else knows)(asked)
        assert isinstance(answer, Said)
        return answer

    for _ in range(3):
        try:
            page = union_of(balancer)
        except ChainUnavailable:
            continue
        assert page.height <= slot - 22 and page.reach_s <= (1 if first else math.inf)


@pytest.mark.parametrize("behind", [20, 60])
def test_no_gateway_lists_by_another_node_than_it_tells_the_height_of(behind: int) -> None:
    """It splits a batch over its nodes, and the one that lists lags: what landed since was signed again."""
    slot = 460 - behind
    knows, lists = lister(ONE), lister(slot=slot)

    def one(asked: Asked, call: Any) -> Any:
        of_list = call["method"] == "getSignaturesForAddress"
        if of_list and call["params"][1].get("minContextSlot", 0) > slot:
            error = {"code": -32016, "message": "Minimum context slot has not been reached"}
            return {"jsonrpc": "2.0", "id": call["id"], "error": error}
        return (lists if of_list else knows)(replace(asked, json=call)).body

    def gateway(asked: Asked) -> Said:
        return Said([one(asked, call) for call in asked.json])

    if behind > LAG_SLOTS:
        with pytest.raises(ChainUnavailable):
            union_of(gateway)
    else:
        assert union_of(gateway).height <= slot - 22


@pytest.mark.parametrize(("keeps", "lag"), [(True, LAG_SLOTS), (False, 60)])
def test_a_list_is_all_up_to_its_newest_row_where_no_slot_is_kept_to(keeps: bool, lag: int) -> None:
    assert union_of(lister(ONE, keeps=keeps)).height == 438 - lag


def test_no_lagging_node_of_a_gateway_that_overlooks_how_far_it_is_to_be_hides_a_landing() -> None:
    """It took no `minContextSlot`: what its node had not seen yet counted as not there, up to the height that
    another one told, and was signed again after a failover."""
    knows, lists = lister(ONE), lister(slot=300, keeps=False)

    def gateway(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        of_list = "getSignaturesForAddress"
        said = [
            (lists if call["method"] == of_list else knows)(replace(asked, json=call)).body for call in calls
        ]
        return Said(said if isinstance(asked.json, list) else said[0])

    assert union_of(gateway).height <= 300 - 22


LIES = [landing(OURS, **{USDC: 8}), landing(OURS, **{BONK: 7}), landing(OURS)]
#: Another one of the wallet's, for nobody's order.
OTHER = landing(OURS, b"of another program", **{BONK: 3})


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("lies", LIES, ids=["more", "other", "unread"])
def test_no_single_endpoint_says_what_a_landing_moved(
    lies: tuple[str, Any], first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The bytes are signed, the balances are not: after a failover an order was confirmed with what one of
    two endpoints made up; and then no other order past that landing was decided any more."""
    assert lies[0] == ONE[0]
    nodes = [lister(lies, OTHER), lister(ONE, OTHER)]
    page = union_of(*nodes if first else reversed(nodes))
    assert [fill.signature for fill in page.fills] == [OTHER[0]] and page.unread == [crafted.ORDER]
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [
        "RPC endpoints tell different amounts of a landing"
    ]
    # Of one that is silent about it, the other one's word is all there is.
    (found,) = union_of(lister(), lister(ONE)).fills
    assert found.amount_out == 7


@pytest.mark.parametrize("liar", range(3))
@pytest.mark.parametrize("lies", LIES, ids=["more", "other", "unread"])
@pytest.mark.parametrize(
    ("operators", "settled"),
    [(("a.one.com", "a.two.com", "a.three.com"), True), (("a.one.com", "b.one.com", "a.two.com"), False)],
    ids=["three operators", "two"],
)
def test_of_three_operators_two_say_what_a_landing_moved(
    lies: tuple[str, Any], liar: int, operators: Sequence[str], settled: bool
) -> None:
    nodes = [lister(ONE)] * 3
    nodes[liar] = lister(lies)

    async def run() -> FillPage:
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            bucket = Bucket(1000.0, 1000)
            named = zip(served, operators, strict=True)
            pool = Pool([Endpoint(Site(address), bucket, name) for address, name in named])
            try:
                return await History(pool, WALLET).page("G", limit=50, before=None)
            finally:
                await pool.close()

    page = asyncio.run(run())
    if settled:
        (found,) = page.fills
        assert (found.output_mint, found.amount_out, page.unread) == (USDC, 7, [])
    elif page.fills:
        # Two were asked, who agree: of two operators.
        (found,) = page.fills
        assert (found.output_mint, found.amount_out) == (USDC, 7) and liar != 2
    else:
        assert page.unread == [crafted.ORDER]


def test_a_landing_is_read_of_whoever_tells_it() -> None:
    """Each of two endpoints had lost another one: neither's page counted, and no walk went past them."""

    nodes = [lister(ONE, OTHER, lost=lost) for lost in (ONE[0], OTHER[0])]
    page = union_of(*nodes)
    assert sorted(fill.signature for fill in page.fills) == sorted([ONE[0], OTHER[0]])
    with pytest.raises(ChainUnavailable, match="tells a landing"):
        union_of(nodes[0], nodes[0])


def test_up_to_where_all_agree_is_up_to_where_the_last_one_is() -> None:
    assert union_of(lister(slot=460), lister(slot=300)).height == 278 - LAG_SLOTS


def test_a_pruned_history_that_shows_nothing_proves_nothing_of_before() -> None:
    pruned = union_of(lister(slot=10_000, first=9_000))
    assert pruned.reach_s == 100.0
    with pytest.raises(StillInDoubt):
        searched(pruned)
    assert searched(union_of(lister(slot=10_000, first=0))) is None


DEPOSIT = landing(THIEF, **{USDC: 7})


@pytest.mark.parametrize(
    ("time", "proves"),
    [(1_793_000_000, True), (1_795_000_000, False), (None, False), (0, False), (10**20, False)],
    ids=["before", "after", "untold", "none", "never"],
)
def test_who_is_asked_one_by_one_remembers_what_came_before_the_order(time: Any, proves: bool) -> None:
    """Of a wallet that has only been paid before, an order that never landed stayed in doubt for ever."""
    node = rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": 588}},
            "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
            "getSignaturesForAddress": lambda _: [
                {"signature": DEPOSIT[0], "slot": 400, "err": None, "blockTime": time}
            ],
            "getTransaction": lambda _: {**DEPOSIT[1], "blockTime": time},
            "getFirstAvailableBlock": lambda _: 0,
        },
        batches=False,
    )
    page = union_of(node)
    assert (list(page.fills), list(page.unread), page.before) == ([], [], None)
    if proves:
        assert searched(page) is None
    else:
        with pytest.raises(StillInDoubt):
            searched(page)
