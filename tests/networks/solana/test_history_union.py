"""A wallet's history by several endpoints: each may hide or make up landings, and none is believed alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from oee_daemon.engine import engine_wallet_walk
from oee_daemon.engine.engine_wallet_walk import StillInDoubt, WalletWalk
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage
from oee_daemon.networks.solana import solana_wallet_history
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.networks.solana.solana_wallet_list import LAG_SLOTS
from tests.networks.solana import crafted
from tests.networks.solana.memo_landings import (
    BONK,
    ORDER,
    OURS,
    THIEF,
    USDC,
    WALLET,
    landing,
    searched,
)
from tests.networks.solana.server import Asked, Said, rpc, serving


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
) -> Any:
    """A node at that slot which keeps blocks from `first` on; `failed`: it tells every landing as failed;
    `lost`: one that it lists and does not tell."""
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
        }
    )


ONE = landing(OURS, **{USDC: 7})


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


def test_a_list_of_landings_reads_none_of_them_and_some_are_read_alone() -> None:
    """Also of an endpoint that takes no batches, however long the list is."""
    asked: list[str] = []
    node = lister(*((f"{n:064}".replace("0", "z"), ONE[1]) for n in range(49)), ONE)

    def one_by_one(request: Asked) -> Said:
        if isinstance(request.json, list):
            return Said({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}})
        asked.append(request.json["method"])
        answer = node(request)
        assert isinstance(answer, Said)
        return answer

    async def run() -> tuple[LandingPage, FillPage]:
        async with serving(one_by_one) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            try:
                history = History(pool, WALLET)
                return await history.landings("G", limit=100), await history.fills_of("G", [ONE[0]])
            finally:
                await pool.close()

    listed, fills = asyncio.run(run())
    assert len(listed.landings) == 50 and ONE[0] in [one.signature for one in listed.landings]
    assert [fill.signature for fill in fills.fills] == [ONE[0]]
    assert asked.count("getTransaction") == 1 and len(asked) <= 9


def test_a_page_of_an_endpoint_without_batches_is_read_in_time() -> None:
    """Twenty transactions one by one are more than a deadline: the order would stay in doubt for ever."""
    limits: list[int] = []
    node = lister()

    def one_by_one(request: Asked) -> Said:
        if isinstance(request.json, list):
            return Said({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}})
        if request.json["method"] == "getSignaturesForAddress":
            limits.append(request.json["params"][1]["limit"])
        answer = node(request)
        assert isinstance(answer, Said)
        return answer

    async def run() -> None:
        async with serving(one_by_one) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            try:
                for _ in range(2):
                    await History(pool, WALLET).page("G", limit=1000, before=None)
            finally:
                await pool.close()

    asyncio.run(run())
    assert limits[1:] == [solana_wallet_history.SHORT_PAGE]


def test_up_to_where_all_agree_is_up_to_where_the_last_one_is() -> None:
    assert union_of(lister(slot=460), lister(slot=300)).height == 278 - LAG_SLOTS


def test_a_pruned_history_that_shows_nothing_proves_nothing_of_before() -> None:
    pruned = union_of(lister(slot=10_000, first=9_000))
    assert pruned.reach_s == 100.0
    with pytest.raises(StillInDoubt):
        searched(pruned)
    assert searched(union_of(lister(slot=10_000, first=0))) is None


def rows(*slots: int) -> list[dict[str, Any]]:
    return [{"signature": f"s{slot}", "slot": slot, "err": None} for slot in slots]


def test_a_page_ends_where_the_first_of_its_lists_that_has_more_does() -> None:
    """At a landing that all know that have more: else some could not go on from there, and hid the rest."""
    assert united(rows(9, 7, 6), rows(8, 7, 6, 2)[:3], rows(9, 7, 6, 1)) == (["s9", "s8", "s7", "s6"], "s6")
    assert united(rows(9, 7, 5), rows(8, 7, 6)) == (["s9", "s8", "s7"], "s7")
    # Who has no more, and does not know it, is not asked again.
    assert united(rows(9, 7, 6), rows(9, 1)) == (["s9", "s7", "s6", "s1"], "s6")
    assert united(rows(9, 7), rows(8)) == (["s9", "s8", "s7"], None)


def united(*lists: list[dict[str, Any]]) -> tuple[list[str], str | None]:
    found = solana_wallet_history._united({f"n{n}": one for n, one in enumerate(lists)}, 3)
    return found.signatures, found.following


def test_landings_that_one_endpoint_makes_up_hide_none_that_another_tells() -> None:
    """Nor does one that tells them in no order."""
    assert united(rows(93, 92, 91), rows(9, 8, 7)) == (["s93", "s92", "s91"], "s91@n0")
    assert united(rows(1, 99, 98), rows(9, 8, 7)) == (["s9", "s8", "s7"], "s7@n1")
    assert united(rows(92, 91, 9), rows(9, 8, 7)) == (["s92", "s91", "s9"], "s9")


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


@pytest.mark.parametrize(
    ("one", "two"),
    [(range(1_000, 500, -1), range(700, 500, -1)), (range(998, 500, -2), range(999, 500, -2))],
    ids=["behind", "made up"],
)
def test_endpoints_that_list_nothing_in_common_are_each_listed_to_their_end(one: range, two: range) -> None:
    """One that stands still, or makes landings up, kept the whole engine from claiming anything."""

    async def run() -> list[LandingPage]:
        pages: list[LandingPage] = []
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(walker(slots))))[0] for slots in (one, two)]
            pool = open_pool(served, 1000.0, 1000)
            try:
                while not pages or pages[-1].before is not None:
                    before = pages[-1].before if pages else None
                    pages.append(await History(pool, WALLET).landings("G", limit=50, before=before))
            finally:
                await pool.close()
        return pages

    pages = asyncio.run(run())
    listed = [int(landing.signature.replace("z", "0")) for page in pages for landing in page.landings]
    assert sorted(set(listed), reverse=True) == sorted({*one, *two}, reverse=True)
    assert len(pages) <= 14


@pytest.mark.parametrize("silent", [0, 1])
def test_what_an_endpoint_has_still_to_list_is_never_taken_for_read(silent: int) -> None:
    """Where it falls silent between two pages, the other's end would hide a forgotten landing for good."""
    nodes = [walker(range(1_000, 500, -1)), walker([1_000, 999])]
    nodes[silent] = walker([range(1_000, 500, -1), [1_000, 999]][silent], falls_silent=True)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            try:
                page = await History(pool, WALLET).landings("G", limit=50)
                with pytest.raises(ChainUnavailable, match="silent"):
                    await History(pool, WALLET).landings("G", limit=50, before=page.before)
            finally:
                await pool.close()

    asyncio.run(run())


