"""A wallet's history page by page: nothing is skipped between two, whoever makes landings up or is silent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from oee_daemon.engine import engine_wallet_walk
from oee_daemon.engine.engine_wallet_walk import StillInDoubt, WalletWalk
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage
from oee_daemon.networks.solana import solana_wallet_history
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_wallet_history import History
from tests.networks.solana.listing_nodes import ONE, lister, walker
from tests.networks.solana.memo_landings import (
    ORDER,
    WALLET,
)
from tests.networks.solana.server import Asked, Said, serving


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
            # That of one asks whether it keeps to a slot.
            limits[:] = [limit for limit in limits if limit > 1]
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
    found = solana_wallet_history._unite_lists({f"n{n}": one for n, one in enumerate(lists)}, 3)
    return found.signatures, found.following


def test_landings_that_one_endpoint_makes_up_hide_none_that_another_tells() -> None:
    """Nor does one that tells them in no order."""
    assert united(rows(93, 92, 91), rows(9, 8, 7)) == (["s93", "s92", "s91"], "s91@n0")
    assert united(rows(1, 99, 98), rows(9, 8, 7)) == (["s9", "s8", "s7"], "s7@n1")
    assert united(rows(92, 91, 9), rows(9, 8, 7)) == (["s92", "s91", "s9"], "s9")


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
                united = solana_wallet_history._unite_lists(
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
        return solana_wallet_history._unite_lists(told, 1).back_to

    assert back_to(10, 1_793_000_000) == datetime.fromtimestamp(1_793_000_000, UTC)
    assert back_to(10, None) == datetime.max.replace(tzinfo=UTC)
    apart = {"liar": [{**row, "blockTime": 10} for row in rows(93, 92, 91)], "honest": [
        {**row, "blockTime": 1_793_000_000 + row["slot"]} for row in rows(9, 8, 7)]}  # fmt: skip
    assert solana_wallet_history._unite_lists(apart, 3).back_to == datetime.fromtimestamp(1_793_000_009, UTC)


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
