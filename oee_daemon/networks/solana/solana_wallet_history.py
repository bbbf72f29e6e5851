"""The wallet's own landings, read back from the chain: page by page, newest first.

An order that a database has forgotten is found here by the memo in its swap. What has a memo of somebody else
is not read any further; what has none is, since a node may leave memos out. What any endpoint lists is there:
one that is pruned, behind or lying hides nothing that another tells; where they list nothing in common each
goes on from its own place.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Any, NamedTuple

from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage, ListedLanding
from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import EPOCH, FINALIZED, GENESIS, epoch_of
from oee_daemon.networks.solana.solana_landing_reader import BATCH, REQUEST_S, LandingReader
from oee_daemon.networks.solana.solana_swap_memo import read_memo
from oee_daemon.networks.solana.solana_wallet_list import (
    LISTED,
    Listed,
    Row,
    earliest,
    is_final,
    keeps_to_slot,
    latest,
    listed,
    times_of,
)

log = logging.getLogger(__name__)

#: Signatures a page has at most. It is thirty calls: at ten a second, and after pages that have left no
#: turns, it is read within its deadline (`PAGE_S`).
PAGE = 20
#: As `PAGE`, where an endpoint tells each transaction by itself, or one is waited for that does not answer.
SHORT_PAGE = 5
#: Seconds for which it is remembered whether an endpoint keeps to a slot.
KEPT_S = 600.0
#: 64 bytes in base 58.
_SIGNATURE = re.compile(r"[1-9A-HJ-NP-Za-km-z]{64,88}")
#: Where each endpoint goes on from: a signature and its name, of each.
_APART = re.compile(rf"{_SIGNATURE.pattern}@[^@,]+(,{_SIGNATURE.pattern}@[^@,]+)*")
#: How the RPC words a memo: its length in brackets in front.
_MEMO = re.compile(r"\[\d+\] (.*)", re.DOTALL)


class History:
    """The landings of `wallet`."""

    def __init__(self, pool: Pool, wallet: str, contests: Contests | None = None) -> None:
        self._pool = pool
        self._wallet = wallet
        self._reader = LandingReader(pool, wallet, contests)
        #: Whether each endpoint listed the page before.
        self._all_told = True
        #: Whether each keeps to a slot that it is asked for, and until when that counts.
        self._keeps: dict[str, tuple[bool, float]] = {}

    def _most(self) -> int:
        """Landings that are read within a page's deadline: in so many requests as they take, one by one."""
        if not self._all_told:
            return SHORT_PAGE
        known = (one.largest_batch for one in self._pool.endpoints if one.is_learnt(BATCH))
        return min(PAGE, SHORT_PAGE + 2 * (min((most for most in known if most), default=BATCH) - 1))

    async def page(
        self,
        genesis: str,
        *,
        limit: int,
        before: str | None,
        mints: Sequence[str] = (),
        urgent: bool = True,
    ) -> FillPage:
        """As `Chain.fills`, on the chain of that genesis hash; a page may have fewer than `limit`, and
        another after it."""
        limit = min(limit, self._most())
        try:
            lists = await self._lists(genesis, limit, before, urgent)
        except ChainUnavailable:
            if before is not None and not _APART.fullmatch(before):
                await self._must_have_landed(before, genesis, urgent)
            raise
        self._all_told = len(lists) == len(self._pool.endpoints)
        if _fell_silent(_places(before) or {}, lists):
            # Who goes on from there would have to wait for it; who begins anew asks those that answer.
            raise BadCursor
        united = _unite_lists({name: one.rows for name, one in lists.items()}, limit, before)
        fills, unread = await self._reader.fills(united.signatures, genesis, mints, urgent=urgent)
        return FillPage(
            fills,
            united.following,
            min(one.height for one in lists.values()),
            unread,
            max(one.reach_s for one in lists.values()),
            united.back_to,
        )

    async def landings(
        self, genesis: str, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        """As `Chain.landings`."""
        limit = min(limit, LISTED)
        lists = {name: one.rows for name, one in (await self._lists(genesis, limit, before)).items()}
        places = _places(before) or {}
        if _fell_silent({name: place for name, place in places.items() if place != until}, lists):
            # What it has still to list would be taken for read.
            raise ChainUnavailable("An RPC endpoint has fallen silent before it listed all landings.")
        known = [{str(row["signature"]) for row in rows} for rows in lists.values() if rows]
        more, taken = False, []
        for name, rows in lists.items():
            if until is not None and places.get(name) == until:
                continue
            part = list(takewhile(lambda row: row["signature"] != until, rows))
            taken.append(part)
            more = more or len(part) == limit
            if rows:
                places[name] = rows[min(len(part), len(rows) - 1)]["signature"]
        times = times_of(taken)
        listed = [ListedLanding(one, times[one]) for one in _ours(taken)]
        return LandingPage(
            listed, _cursor(places) if more else None, set.intersection(*known) if known else ()
        )

    async def fills_of(self, genesis: str, signatures: Sequence[str]) -> FillPage:
        """As `Chain.fills_of`."""
        fills, unread = await self._reader.fills(signatures, genesis)
        return FillPage(fills, None, unread=unread)

    async def _lists(
        self, genesis: str, limit: int, before: str | None, urgent: bool = True
    ) -> dict[str, Listed]:
        places = _places(before)

        def list_of(name: str) -> list[Call]:
            place = before if places is None else places.get(name)
            options: dict[str, Any] = {**FINALIZED, "limit": limit}
            rows: Call = ("getSignaturesForAddress", [self._wallet, options])
            if place is None:
                return [rows]
            options["before"] = place
            # A node that does not know it gives an empty list, as at the end.
            return [rows, ("getSignatureStatuses", [[place], {"searchTransactionHistory": True}])]

        # The height comes first: what lands in between is only more.
        calls: list[Call] = [GENESIS, ("getLatestBlockhash", [FINALIZED]), EPOCH]
        heard = await self._pool.each(calls, REQUEST_S, grace_s=REQUEST_S, urgent=urgent)
        asked = [one for one in self._pool.endpoints if one.name in heard]

        async def told_by(one: Endpoint) -> Listed | None:
            results, calls = heard[one.name], list_of(one.name)
            # Of the newest page alone it counts up to which height it is all.
            keeps = urgent and before is None and await self._keeps_to_slot(one, results)
            return await listed(one, results, calls, genesis, REQUEST_S, urgent=urgent, keeps=keeps)

        told = await asyncio.gather(*map(told_by, asked))
        lists = {one.name: page for one, page in zip(asked, told, strict=True) if page is not None}
        if not lists:
            raise ChainUnavailable("No RPC endpoint lists the wallet's landings.")
        return lists

    async def _keeps_to_slot(self, endpoint: Endpoint, results: Sequence[Result]) -> bool:
        """As `keeps_to_slot`, asked now and then; no where it is not told."""
        known, until = self._keeps.get(endpoint.name, (False, 0.0))
        if time.monotonic() < until:
            return known
        try:
            slot, _ = epoch_of(results[2])
        except NoAnswer:
            return False
        found = await keeps_to_slot(endpoint, self._wallet, slot, REQUEST_S / 2)
        if found is not None:
            self._keeps[endpoint.name] = found, time.monotonic() + KEPT_S
        return found or False

    async def _must_have_landed(self, signature: str, genesis: str, urgent: bool) -> None:
        """Raises `BadCursor`."""
        if not _SIGNATURE.fullmatch(signature):
            raise BadCursor
        statuses: Call = ("getSignatureStatuses", [[signature], {"searchTransactionHistory": True}])
        heard = await self._pool.each([GENESIS, statuses], REQUEST_S, urgent=urgent)
        if not any(said[0] == genesis and is_final(said[1]) for said in heard.values()):
            raise BadCursor


class _United(NamedTuple):
    """One page of all lists: what may be ours, newest first; where to go on from; and `FillPage.back_to`."""

    signatures: list[str]
    following: str | None
    back_to: datetime | None


def _unite_lists(lists: Mapping[str, list[Row]], limit: int, before: str | None = None) -> _United:
    """Up to where the first list that has more ends, at a landing that all of those know. What others list
    beyond it is of the next page, and of this one where they don't know it: they could not go on from there.

    Where there is none, since one stands still or makes landings up, each goes on from its own place.
    """
    full = [rows for rows in lists.values() if len(rows) == limit]
    if not full:
        # Who lists what was before has kept all since.
        return _United(_ours(lists.values()), None, earliest(lists.values()))
    last = _last_known(full)
    if last is None:
        return _each_on_its_own(lists, limit, before)
    taken = [rows[: _after(rows, last)] for rows in lists.values()]
    told = [row.get("blockTime") for rows in taken for row in rows if row["signature"] == last]
    return _United(_ours(taken), last, latest(told))


def _each_on_its_own(lists: Mapping[str, list[Row]], limit: int, before: str | None) -> _United:
    """Up to the slot that the first list that has more ends at, so that each landing is of one page."""
    # Whoever tells older slots first holds back nobody but itself.
    slots = {name: list(accumulate((row["slot"] for row in rows), min)) for name, rows in lists.items()}
    until = max(slots[name][-1] for name, rows in lists.items() if len(rows) == limit)
    # A plain signature was known to all who have answered.
    places = dict.fromkeys(lists, before) if (known := _places(before)) is None else {**known}
    taken, told = [], []
    for name, rows in lists.items():
        many = sum(slot >= until for slot in slots[name])
        taken.append(rows[:many])
        if many:
            places[name] = rows[many - 1]["signature"]
        told += [row.get("blockTime") for row in (rows[many:] or rows[-1:])]
    known_places = {name: place for name, place in places.items() if place is not None}
    return _United(_ours(taken), _cursor(known_places), latest(told))


def _cursor(places: Mapping[str, str]) -> str:
    """The cursor that `_places` reads."""
    return ",".join(f"{place}@{name}" for name, place in places.items())


def _places(before: str | None) -> dict[str, str] | None:
    """Where each endpoint goes on from, by its name; none where it is one signature for all."""
    if before is None or not _APART.fullmatch(before):
        return None
    return {name: place for place, _, name in (one.partition("@") for one in before.split(","))}


def _ours(lists: Iterable[list[Row]]) -> list[str]:
    found: dict[str, int] = {}
    for rows in lists:
        for row in rows:
            if _may_be_ours(row):
                found.setdefault(row["signature"], row["slot"])
    # Sorting keeps the order within a slot.
    return sorted(found, key=lambda one: -found[one])


def _fell_silent(places: Mapping[str, str], lists: Mapping[str, object]) -> bool:
    """Whether one that goes on from its own place is not among those that answer: the others' end is not its
    own."""
    return not places.keys() <= lists.keys()


def _after(rows: list[Row], last: str) -> int:
    return next((n for n, row in enumerate(rows, 1) if row["signature"] == last), len(rows))


def _last_known(full: Sequence[list[Row]]) -> str | None:
    first = max(full, key=lambda rows: int(rows[-1]["slot"]))
    known = set.intersection(*({str(row["signature"]) for row in rows} for rows in full))
    return next((str(row["signature"]) for row in reversed(first) if row["signature"] in known), None)


def _may_be_ours(row: dict[str, Any]) -> bool:
    if row.get("err") is not None:
        return False
    memo = row.get("memo")
    if not isinstance(memo, str):
        return True
    found = _MEMO.fullmatch(memo)
    return found is None or read_memo(found[1].encode()) is not None
