"""Looks at old swaps, all in one request: no moment counts for them, and each by itself they take all of a
plan's calls, so that nothing is left by which one of them could be decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Result
from oee_daemon.networks.solana.solana_endpoint_look import calls_for

#: Signatures of one request; a node takes 256 (https://solana.com/docs/rpc/http/getsignaturestatuses). And
#: where so many are refused: a trial at QuickNode takes five, and answers more with a 413
#: (https://www.quicknode.com/docs/solana/getSignatureStatuses).
_MOST, _FEW = 100, 5
#: By its name, what an endpoint says of one swap.
Heard = Mapping[str, Sequence[Result]]


@dataclass(eq=False, slots=True)
class _Round:
    """One request to each endpoint, about all that came while the one before was on its way."""

    signatures: list[str] = field(default_factory=list)
    heard: asyncio.Future[Heard] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SharedLooks:
    """At the endpoints of `pool`; `deadline_s`: for each request."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool = pool
        self._deadline_s = deadline_s
        #: Signatures that are asked about at once.
        self._most = _MOST
        self._turn = asyncio.Lock()
        self._next: _Round | None = None

    async def told(self, signature: str) -> Heard:
        """As `Pool.each` of `calls_for` that one. Raises `ChainUnavailable`."""
        mine, is_first = self._next, False
        if mine is None or len(mine.signatures) >= self._most:
            mine, is_first = _Round(), True
            self._next = mine
        place = len(mine.signatures)
        mine.signatures.append(signature)
        heard = await (self._ask_together(mine) if is_first else asyncio.shield(mine.heard))
        count = len(mine.signatures)
        return {name: [*said[:-1], _of_one(said[-1], place, count)] for name, said in heard.items()}

    async def _ask_together(self, mine: _Round) -> Heard:
        try:
            async with self._turn:
                # Not before: whoever comes later is asked about by the next one, which begins after it came.
                self._close(mine)
                heard = await self._ask(mine.signatures)
        except BaseException as e:
            self._close(mine)
            gone = e if isinstance(e, ChainUnavailable) else ChainUnavailable("Nobody asks any more.")
            mine.heard.set_exception(gone)
            # It may be that nobody else waits for it.
            mine.heard.exception()
            raise
        mine.heard.set_result(heard)
        return heard

    async def _ask(self, signatures: Sequence[str]) -> Heard:
        """At each endpoint; about fewer at once from then on where so many are refused. Raises
        `ChainUnavailable`."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._deadline_s
        heard: Heard = {}
        gone: ChainUnavailable | None = None
        try:
            heard = await self._pool.each(calls_for(*signatures), self._deadline_s, urgent=True)
        except ChainUnavailable as e:
            gone = e
        told = sum(isinstance(said[-1], dict) for said in heard.values())
        # Who is late refuses nothing.
        if len(signatures) > _FEW and told < max(1, len(heard)) and clock() < until:
            self._most = _FEW
        if gone is not None:
            raise gone
        return heard

    def _close(self, mine: _Round) -> None:
        if self._next is mine:
            self._next = None


def _of_one(said: Result, place: int, count: int) -> Result:
    """What `getSignatureStatuses` of so many says of that one; an error is each one's."""
    if not isinstance(said, dict):
        return said
    values = said.get("value")
    return {**said, "value": [values[place]] if isinstance(values, list) and len(values) == count else None}