def test_a_search_that_an_endpoint_drops_out_of_begins_anew() -> None:
    """The page after would end where the other's list does, and an order in doubt be signed again."""
    nodes = [walker(range(998, 500, -2), falls_silent=True), walker(range(999, 500, -2))]

    async def run() -> None:
        async with AsyncExitStack() as stack:
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            try:
                united = solana_wallet_history._united(
                    {
                        name: one.rows
                        for name, one in (await History(pool, WALLET)._lists("G", 50, None)).items()
                    },
                    50,
                )
                assert united.following is not None and "," in united.following
                with pytest.raises(BadCursor):
                    await History(pool, WALLET).page("G", limit=50, before=united.following)
            finally:
                await pool.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("liar", "lies"),
    [
        ([400, 399], {400: {"slot": 10**6}}),  # The newest that was known, from a slot that is none.
        ([400, 401, 399], {}),  # In another order.
        ([401, 400], {401: {"blockTime": 1}}),  # Longer ago than orders are kept.
        ([401, 400], {401: {"err": "no"}}),
    ],
    ids=["slot", "order", "time", "failed"],
)
@pytest.mark.parametrize("first", [True, False])
def test_no_endpoint_hides_what_landed_since_the_newest_that_was_known(
    liar: list[int], lies: dict[int, Any], first: bool
) -> None:
    """After a failover that the timeline does not show an order that is forgotten would be signed again."""
    nodes = [walker(liar, lies), walker([401, 400, 399])]

    async def run() -> LandingPage:
        async with AsyncExitStack() as stack:
            ordered = nodes if first else nodes[::-1]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in ordered]
            pool = open_pool(served, 1000.0, 1000)
            try:
                known = f"{400:064}".replace("0", "z")
                return await History(pool, WALLET).landings("G", limit=50, until=known)
            finally:
                await pool.close()

    page = asyncio.run(run())
    at = {one.signature: one.at for one in page.landings}
    assert list(at) == [f"{401:064}".replace("0", "z")]
    assert at.popitem()[1] == datetime.fromtimestamp(1_793_000_401, UTC)
    assert page.shared is not None and (401 in liar) is any("4z1" in one for one in page.shared)


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(BadCursor):
        asyncio.run(History(open_pool(["http://127.0.0.1:1"], 1, 1), WALLET).page("G", limit=1, before="x@y"))


def test_a_page_goes_back_to_where_the_latest_of_its_lists_says() -> None:
    """Who says an earlier time would end a search before its order's own."""

    def back_to(*times: Any) -> datetime | None:
        told = {
            f"n{n}": [{"signature": "s", "slot": 1, "err": None, "blockTime": unix}]
            for n, unix in enumerate(times)
        }
        return solana_wallet_history._united(told, 1).back_to

    assert back_to(10, 1_793_000_000) == datetime.fromtimestamp(1_793_000_000, UTC)
    assert back_to(10, None) == datetime.max.replace(tzinfo=UTC)
    apart = {"liar": [{**row, "blockTime": 10} for row in rows(93, 92, 91)], "honest": [
        {**row, "blockTime": 1_793_000_000 + row["slot"]} for row in rows(9, 8, 7)]}  # fmt: skip
    assert solana_wallet_history._united(apart, 3).back_to == datetime.fromtimestamp(1_793_000_009, UTC)


def test_a_long_search_is_left_and_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever strangers have sent to the wallet: no lease is over by it, nothing is read twice, and what was
    before the order is not read at all."""
    young, old = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC)
    asked: list[Any] = []

    class Spammed:
        async def fills(self, *, before: Any, **_: Any) -> FillPage:
            asked.append(before)
            n = 0 if before is None else int(before)
            if n == 2 and asked.count(before) == 1:
                raise ChainUnavailable("busy")
            return FillPage([], str(n + 1), 100 + n, back_to=old if n == 4 else young)

    monkeypatch.setattr(engine_wallet_walk, "SEARCH_S", 0.0)
    chain: Any = Spammed()
    walk = WalletWalk(chain)
    for n in range(1, 6):
        with pytest.raises(ChainUnavailable if n == 3 else StillInDoubt):
            asyncio.run(walk.search(ORDER, {}, None))
    assert asyncio.run(walk.search(ORDER, {}, None)) == (None, None, 100)
    assert asked == [None, "1", "2", "2", "3", "4"]


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
