"""Orders that are looked for on the chain by their memo: what is there and what is forged."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from oee_daemon.engine import recall
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage
from oee_daemon.networks.solana import solana_wallet_history
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.server import Asked, Said, rpc, serving

OURS, THIEF = Keypair.from_seed(bytes(32)), Keypair.from_seed(bytes([1]) * 32)
WALLET, USDC, BONK = str(OURS.pubkey()), TOKENS["USDC"].mint, TOKENS["BONK"].mint
ORDER: Any = SimpleNamespace(
    id=crafted.ORDER, created_at=datetime(2026, 11, 1, tzinfo=UTC), input_mint=WSOL, output_mint=USDC
)


def landing(payer: Keypair, **tokens: int) -> tuple[str, dict[str, Any]]:
    """Of the wallet's purse: SOL spent by the wallet where it pays, and so many units of each mint in."""
    notes = [crafted.memo()]
    message = MessageV0.try_compile(payer.pubkey(), notes, [], Hash.default())
    transaction = VersionedTransaction(message, [payer])
    loaded = [] if payer is OURS else [WALLET]
    keys = [*map(str, message.account_keys), *loaded]
    own = keys.index(WALLET)
    changes = [
        {"accountIndex": own, "mint": mint, "owner": WALLET, "uiTokenAmount": {"amount": str(abs(units))}}
        for mint, units in tokens.items()
    ]
    spent = 1_000 if payer is OURS else 0
    before, after = [10_000] * len(keys), [10_000] * len(keys)
    after[0] -= 5_000 + spent
    meta = {
        "err": None, "fee": 5000, "logMessages": [],
        "loadedAddresses": {"writable": loaded, "readonly": []},
        "preBalances": before, "postBalances": after,
        "preTokenBalances": [c for c, u in zip(changes, tokens.values(), strict=True) if u < 0],
        "postTokenBalances": [c for c, u in zip(changes, tokens.values(), strict=True) if u > 0],
    }  # fmt: skip
    wire = base64.b64encode(bytes(transaction)).decode()
    told = {"slot": 400, "blockTime": 1_793_000_000, "transaction": [wire, "base64"], "meta": meta}
    return str(transaction.signatures[0]), told


def page_of(*landings: tuple[str, dict[str, Any]], mints: Sequence[str] = ()) -> FillPage:
    known = dict(landings)
    node = rpc(
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

    async def run() -> FillPage:
        async with serving(node) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            try:
                return await History(pool, WALLET).page("G", limit=50, before=None, mints=mints)
            finally:
                await pool.close()

    return asyncio.run(run())


class Pages:
    """A chain that tells these pages."""

    def __init__(self, *pages: FillPage) -> None:
        self._pages = list(pages)

    async def fills(self, **_what: Any) -> FillPage:
        return self._pages.pop(0)


def searched(*pages: FillPage) -> Fill | None:
    chain: Any = Pages(*pages)
    return asyncio.run(recall._search(chain, ORDER, {}, {}))[0]


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
    with pytest.raises(recall.StillInDoubt):
        searched(page)


def test_dust_that_came_along_keeps_no_order_in_doubt_whose_mints_are_known() -> None:
    dusty = landing(OURS, **{USDC: 7, BONK: 1})
    found = searched(page_of(dusty, mints=(WSOL, USDC)))
    assert found is not None and (found.amount_in, found.amount_out) == (1_000, 7)
    # By the mints of another order it is no swap, and yet the end of whoever may not be filled beside it.
    beside: Any = SimpleNamespace(id=uuid4(), created_at=ORDER.created_at, input_mint=USDC, output_mint=BONK)
    chain: Any = Pages(page_of(dusty, mints=(USDC, BONK)))
    group = dict.fromkeys((crafted.ORDER, beside.id), ORDER.created_at)
    assert asyncio.run(recall._search(chain, beside, group, {}))[:2] == (None, crafted.ORDER)


def fill(signature: str, at: int, **how: Any) -> Fill:
    return Fill(
        signature=signature, input_mint=USDC, output_mint=BONK, amount_in=1, amount_out=1, fee=None, slot=1,
        at=datetime.fromtimestamp(at, UTC), **how,
    )  # fmt: skip


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
    *landings: tuple[str, dict[str, Any]], slot: int = 460, first: int = 0, failed: bool = False
) -> Any:
    """A node at that slot which keeps blocks from `first` on; `failed`: it tells every landing as failed."""
    known = dict(landings)

    def told(params: Any) -> Any:
        found = known.get(params[0])
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
    assert asked.count("getTransaction") == 1 and len(asked) <= 8


def test_a_page_of_an_endpoint_without_batches_is_read_in_time() -> None:
    """Fifty transactions one by one are more than a deadline: the order would stay in doubt for ever."""
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
    assert union_of(lister(slot=460), lister(slot=300)).height == 278


def test_a_pruned_history_that_shows_nothing_proves_nothing_of_before() -> None:
    pruned = union_of(lister(slot=10_000, first=9_000))
    assert pruned.reach_s == 100.0
    with pytest.raises(recall.StillInDoubt):
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


def walker(slots: Sequence[int], lies: Mapping[int, Mapping[str, Any]] = MappingProxyType({})) -> Any:
    """A node that knows landings of these slots and no others, and tells none of them. `lies`: what it says
    otherwise of one of a slot, which it lists where it is."""
    signed = {f"{slot:064}".replace("0", "z"): slot for slot in slots}

    def listed(params: Any) -> Any:
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

    monkeypatch.setattr(recall, "SEARCH_S", 0.0)
    chain: Any = Spammed()
    places: recall.Places = {}
    for n in range(1, 6):
        with pytest.raises(ChainUnavailable if n == 3 else recall.StillInDoubt):
            asyncio.run(recall._search(chain, ORDER, {}, places))
    assert asyncio.run(recall._search(chain, ORDER, {}, places)) == (None, None, 100)
    assert asked == [None, "1", "2", "2", "3", "4"] and not places
