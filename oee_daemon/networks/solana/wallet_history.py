"""The wallet's own landings, read back from the chain: page by page, newest first.

An order that a database has forgotten is found here by the memo in its swap. What has a memo of somebody else
is not read any further; what has none is, since a node may leave memos out. What any endpoint lists is there:
one that is pruned, behind or lying hides nothing that another tells.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage, ListedLanding
from oee_daemon.networks.solana.endpoint_look import EPOCH, FINALIZED, GENESIS, epoch_of, must_be_of
from oee_daemon.networks.solana.fill import Unreadable
from oee_daemon.networks.solana.landed_transaction import OPTIONS, shown_of, whose
from oee_daemon.networks.solana.look_evidence import Shown, anchored_at
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.swap_memo import read_memo
from oee_daemon.orders.swap import Fill, Landed

log = logging.getLogger(__name__)

#: Signatures a page has at most, and transactions in one request: each is some KB.
PAGE, BATCH = 50, 10
#: As `PAGE`, where an endpoint tells each transaction by itself: a page is of one deadline (`CHAIN_S`).
SHORT_PAGE = 5
#: Signatures that a node lists at once at most, where none is read
#: (https://solana.com/docs/rpc/http/getsignaturesforaddress).
LISTED = 1000
#: Seconds for one request.
REQUEST_S = 2.0
#: Seconds that a slot takes at least: a node's history reaches back at least so far for each.
FASTEST_SLOT_S = 0.1
#: 64 bytes in base 58.
_SIGNATURE = re.compile(r"[1-9A-HJ-NP-Za-km-z]{64,88}")
#: How the RPC words a memo: its length in brackets in front.
_MEMO = re.compile(r"\[\d+\] (.*)", re.DOTALL)


class History:
    """The landings of `wallet`."""

    def __init__(self, pool: Pool, wallet: str) -> None:
        self._pool = pool
        self._wallet = wallet

    async def page(
        self, genesis: str, *, limit: int, before: str | None, mints: Sequence[str] = ()
    ) -> FillPage:
        """As `Chain.fills`, on the chain of that genesis hash; a page may have fewer than `limit`, and
        another after it."""
        if before is not None and not await self._landed(before, genesis):
            raise BadCursor
        batchless = any(endpoint.batches is False for endpoint in self._pool.endpoints)
        limit = min(limit, SHORT_PAGE if batchless else PAGE)
        lists = await self._lists(genesis, limit, before)
        signatures, following = _united([one.rows for one in lists], limit)
        fills, unread = await self._fills(signatures, genesis, mints)
        return FillPage(
            fills,
            following,
            min(one.height for one in lists),
            unread,
            max(one.reach_s for one in lists),
            None if following is None else _back_to([one.rows for one in lists], following),
        )

    async def landings(self, genesis: str, *, limit: int, before: str | None = None) -> LandingPage:
        """As `Chain.landings`."""
        limit = min(limit, LISTED)
        lists = await self._lists(genesis, limit, before)
        signatures, following = _united([one.rows for one in lists], limit)
        times = {row["signature"]: row.get("blockTime") for one in lists for row in one.rows}
        return LandingPage([ListedLanding(one, _moment(times[one])) for one in signatures], following)

    async def fills_of(self, genesis: str, signatures: Sequence[str]) -> FillPage:
        """As `Chain.fills_of`."""
        fills, unread = await self._fills(signatures, genesis)
        return FillPage(fills, None, unread=unread)

    async def _lists(self, genesis: str, limit: int, before: str | None) -> Sequence[_Listed]:
        options: dict[str, Any] = {**FINALIZED, "limit": limit}
        known: list[Call] = []
        if before is not None:
            options["before"] = before
            # A node that does not know it gives an empty list, as at the end.
            known.append(("getSignatureStatuses", [[before], {"searchTransactionHistory": True}]))
        # Height and list are of one node, and the height comes first: what lands in between is only more.
        calls: list[Call] = [
            GENESIS, ("getLatestBlockhash", [FINALIZED]), EPOCH,
            ("getSignaturesForAddress", [self._wallet, options]), ("getFirstAvailableBlock", []), *known,
        ]  # fmt: skip
        heard = await self._pool.each(calls, REQUEST_S, grace_s=REQUEST_S)
        lists = [one for name, said in heard.items() if (one := _list_of(name, said, genesis)) is not None]
        if not lists:
            raise ChainUnavailable("No RPC endpoint lists the wallet's landings.")
        return lists

    async def _landed(self, signature: str, genesis: str) -> bool:
        if not _SIGNATURE.fullmatch(signature):
            return False
        statuses: Call = ("getSignatureStatuses", [[signature], {"searchTransactionHistory": True}])
        heard = await self._pool.each([GENESIS, statuses], REQUEST_S)
        return any(said[0] == genesis and _is_final(said[1]) for said in heard.values())

    async def _fills(
        self, signatures: Sequence[str], genesis: str, mints: Sequence[str] = ()
    ) -> tuple[list[Fill], list[UUID]]:
        """Those that can be read, and the orders of those that can't be."""
        fills, unread = [], []
        for begin in range(0, len(signatures), BATCH):
            part = signatures[begin : begin + BATCH]
            calls: list[Call] = [GENESIS, *(("getTransaction", [one, OPTIONS]) for one in part)]
            results = await self._pool.any(calls, lambda told: _all_told(told, genesis), REQUEST_S)
            for signature, said in zip(part, results, strict=True):
                try:
                    shown = self._shown(said, signature, mints)
                except Unreadable:
                    # It moved something, and was no swap; or was one, and moved more than two tokens.
                    if (order_id := whose(said, self._wallet)) is not None:
                        unread.append(order_id)
                    continue
                if isinstance(shown.result, Landed):
                    fills.append(shown.result.fill)
        return fills, unread

    def _shown(self, said: Any, signature: str, mints: Sequence[str]) -> Shown:
        """As `shown_of`: by itself, and else as a swap of `mints`."""
        try:
            return shown_of(said, signature, self._wallet)
        except Unreadable:
            if not mints:
                raise
            return shown_of(said, signature, self._wallet, mints)


