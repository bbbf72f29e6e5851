"""The blocks in which a swap can be, read one after another at one endpoint.

Each tells by itself what is in it and, by the hash of the one before, that none was left out: whichever node
told which, however far back it remembers, and whatever it lacks in between. It takes minutes of a plan's
calls, and so comes last.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError, TooOften, is_unsold
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import FINALIZED
from oee_daemon.networks.solana.solana_look_evidence import Anchored, Status

log = logging.getLogger(__name__)

#: Blocks of one request, at first: each names thousands of signatures.
AT_ONCE = 5
_NAMED = {
    "commitment": "finalized",
    "transactionDetails": "signatures",
    "rewards": False,
    "maxSupportedTransactionVersion": 1,
}
_BARE = _NAMED | {"transactionDetails": "none"}
#: Of a slot without a block, or whose block this node lacks: the next block's word tells which
#: (https://github.com/anza-xyz/agave, rpc-client-api/src/custom_error.rs).
_SKIPPED = frozenset({-32007, -32009})
#: Stands for the answer of who does not sell what is asked for.
_UNSOLD = object()
#: Slots in a row without a block after which nobody knows any more whether there is one.
_MOST_SKIPPED = 400


class BlockWalk:
    """From the block after the swap's anchor past the one of the height `last`."""

    def __init__(self, signature: str, anchored: Anchored, last: int) -> None:
        self._signature, self._begin, self._last = signature, anchored, last
        #: The last block that was read: its slot, height and hash; of the anchor's own no hash is known.
        self._slot, self._height, self._hash = anchored.slot, anchored.height, ""
        self._next = anchored.slot + 1
        self._found: Status | None = None
        #: Half as many once they did not come: slow, or asked one by one, they may take longer than a look.
        self._at_once = AT_ONCE
        #: Whether none of that time is missing by their count, and which questions were answered.
        self._whole, self._sold = False, set[str]()

    async def is_whole(self, endpoint: Endpoint, deadline_s: float) -> bool:
        """Whether no block of that time is missing there, by their count: a node that was started anew from a
        snapshot lists what was before and after, and lacks what landed meanwhile. Who sells no blocks is a
        gateway, and is taken for whole this time: it may word the failure of a moment like that. Raises
        `NoAnswer`."""
        if self._whole:
            return True
        until = asyncio.get_running_loop().time() + deadline_s
        first, count = self._begin.slot + 1, self._last - self._begin.height
        slots = await self._told(endpoint, ("getBlocksWithLimit", [first, count, FINALIZED]), deadline_s)
        if not isinstance(slots, list) or len(slots) != count:
            return slots is _UNSOLD
        left_s = until - asyncio.get_running_loop().time()
        block = await self._told(endpoint, ("getBlock", [slots[-1], _BARE]), max(left_s, 0))
        self._whole = isinstance(block, dict) and block.get("blockHeight") == self._last
        return self._whole or block is _UNSOLD

    async def _told(self, endpoint: Endpoint, call: Call, deadline_s: float) -> Any:
        """Its answer; `_UNSOLD` where it never gave one and says that it does not. Raises `NoAnswer`."""
        try:
            # Without it no list counts, so not behind whatever else executes.
            (said,) = await endpoint.ask([call], deadline_s, urgent=True)
        except NoAnswer as e:
            if call[0] in self._sold or not e.reason.startswith("HTTP 4") or isinstance(e, TooOften):
                raise
            return _UNSOLD
        if is_unsold(said):
            return said if call[0] in self._sold else _UNSOLD
        if not isinstance(said, RpcError):
            self._sold.add(call[0])
        return said

    async def go_on(self, endpoint: Endpoint, deadline_s: float) -> Status | bool:
        """That it landed, or whether it is proven that it did not, as far as one comes in that time."""
        until = asyncio.get_running_loop().time() + deadline_s
        try:
            while self._found is None and self._height <= self._last:
                slots = range(self._next, self._next + self._at_once)
                left_s = until - asyncio.get_running_loop().time()
                calls: list[Call] = [("getBlock", [slot, _NAMED]) for slot in slots]
                told = await endpoint.ask(calls, max(left_s, 0), urgent=True)
                for slot, said in zip(slots, told, strict=True):
                    self._read(slot, said)
        except NoAnswer as e:
            self._at_once = max(1, self._at_once // 2)
            log.debug("an endpoint tells no blocks", extra={"node": endpoint.name, "reason": e.reason})
            return False
        return self._found or True

    def _read(self, slot: int, said: Result) -> None:
        """Raises `NoAnswer` where that is not the block after the last one."""
        if said is None or (isinstance(said, RpcError) and said.code in _SKIPPED):
            self._next = slot + 1
            self._must_be(slot - self._slot <= _MOST_SKIPPED)
            return
        before, found, height, signatures = _parts(said)
        self._must_be(height == self._height + 1 and before == (self._hash or before))
        self._next, self._slot, self._hash, self._height = slot + 1, slot, found, height
        if self._signature in signatures:
            # What it did is its transaction's to tell.
            self._found = Status(slot=slot, failed=None, final=True)

    def _must_be(self, one_chain: bool) -> None:
        """Else the place is read once more. Raises `NoAnswer`."""
        if not one_chain:
            self._next = self._slot + 1
            raise NoAnswer("blocks that are not one chain")


def _parts(said: Any) -> tuple[str, str, int, list[Any]]:
    """Hash of the block before and of this one, height and signatures. Raises `NoAnswer`."""
    try:
        before, found, height = said["previousBlockhash"], said["blockhash"], said["blockHeight"]
        signatures = said["signatures"]
    except (KeyError, TypeError):
        raise NoAnswer("no block") from None
    sane = type(height) is int and isinstance(signatures, list)
    if not sane or not isinstance(before, str) or not isinstance(found, str) or not found:
        raise NoAnswer("a block of another shape")
    return before, found, height, signatures
