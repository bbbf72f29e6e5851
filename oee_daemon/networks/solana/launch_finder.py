"""Pools that no address of a mint tells of: by the transactions that named the mint since it is waited for.

A transaction is a bell, the pool's own account the truth: what is found here is only looked at. A pool of
Raydium's constant-product program may be of any configuration; one of another program is told by its name.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.fill import Unreadable
from oee_daemon.networks.solana.launch_instructions import Opening, openings
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.venues.cpmm_pool import config_of
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations

#: Signatures of one list, transactions of one request, and what is kept of a mint that is named often.
_LISTED, _READ, _KEPT = 100, 5, 1000
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
        self.until: str | None = None
        self.unread: deque[str] = deque(maxlen=_KEPT)
        self.market: str | None = None


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
        asked = {**_SEEN, "limit": _LISTED} | ({} if trail.until is None else {"until": trail.until})
        call: Call = ("getSignaturesForAddress", [mint, asked])
        found = await self._rpc.any([call], _signatures, deadline_s, urgent=urgent)
        if found:
            trail.until = found[0]
            trail.unread.extend(reversed(found))
        if not trail.unread:
            return
        some = [trail.unread[n] for n in range(min(_READ, len(trail.unread)))]
        calls: list[Call] = [("getTransaction", [signature, _WHOLE]) for signature in some]
        for opening in await self._rpc.any(calls, _opened, deadline_s, urgent=urgent):
            self._note(mint, trail, opening)
        for _ in some:
            trail.unread.popleft()

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


def _signatures(results: Sequence[Result]) -> list[str]:
    rows = results[0]
    if isinstance(rows, RpcError) or not isinstance(rows, list):
        raise NoAnswer("no list of signatures")
    try:
        return [str(row["signature"]) for row in rows if row["err"] is None]
    except (KeyError, TypeError):
        raise NoAnswer("signatures of another shape") from None


def _opened(results: Sequence[Result]) -> list[Opening]:
    """Of transactions that this endpoint all has. Raises `NoAnswer`."""
    return [opening for said in results for opening in _read(said)]


def _read(said: Any) -> list[Opening]:
    if not isinstance(said, dict):
        raise NoAnswer("it has not every transaction that is listed")
    try:
        return openings(said)
    except Unreadable:
        # What can't be read by anybody must not be asked for for ever.
        return []
