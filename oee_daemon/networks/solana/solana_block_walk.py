"""The blocks in which a swap can be, read one after another at one endpoint.

Each tells by itself what is in it and, by the hash of the one before, that none was left out: whichever node
told which, however far back it remembers, and whatever it lacks in between. It takes many of a plan's calls,
and so comes last.
"""

from __future__ import annotations

import asyncio
import logging

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, TooOften, is_unsold
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_block_shelf import Block, BlockShelf
from oee_daemon.networks.solana.solana_endpoint_look import FINALIZED
from oee_daemon.networks.solana.solana_look_evidence import Anchored, Status

log = logging.getLogger(__name__)

_BARE = {
    "commitment": "finalized",
    "transactionDetails": "none",
    "rewards": False,
    "maxSupportedTransactionVersion": 1,
}
#: Slots in a row without a block after which nobody knows any more whether there is one.
_MOST_SKIPPED = 400


class BlockWalk:
    """From the block after the swap's anchor past the one of the height `last`, by what is on `shelf`."""

    def __init__(self, signature: str, anchored: Anchored, last: int, shelf: BlockShelf) -> None:
        self._signature, self._begin, self._last = signature, anchored, last
        #: None once all were read: what nobody goes on from is not kept.
        self._shelf: BlockShelf | None = shelf
        #: The last block that was read: its slot, height and hash; of the anchor's own no hash is known.
        self._slot, self._height, self._hash = anchored.slot, anchored.height, ""
        self._next = anchored.slot + 1
        self._found: Status | None = None
        #: The slot of the last block of that time, by the endpoint's own count, once it was told.
        self._counted: int | None = None

    async def is_whole(self, endpoint: Endpoint, deadline_s: float) -> bool:
        """Whether no block of that time is missing there, by their count: a node that was started anew from a
        snapshot lists what was before and after, and lacks what landed meanwhile. Who sells no blocks is a
        gateway, and is taken for whole. Raises `NoAnswer`."""
        until = asyncio.get_running_loop().time() + deadline_s
        first, count = self._begin.slot + 1, self._last - self._begin.height
        try:
            # Once for a swap, and without it no list counts, so not behind whatever else executes.
            if self._counted is None:
                count_of: Call = ("getBlocksWithLimit", [first, count, FINALIZED])
                (slots,) = await endpoint.ask([count_of], deadline_s, urgent=True)
                if not isinstance(slots, list) or len(slots) != count:
                    return is_unsold(slots)
                self._counted = slots[-1]
            left_s = until - asyncio.get_running_loop().time()
            last: Call = ("getBlock", [self._counted, _BARE])
            (block,) = await endpoint.ask([last], max(left_s, 0), urgent=True)
        except NoAnswer as e:
            if e.reason.startswith("HTTP 4") and not isinstance(e, TooOften):
                return True
            raise
        is_whole = is_unsold(block) or (isinstance(block, dict) and block.get("blockHeight") == self._last)
        if not is_whole:
            self._counted = None
        return is_whole

    async def go_on(self, endpoint: Endpoint, deadline_s: float) -> Status | bool:
        """That it landed, or whether it is proven that it did not, as far as one comes in that time."""
        until = asyncio.get_running_loop().time() + deadline_s
        while self._shelf is not None and (left_s := until - asyncio.get_running_loop().time()) > 0:
            told = await self._shelf.read(endpoint, self._next, left_s)
            if not told:
                return False
            for slot, block in enumerate(told, self._next):
                if not self._is_next(slot, block):
                    self._shelf.forget(range(self._next, slot + 1))
                    log.debug("blocks that are not one chain", extra={"node": endpoint.name, "slot": slot})
                    return False
                if self._found is not None or self._height > self._last:
                    self._shelf = None
                    break
        return False if self._shelf is not None else self._found or True

    def _is_next(self, slot: int, block: Block | None) -> bool:
        """Whether that is the block after the last one, or none in between; else the place is read once
        more."""
        self._next = slot + 1
        if block is None:
            is_one_chain = slot - self._slot <= _MOST_SKIPPED
        else:
            is_one_chain = block.height == self._height + 1 and block.before == (self._hash or block.before)
        if not is_one_chain:
            self._next = self._slot + 1
        elif block is not None:
            self._slot, self._hash, self._height = slot, block.hash, block.height
            if block.has(self._signature):
                # What it did is its transaction's to tell.
                self._found = Status(slot=slot, failed=None, final=True)
        return is_one_chain
