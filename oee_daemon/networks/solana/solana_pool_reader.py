"""The constant-product pools of watched pairs, read from the chain: all of them in one request, at one slot.

How old that is, the slots say: a node that stands still repeats its slot, one that lags tells a lower one
than others do. All endpoints are asked. Of three or more the one in the middle counts, pair by pair: what one
alone says of a pool fires nothing, and keeps nothing from firing. Of two the one that is furthest counts, and
what the other says goes along.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.prices import Watched
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool as Rpc
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.solana_endpoint_ages import EndpointAges
from oee_daemon.networks.solana.solana_epochs import CLOCK, EPOCH_SCHEDULE, epochs_ahead
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of
from oee_daemon.networks.solana.venues.cpmm_pool import Account, Addresses, NoPool, Pool, addresses, read_pool
from oee_daemon.networks.solana.venues.cpmm_venue import INDEXES

#: Seconds for an answer, and that the other endpoints have once one has answered.
DEADLINE_S, GRACE_S = 1.0, 0.2
#: Seconds after which a pair is searched for pools again.
SEARCH_S = 120.0
#: Accounts of a pool that are read, and pools of one call: it takes 100 accounts (`MAX_MULTIPLE_ACCOUNTS` of
#: agave), and the last one has those that tell the epoch too.
_ACCOUNTS, _POOLS, _EPOCH = 6, 16, [CLOCK, EPOCH_SCHEDULE]
#: Seconds for which the slot counts of an endpoint that is silent, and by which the account of one may be
#: older than the others' and still be a word on the price.
_KEPT_S, _OLDER_S = 10.0, 10.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What the chain shows: at which slot, how long ago that was at least, seconds; by pair its deepest pool,
    base first; and, where just two of its endpoints count, what the other one says of it."""

    slot: int
    age_s: float
    pools: Mapping[str, Pool]
    others: Mapping[str, Pool]


class PoolReader:
    """Of one event loop. `program`: whose pools they are. `fastest_s`: as of `SlotAge`."""

    def __init__(self, rpc: Rpc, program: str, fastest_s: float) -> None:
        self._rpc = rpc
        self._program = program
        self._ages = EndpointAges(fastest_s, _KEPT_S)
        #: By pair the configurations that have a pool, and when that was looked for.
        self._found: dict[str, tuple[tuple[int, ...], float]] = {}

    async def look(self, pairs: Sequence[Watched], *, urgent: bool) -> Sight | None:
        """None where no endpoint answers. `urgent`: see `request_bucket`."""
        asked_at = time.monotonic()
        asked = [(pair, index) for pair in pairs for index in self._indexes(pair.name, asked_at)]
        places = [
            _addresses_of(self._program, index, pair.base.mint, pair.quote.mint) for pair, index in asked
        ]
        calls = _calls(places)
        try:
            heard = await self._rpc.each(calls, DEADLINE_S, grace_s=GRACE_S, urgent=urgent)
        except ChainUnavailable:
            return None
        seen = {name: word for name, one in heard.items() if (word := _read(one, calls)) is not None}
        ages = self._ages.of({name: slot for name, (slot, _) in seen.items()}, asked_at)
        # Whose slot can be, the furthest first.
        names = sorted(ages, key=lambda name: -seen[name][0])
        if not names:
            return None
        told = {name: _pools(asked, places, seen[name][1]) for name in names}
        self._note(asked, [seen[name][1] for name in names], asked_at)
        # As fresh as two of them are: who stands still has no say, also where two are left.
        age_s = sorted(ages.values())[min(1, len(names) - 1)]
        names = [name for name in names if ages[name] <= age_s + _OLDER_S]
        if len(names) > 2:
            return Sight(seen[names[1]][0], age_s, _in_the_middle([told[name] for name in names]), {})
        first, *more = names
        others = told[more[0]] if more and ages[more[0]] <= ages[first] + _OLDER_S else {}
        return Sight(seen[first][0], ages[first], told[first], others)

    def _indexes(self, name: str, now_s: float) -> Sequence[int]:
        found, at = self._found.get(name, ((), 0.0))
        return found if name in self._found and now_s - at < SEARCH_S else INDEXES

    def _note(
        self, asked: Sequence[tuple[Watched, int]], told: Sequence[Sequence[Account | None]], now_s: float
    ) -> None:
        """Which configurations have a pool, by what any endpoint tells."""
        held: dict[str, list[int]] = {pair.name: [] for pair, _ in asked}
        for n, (pair, index) in enumerate(asked):
            if any(accounts[_ACCOUNTS * n] is not None for accounts in told):
                held[pair.name].append(index)
        for name, indexes in held.items():
            searched = self._indexes(name, now_s) is INDEXES
            self._found[name] = (tuple(indexes), now_s if searched else self._found[name][1])


def _pools(
    asked: Sequence[tuple[Watched, int]], places: Sequence[Addresses], accounts: Sequence[Account | None]
) -> Mapping[str, Pool]:
    """The deepest pool of each pair, as these accounts say, with what is kept of a transfer now."""
    pools: dict[str, Pool] = {}
    epochs = epochs_ahead(*accounts[-len(_EPOCH) :]) if accounts else ()
    for n, (pair, _) in enumerate(asked):
        part = list(accounts[_ACCOUNTS * n : _ACCOUNTS * (n + 1)])
        try:
            pool = read_pool(places[n], pair.base.mint, part, int(time.time()), epochs)
        except NoPool:
            continue
        if pair.name not in pools or pool.held_out > pools[pair.name].held_out:
            pools[pair.name] = pool
    return pools


def _in_the_middle(words: Sequence[Mapping[str, Pool]]) -> Mapping[str, Pool]:
    """Of each pair the pool whose price is in the middle of what all say, where most of them know one."""
    names = {name for word in words for name in word}
    found = {name: [word[name] for word in words if name in word] for name in names}
    return {
        name: sorted(pools, key=lambda pool: Fraction(pool.held_out, pool.held_in))[len(pools) // 2]
        for name, pools in found.items()
        if 2 * len(pools) > len(words)
    }


@lru_cache(maxsize=1024)
def _addresses_of(program: str, index: int, base: str, quote: str) -> Addresses:
    return addresses(program, index, base, quote)


def _calls(places: Sequence[Addresses]) -> list[Call]:
    """Where there is no pool the slot alone is asked for: that the chain goes on is known in any case."""
    options = {"encoding": "base64", "commitment": "confirmed"}
    calls: list[Call] = []
    for at in range(0, len(places), _POOLS):
        keys = [key for place in places[at : at + _POOLS] for key in place.to_read()]
        keys += _EPOCH if at + _POOLS >= len(places) else []
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