def _moment(unix: object) -> datetime:
    """A block's time; the beginning of time where it has none that is one."""
    try:
        return datetime.fromtimestamp(unix if type(unix) is int else 0, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _is_final(said: Result) -> bool:
    """What a node says of one signature's status."""
    try:
        return bool(said["value"][0]["confirmationStatus"] == "finalized")
    except (KeyError, TypeError, IndexError):
        return False


@dataclass(frozen=True, slots=True)
class _Listed:
    """One endpoint's page: what it knows up to `height`, and for at least `reach_s` seconds back."""

    height: int
    reach_s: float
    rows: list[dict[str, Any]]


def _list_of(name: str, results: list[Result], genesis: str) -> _Listed | None:
    try:
        return _listed(results, genesis)
    except NoAnswer as e:
        log.debug("an endpoint lists no landings", extra={"node": name, "reason": e.reason})
        return None


def _united(lists: Sequence[list[dict[str, Any]]], limit: int) -> tuple[list[str], str | None]:
    """What may be ours of all lists, newest first, and where to go on from: where the first list that has
    more ends, at a landing that all of those know. What others list beyond it is of the next page, and of
    this one where they don't know it: they could not go on from there.

    Raises `ChainUnavailable` where there is none: one that makes landings up would hide what others tell.
    """
    full = [rows for rows in lists if len(rows) == limit]
    last = _last_known(full) if full else None
    found: dict[str, int] = {}
    for rows in lists:
        for row in rows:
            if _may_be_ours(row):
                found.setdefault(row["signature"], row["slot"])
            if row["signature"] == last:
                break
    # Sorting keeps the order within a slot.
    return sorted(found, key=lambda one: -found[one]), last


def _last_known(full: Sequence[list[dict[str, Any]]]) -> str:
    first = max(full, key=lambda rows: int(rows[-1]["slot"]))
    known = set.intersection(*({str(row["signature"]) for row in rows} for rows in full))
    for row in reversed(first):
        if row["signature"] in known:
            return str(row["signature"])
    raise ChainUnavailable("The RPC endpoints list no landing that all of them know.")


def _back_to(lists: Sequence[list[dict[str, Any]]], last: str) -> datetime:
    """When that landing was, by the latest that any of the lists says; for ever ahead where one does not."""
    told = [row.get("blockTime") for rows in lists for row in rows if row["signature"] == last]
    if not told or not all(type(unix) is int and unix > 0 for unix in told):
        return datetime.max.replace(tzinfo=UTC)
    return max(map(_moment, told))


def _listed(results: list[Result], genesis: str) -> _Listed:
    must_be_of(genesis, results[0])
    slot, height = epoch_of(results[2])
    try:
        last = results[1]["value"]["lastValidBlockHeight"]
        rows = [dict(row) for row in results[3]]
        sane = all(isinstance(row["signature"], str) and type(row["slot"]) is int for row in rows)
    except (KeyError, TypeError, ValueError):
        raise NoAnswer("no list of signatures") from None
    if len(results) > 5 and not _is_final(results[5]):
        raise NoAnswer("it does not know where to go on from")
    if not sane:
        raise NoAnswer("no list of signatures")
    # Up to this height all is known, and what is not there may be signed again: it has to make sense.
    if type(last) is not int or anchored_at(slot, height, last) is None:
        raise NoAnswer("a height that contradicts its blockhash")
    first = results[4] if type(results[4]) is int else slot
    return _Listed(height, math.inf if first <= 0 else (slot - first) * FASTEST_SLOT_S, rows)


def _all_told(results: list[Result], genesis: str) -> list[Any]:
    must_be_of(genesis, results[0])
    if not all(isinstance(said, dict) and isinstance(said.get("meta"), dict) for said in results[1:]):
        raise NoAnswer("a landing that is listed and not told")
    if any(said["meta"].get("err") is not None for said in results[1:]):
        # It is asked for what was listed as good alone.
        raise NoAnswer("a landing that is listed as good and told as failed")
    return results[1:]


def _may_be_ours(row: dict[str, Any]) -> bool:
    if row.get("err") is not None:
        return False
    memo = row.get("memo")
    if not isinstance(memo, str):
        return True
    found = _MEMO.fullmatch(memo)
    return found is None or read_memo(found[1].encode()) is not None
