"""Blocks that one endpoint told, kept for all swaps that can be in them.

Orders that were in doubt together have their swaps in the same blocks: each is asked for once. What they
prove does not depend on who asked: a walk goes by hash from one to the next, of this endpoint's alone.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint

log = logging.getLogger(__name__)

_NAMED = {
    "commitment": "finalized",
    "transactionDetails": "signatures",
    "rewards": False,
    "maxSupportedTransactionVersion": 1,
}
#: Of a slot without a block, or whose block this node lacks: the next block's word tells which
#: (https://github.com/anza-xyz/agave, rpc-client-api/src/custom_error.rs).
_SKIPPED = frozenset({-32007, -32009})
#: Slots that are kept: minutes of a chain, and some tens of KB for each.
_KEPT = 500
#: Blocks of one request, at first: each names thousands of signatures; and of one reading, at most.
AT_ONCE, _MOST = 5, 20
#: Requests on their way at once, of several blocks and of one. More would be in the way of what executes.
_BATCHES, _SINGLES = 2, 8


class Block(NamedTuple):
    """`signatures`: by their hashes, of 64 bits each; as text they are ten times as large."""

    before: str
    hash: str
    height: int
    signatures: array[int]

    def has(self, signature: str) -> bool:
        return hash(signature) in self.signatures


class BlockShelf:
    """Of one endpoint."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Block | None] = OrderedDict()
        self._coming: dict[int, asyncio.Future[None]] = {}
        #: How many slots were told, to whomever.
        self._came = 0
        #: Of one request, and of one reading. Half as many once none came in time: slow, they may take longer
        #: than a look, and who tells none is asked for few.
        self._at_once = self._most = AT_ONCE
        #: Where the chain was when it said last that it sells none.
        self.unsold_at: int | None = None
        self._batches, self._singles = asyncio.Semaphore(_BATCHES), asyncio.Semaphore(_SINGLES)

    async def read(self, endpoint: Endpoint, first: int, deadline_s: float) -> list[Block | None]:
        """What it tells of the slots from `first` on, as far as that came in time; none: of one without a
        block, or whose block this node lacks."""
        loop = asyncio.get_running_loop()
        until, came = loop.time() + deadline_s, self._came
        # Who takes no batches is asked for each by itself, and for the next before that is answered.
        at_once = 1 if endpoint.batches is False else self._at_once
        slots = range(first, first + max(self._most, at_once))
        coming = {one for slot in slots if (one := self._coming.get(slot)) is not None}
        missing = [slot for slot in slots if slot not in self._kept and slot not in self._coming]
        parts = [missing[n : n + at_once] for n in range(0, len(missing), at_once)]
        for part in parts:
            # Before anybody else is asked: he waits for them.
            self._coming |= dict.fromkeys(part, loop.create_future())
        try:
            await asyncio.gather(*(self._fetch(endpoint, part, until) for part in parts))
        finally:
            # One that was ended before it began has told nobody.
            self._have_come(missing)
        if coming and (left_s := until - loop.time()) > 0:
            await asyncio.wait(coming, timeout=left_s)
        found = [self._kept[slot] for slot in takewhile(self._kept.__contains__, slots)]
        if self._came == came and missing:
            self._at_once, self._most = max(1, self._at_once // 2), max(1, self._most // 2)
        elif missing and len(found) == len(slots):
            self._most = min(_MOST, self._most * 2)
        return found

    def forget(self, slots: Iterable[int]) -> None:
        """They are none of one chain: each is asked for anew."""
        for slot in slots:
            self._kept.pop(slot, None)

    def _have_come(self, slots: Iterable[int]) -> None:
        """Or will not: nobody waits for them any more."""
        for slot in slots:
            if (came := self._coming.pop(slot, None)) is not None and not came.done():
                came.set_result(None)

    async def _fetch(self, endpoint: Endpoint, slots: Sequence[int], until: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until), self._batches if len(slots) > 1 else self._singles:
                calls: list[Call] = [("getBlock", [slot, _NAMED]) for slot in slots]
                told = await endpoint.ask(calls, max(until - loop.time(), 0), urgent=True)
            for slot, said in zip(slots, told, strict=True):
                is_skipped = said is None or (isinstance(said, RpcError) and said.code in _SKIPPED)
                self._kept[slot] = None if is_skipped else _block(said)
                self._came += 1
        except (NoAnswer, TimeoutError) as e:
            log.debug("an endpoint tells no blocks", extra={"node": endpoint.name, "reason": str(e)})
        finally:
            self._have_come(slots)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _block(said: Result) -> Block:
    """Raises `NoAnswer`."""
    try:
        before, found, height = said["previousBlockhash"], said["blockhash"], said["blockHeight"]
        signatures: Any = said["signatures"]
    except (KeyError, TypeError):
        raise NoAnswer("no block") from None
    sane = type(height) is int and isinstance(signatures, list)
    sane = sane and all(isinstance(one, str) for one in signatures)
    if not sane or not isinstance(before, str) or not isinstance(found, str) or not found:
        raise NoAnswer("a block of another shape")
    return Block(before, found, height, array("q", map(hash, signatures)))
