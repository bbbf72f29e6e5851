"""Pools that no address of a mint tells of: by the transactions that named the mint since it is waited for.

A transaction is a bell, the pool's own account the truth: what is found here is only looked at. A pool of
Raydium's constant-product program may be of any configuration; one of another program is told by its name.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_fill import Unreadable
from oee_daemon.networks.solana.solana_launch_bytes import Opening, openings
from oee_daemon.networks.solana.venues.cpmm_pool import config_of
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations

#: Signatures of one list, transactions of one request, and what is kept of a mint that is named often.
_LISTED, _READ, _KEPT = 100, 5, 1000
#: Lists of one look at most, and looks after which nobody is asked any more for what none of them has.
_LISTS, _MISSED = 4, 10
#: Configurations among which one is looked for.
_CONFIGURATIONS = 128
#: Mints that are remembered.
_REMEMBERED = 256
_SEEN = {"commitment": "confirmed"}
_WHOLE = {**_SEEN, "encoding": "json", "maxSupportedTransactionVersion": 1}


class _Trail:
    """What named one mint: up to which signature it is listed, and what is still to be read, oldest first."""

    def __init__(self) -> None:
        self.at = 0.0
        self.begun = self.backwards = False
        self.until: str | None = None
        #: What was listed of late: one that is behind lists it again.
        self.listed: deque[str] = deque(maxlen=2 * _KEPT)
        self.unread: list[str] = []
        self.missed: Counter[str] = Counter()
        self.market: str | None = None

    def add(self, found: Sequence[str]) -> None:
        """Oldest first. Of too many the middle is left out: a launch has others after it, or before it."""
        self.unread += found
        del self.unread[_KEPT // 2 : max(_KEPT // 2, len(self.unread) - _KEPT // 2)]

    def some(self) -> list[str]:
        """The oldest and the newest in turn, so that what is named often hides neither; of the newest those
        first that nobody was seen not to have."""
        self.backwards = not self.backwards
        if self.backwards:
            return self.unread[:_READ]
        newest = self.unread[::-1]
        return sorted(newest, key=lambda one: self.missed[one])[:_READ]

    def drop(self, signature: str) -> None:
        # Two looks may be under way.
        self.unread = [one for one in self.unread if one != signature]
        del self.missed[signature]


class LaunchFinder:
    """Asks through `rpc`, each `pace_s` for a mint. `program`: whose pools are traded; what it finds of
    `configurations` is quoted from then on."""

    def __init__(self, rpc: Pool, program: str, configurations: Configurations, pace_s: float) -> None:
        self._rpc = rpc
        self._program = program
        self._configurations = configurations
        self._pace_s = pace_s
        self._trails: dict[str, _Trail] = {}

    async def market(self, mint: str, deadline_s: float, *, urgent: bool) -> str | None:
        """The program that has a pool of it which nobody here reads; none where none was found. What can't be
        asked is asked at the next look."""
        if len(self._trails) >= _REMEMBERED and mint not in self._trails:
            self._trails.pop(next(iter(self._trails)))
        trail = self._trails.setdefault(mint, _Trail())
        if time.monotonic() < trail.at:
            return trail.market
        trail.at = time.monotonic() + self._pace_s
        with suppress(ChainUnavailable):
            await self._follow(mint, trail, deadline_s, urgent)
        return trail.market

    async def _follow(self, mint: str, trail: _Trail, deadline_s: float, urgent: bool) -> None:
        await self._list(mint, trail, deadline_s, urgent)
        if not (some := trail.some()):
            return
        read: dict[str, list[Opening]] = {}
        answered = False

        def take(results: Sequence[Result]) -> None:
            """One may have what another has not."""
            nonlocal answered
            answered = True
            read.update(
                {key: _read(said) for key, said in zip(some, results, strict=True) if isinstance(said, dict)}
            )
            if len(read) < len(some):
                raise NoAnswer("it has not every transaction that is listed")

        calls: list[Call] = [("getTransaction", [signature, _WHOLE]) for signature in some]
        with suppress(ChainUnavailable):
            await self._rpc.any(calls, take, deadline_s, urgent=urgent)
        for signature in some:
            trail.missed[signature] += answered
            for opening in read.get(signature, ()):
                self._note(mint, trail, opening)
            # What nobody has must not stand before all others for ever.
            if signature in read or trail.missed[signature] >= _MISSED:
                trail.drop(signature)

    async def _list(self, mint: str, trail: _Trail, deadline_s: float, urgent: bool) -> None:
        """All since the last look, however many there are, up to `_LISTS`; at first the newest alone."""
        known, found = set(trail.listed), dict[str, bool]()
        bounds: dict[str, Any] = {} if trail.until is None else {"until": trail.until}
        for _ in range(_LISTS if trail.begun else 1):
            call: Call = ("getSignaturesForAddress", [mint, {**_SEEN, "limit": _LISTED} | bounds])
            rows = await self._rpc.any([call], _signatures, deadline_s, urgent=urgent)
            found |= {key: done for key, done in rows if key not in known}
            if len(rows) < _LISTED or any(key in known for key, _ in rows):
                break
            bounds["before"] = rows[-1][0]
        trail.begun = True
        if found:
            trail.until = next(iter(found))
            trail.listed.extend(found)
            trail.add([key for key in reversed(found) if found[key]])

    def _note(self, mint: str, trail: _Trail, opening: Opening) -> None:
        if mint not in opening.accounts:
            return
        numbers = _numbers(self._program)
        number = next((numbers[key] for key in opening.accounts if key in numbers), None)
        if opening.program == self._program and number is not None:
            self._configurations.note(mint, number)
        else:
            trail.market = opening.market


@lru_cache(maxsize=4)
def _numbers(program: str) -> dict[str, int]:
    """Of each configuration, by its address."""
    return {config_of(program, number): number for number in range(_CONFIGURATIONS)}


def _signatures(results: Sequence[Result]) -> list[tuple[str, bool]]:
    """Newest first, and of each whether it did what it says."""
    rows = results[0]
    if isinstance(rows, RpcError) or not isinstance(rows, list):
        raise NoAnswer("no list of signatures")
    try:
        return [(str(row["signature"]), row["err"] is None) for row in rows]
    except (KeyError, TypeError):
        raise NoAnswer("signatures of another shape") from None


def _read(said: Any) -> list[Opening]:
    try:
        return openings(said)
    except Unreadable:
        # What can't be read by anybody must not be asked for for ever.
        return []
