"""The constant-product pools of watched pairs, read from the chain: all of them in one request, at one slot.

How old that is, the slots say: a node that stands still repeats its slot, one that lags tells a lower one
than was heard before. All endpoints are asked, and the one that is furthest counts.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.prices import Watched
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool as Rpc
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of
from oee_daemon.networks.solana.venues.cpmm_pool import Account, Addresses, NoPool, Pool, addresses, read_pool
from oee_daemon.networks.solana.venues.cpmm_venue import INDEXES

#: Seconds for an answer, and that the other endpoints have once one has answered.
DEADLINE_S, GRACE_S = 1.0, 0.2
#: Seconds after which a pair is searched for pools again.
SEARCH_S = 120.0
#: Accounts of a pool that are read, and pools of one call: it takes 100 accounts (`MAX_MULTIPLE_ACCOUNTS` of
#: agave).
_ACCOUNTS, _POOLS = 6, 16
#: Seconds a slot at most, by which a slot that is behind is counted; slots that an answer may be ahead of
#: what time allows; and seconds after which a slot that was never reached again is forgotten.
SLOT_S, _SLACK, _FORGET_S = 0.4, 16, 600.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What the chain shows: at which slot, how long ago that was at least, seconds; by pair its pools, base
    first, the deepest first."""

    slot: int
    age_s: float
    pools: Mapping[str, Sequence[Pool]]


class SlotAge:
    """How old a slot is, by the slots that were heard. `fastest_s`: seconds a slot takes at least."""

    def __init__(self, fastest_s: float) -> None:
        self._fastest_s = fastest_s
        self._top: int | None = None
        self._at = 0.0

    def of(self, slot: int, now_s: float) -> float | None:
        """Seconds; none of one that can't be yet: no honest node says it."""
        if self._top is None:
            self._top, self._at = slot, now_s
            return 0.0
        if slot > self._top + _SLACK + (now_s - self._at) / self._fastest_s:
            return None
        if slot > self._top:
            self._top, self._at = slot, now_s
        elif slot < self._top and now_s - self._at > _FORGET_S:
            # The one that was heard first lied, or the chain is another one: what goes on from here counts.
            self._top = slot
        return now_s - self._at + (self._top - slot) * SLOT_S


class PoolReader:
    """Of one event loop. `program`: whose pools they are. `fastest_s`: as of `SlotAge`."""

    def __init__(self, rpc: Rpc, program: str, fastest_s: float) -> None:
        self._rpc = rpc
        self._program = program
        self._ages = SlotAge(fastest_s)
        #: By pair the configurations that have a pool, and when that was looked for.
        self._found: dict[str, tuple[tuple[int, ...], float]] = {}

    async def look(self, pairs: Sequence[Watched], *, urgent: bool) -> Sight | None:
        """None where no endpoint answers. `urgent`: see `request_bucket`."""
        asked_at = time.monotonic()
        asked = [(pair, index) for pair in pairs for index in self._indexes(pair.name, asked_at)]
        places = [_placed(self._program, index, pair.base.mint, pair.quote.mint) for pair, index in asked]
        calls = _calls(places)
        try:
            heard = await self._rpc.each(calls, DEADLINE_S, grace_s=GRACE_S, urgent=urgent)
        except ChainUnavailable:
            return None
        seen = [told for results in heard.values() if (told := _read(results, calls)) is not None]
        # The furthest whose slot can be.
        for slot, accounts in sorted(seen, key=lambda told: -told[0]):
            age_s = self._ages.of(slot, asked_at)
            if age_s is not None:
                return Sight(slot, age_s, self._pools(asked, places, accounts, asked_at))
        return None

    def _indexes(self, name: str, now_s: float) -> Sequence[int]:
        found, at = self._found.get(name, ((), 0.0))
        return found if name in self._found and now_s - at < SEARCH_S else INDEXES

    def _pools(
        self,
        asked: Sequence[tuple[Watched, int]],
        places: Sequence[Addresses],
        accounts: Sequence[Account | None],
        now_s: float,
    ) -> Mapping[str, Sequence[Pool]]:
        pools: dict[str, list[Pool]] = {pair.name: [] for pair, _ in asked}
        indexes: dict[str, list[int]] = {pair.name: [] for pair, _ in asked}
        for n, (pair, index) in enumerate(asked):
            part = list(accounts[_ACCOUNTS * n : _ACCOUNTS * (n + 1)])
            if part[0] is not None:
                indexes[pair.name].append(index)
            try:
                pools[pair.name].append(read_pool(places[n], pair.base.mint, part, int(time.time())))
            except NoPool:
                continue
        for name, held in indexes.items():
            searched = self._indexes(name, now_s) is INDEXES
            at = now_s if searched else self._found[name][1]
            self._found[name] = (tuple(held), at)
        return {
            name: sorted(found, key=lambda pool: -pool.held_out) for name, found in pools.items() if found
        }


@lru_cache(maxsize=1024)
def _placed(program: str, index: int, base: str, quote: str) -> Addresses:
    return addresses(program, index, base, quote)


def _calls(places: Sequence[Addresses]) -> list[Call]:
    """Where there is no pool the slot alone is asked for: that the chain goes on is known in any case."""
    options = {"encoding": "base64", "commitment": "confirmed"}
    calls: list[Call] = []
    for at in range(0, len(places), _POOLS):
        keys = [key for place in places[at : at + _POOLS] for key in place.to_read()]
        calls.append(("getMultipleAccounts", [keys, options]))
    return calls or [("getSlot", [{"commitment": "confirmed"}])]


def _read(results: Sequence[Result], calls: Sequence[Call]) -> tuple[int, Sequence[Account | None]] | None:
    """The lowest slot that it tells, and the accounts; none where an answer has another shape."""
    if calls[0][0] == "getSlot":
        return (results[0], ()) if type(results[0]) is int else None
    slots: list[int] = []
    accounts: list[Account | None] = []
    try:
        for (_, params), said in zip(calls, results, strict=True):
            slots.append(int(said["context"]["slot"]))
            accounts += [
                None if row is None else (row["owner"], base64.b64decode(row["data"][0], validate=True))
                for row in accounts_of(said, len(params[0]))
            ]
    except (NoAnswer, KeyError, TypeError, ValueError, IndexError):
        return None
    return min(slots), accounts
