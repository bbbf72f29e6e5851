"""One endpoint's list of a wallet's landings: up to which height it is all, and how far back.

What is not listed may be signed again: a list counts with the height and the memory of the node that told it,
and of no other one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import FINALIZED, epoch_of, must_be_of
from oee_daemon.networks.solana.solana_look_evidence import anchored_at

log = logging.getLogger(__name__)

#: Seconds that a slot takes at least: a node's history reaches back at least so far for each.
FASTEST_SLOT_S = 0.1

#: Signatures that a node lists at once at most, where none is read
#: (https://solana.com/docs/rpc/http/getsignaturesforaddress).
LISTED = 1000
#: Slots that a node which lists may be behind the one that tells where the chain is. Its list counts for as
#: many blocks less: in so many slots there are no more.
LAG_SLOTS = 32
#: Slots, minutes of them: no node that is worth asking lags so far. So much longer ago was what a list may
#: lack though nothing in it is later: who tells it may overlook `minContextSlot`.
FAR_SLOTS = 1_500
#: Slots that no node is ahead, and how one says that it has not reached such a one.
_AHEAD, _NOT_REACHED = 10**6, "error -32016"

Row = dict[str, Any]

_NO_TIME = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Listed:
    """One endpoint's page: what it knows up to `height`, and for at least `reach_s` seconds back."""

    height: int
    reach_s: float
    rows: list[Row]


async def listed(
    endpoint: Endpoint,
    results: Sequence[Result],
    list_of: Sequence[Call],
    genesis: str,
    deadline_s: float,
    *,
    urgent: bool,
    keeps: bool,
) -> Listed | None:
    """What an endpoint lists that has told where it is, in `results`: which chain, its blockhash, its height.
    None where that is no list.

    Its list may be of another of its nodes, or of another time: it is asked of one that is as far but for
    `LAG_SLOTS`. Unless it `keeps` to that, it is all up to its newest row alone. How far back it remembers,
    it tells with its list or not at all. That a place is the end, one answer has to tell: to a node that does
    not know it nothing comes after it, either, and another one may know it.
    """
    try:
        slot, _ = epoch_of(results[2])
        ((method, (wallet, options)), *more) = list_of
        rows: Call = (method, [wallet, {**options, "minContextSlot": max(0, slot - LAG_SLOTS)}])
        calls: list[Call] = [("getFirstAvailableBlock", []), rows, *more]
        first, *found = told = await endpoint.ask(calls, deadline_s, urgent=urgent)
        if more and found[0] == [] and not await _ends_at(endpoint, rows, deadline_s, urgent):
            return None
        return _read_list([*results, first if told.of_one_node(0, 1) else None, *found], genesis, keeps=keeps)
    except NoAnswer as e:
        log.debug("an endpoint lists no landings", extra={"node": endpoint.name, "reason": e.reason})
        return None


async def keeps_to_slot(endpoint: Endpoint, wallet: str, slot: int, deadline_s: float) -> bool | None:
    """Whether it refuses to list as of a slot that it has not reached: a gateway that overlooks it lists by a
    node that lags as well. None where that was not told."""
    options = {**FINALIZED, "limit": 1, "minContextSlot": slot + _AHEAD}
    try:
        await endpoint.ask([("getSignaturesForAddress", [wallet, options])], deadline_s, urgent=True)
    except NoAnswer as e:
        return True if e.reason == _NOT_REACHED else None
    return False


async def _ends_at(endpoint: Endpoint, rows: Call, deadline_s: float, urgent: bool) -> bool:
    """Whether all that the wallet has landed ends at the place before which those rows are asked for. Raises
    `NoAnswer`."""
    method, (wallet, options) = rows
    asked = {name: value for name, value in options.items() if name != "before"} | {"limit": LISTED}
    last: list[str] = []
    while True:
        (said,) = await endpoint.ask([(method, [wallet, asked])], deadline_s, urgent=urgent)
        try:
            told = [str(row["signature"]) for row in said]
        except (KeyError, TypeError):
            raise NoAnswer("no list of signatures") from None
        if told[: len(last)] != last:
            raise NoAnswer("a list that does not go on where it is asked to")
        if len(told) < LISTED:
            return told[-1:] == [options["before"]]
        # The last one once more: who lists it knows where to go on from.
        asked["before"], last = told[-2], told[-1:]


def _read_list(results: Sequence[Result], genesis: str, *, keeps: bool) -> Listed:
    must_be_of(genesis, results[0])
    slot, height = epoch_of(results[2])
    try:
        last = results[1]["value"]["lastValidBlockHeight"]
        rows = [dict(row) for row in results[4]]
        sane = isinstance(results[4], list)
        sane = sane and all(isinstance(row["signature"], str) and type(row["slot"]) is int for row in rows)
    except (KeyError, TypeError, ValueError):
        raise NoAnswer("no list of signatures") from None
    if len(results) > 5 and not is_final(results[5]):
        raise NoAnswer("it does not know where to go on from")
    if not sane:
        raise NoAnswer("no list of signatures")
    # Up to this height all is known, and what is not there may be signed again: it has to make sense.
    if type(last) is not int or anchored_at(slot, height, last) is None:
        raise NoAnswer("a height that contradicts its blockhash")
    first = results[3] if type(results[3]) is int else slot
    newest = rows[0]["slot"] if rows else 0
    lag = LAG_SLOTS if keeps else min(max(slot - newest, LAG_SLOTS), FAR_SLOTS)
    return Listed(height - lag, math.inf if first <= 0 else (slot - first) * FASTEST_SLOT_S, rows)


def is_final(said: Result) -> bool:
    """What a node says of one signature's status."""
    try:
        return bool(said["value"][0]["confirmationStatus"] == "finalized")
    except (KeyError, TypeError, IndexError):
        return False


def _moment(unix: object) -> datetime:
    """A block's time; the beginning of time where it has none that is one."""
    try:
        return datetime.fromtimestamp(unix if type(unix) is int else 0, UTC)
    except (OverflowError, ValueError, OSError):
        return _NO_TIME


def times_of(lists: Iterable[list[Row]]) -> dict[str, datetime]:
    """Of each signature the latest block time that is told, and the beginning of time where any tells none:
    by one that is too early an endpoint would hide what another tells."""
    found: dict[str, datetime] = {}
    for rows in lists:
        for row in rows:
            at = _moment(row.get("blockTime"))
            other = found.setdefault(row["signature"], at)
            found[row["signature"]] = min(at, other) if _NO_TIME in (at, other) else max(at, other)
    return found


def latest(told: Sequence[object]) -> datetime:
    """The latest of these block times: nothing later comes after; for ever ahead where one is not told."""
    if not told or not all(type(unix) is int and unix > 0 for unix in told):
        return datetime.max.replace(tzinfo=UTC)
    return max(map(_moment, told))


def earliest(lists: Iterable[list[Row]]) -> datetime | None:
    """The earliest block time that is told; none where none is."""
    told = (_moment(row.get("blockTime")) for rows in lists for row in rows)
    return min((at for at in told if at > _NO_TIME), default=None)
