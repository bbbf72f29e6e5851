"""The blocks in which a swap can be, read one after another at one endpoint.

Each tells by itself what is in it and, by the hash of the one before, that none was left out: whichever node
told which, however far back it remembers, and whatever it lacks in between. It takes many of a plan's calls,
and so comes last.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, RpcError, Unsold, is_unsold
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
#: Stands for the answer of who does not sell what is asked for.
_UNSOLD = object()
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
        #: The slot of the last block when the one after it was none of its chain.
        self._doubted = 0
        self._found: Status | None = None
        #: The slot of the last block of that time, by the endpoint's count; whether none is missing by it.
        self._end: int | None = None
        self._is_counted = False
        #: Which questions were answered.
        self._sold = set[str]()

    @property
    def are_read(self) -> bool:
        """All of them: nothing else has to be asked."""
        return self._shelf is None

    async def is_whole(self, endpoint: Endpoint, slot: int, deadline_s: float) -> bool:
        """Whether no block of that time is missing there, by their count: a node that was started anew from a
        snapshot lists what was before and after, and lacks what landed meanwhile. Who sells no blocks is a
        gateway, and is taken for whole as long as it says so, by its word of each look, which was at `slot`.
        Raises `NoAnswer`."""
        assert self._shelf is not None
        if self._is_counted or self._shelf.unsold_at == slot:
            return True
        if (is_told := await self._count(endpoint, deadline_s)) is None:
            self._shelf.unsold_at = slot
        self._is_counted = is_told is True
        return is_told is not False

    async def _count(self, endpoint: Endpoint, deadline_s: float) -> bool | None:
        """Whether they are as many as their heights tell; none where that is not to be had. Raises
        `NoAnswer`."""
        until = asyncio.get_running_loop().time() + deadline_s
        first, count = self._begin.slot + 1, self._last - self._begin.height
        # Once for a swap, and without it no list counts, so not behind whatever else executes.
        if self._end is None:
            count_of: Call = ("getBlocksWithLimit", [first, count, FINALIZED])
            slots = await self._ask_endpoint(endpoint, count_of, deadline_s)
            if not isinstance(slots, list) or len(slots) != count:
                return None if slots is _UNSOLD else False
            self._end = slots[-1]
        left_s = until - asyncio.get_running_loop().time()
        last: Call = ("getBlock", [self._end, _BARE])
        block = await self._ask_endpoint(endpoint, last, max(left_s, 0))
        if isinstance(block, dict) and block.get("blockHeight") == self._last:
            return True
        self._end = None
        return None if block is _UNSOLD else False

    async def _ask_endpoint(self, endpoint: Endpoint, call: Call, deadline_s: float) -> Any:
        """Its answer; `_UNSOLD` where it never gave one and says that it does not. Raises `NoAnswer`."""
        try:
            (said,) = await endpoint.ask([call], deadline_s, urgent=True)
        except Unsold:
            said = _UNSOLD
        said = _UNSOLD if is_unsold(said) else said
        if said is _UNSOLD and call[0] in self._sold:
            raise NoAnswer("it does not tell what it told before")
        if said is not _UNSOLD and not isinstance(said, RpcError):
            self._sold.add(call[0])
        return said

    async def go_on(self, endpoint: Endpoint, deadline_s: float) -> Status | bool:
        """That it landed, or whether it is proven that it did not, as far as one comes in that time."""
        until = asyncio.get_running_loop().time() + deadline_s
        while self._shelf is not None and (left_s := until - asyncio.get_running_loop().time()) > 0:
            told = await self._shelf.read(endpoint, self._next, left_s)
            if not told:
                return False
            for slot, block in enumerate(told, self._next):
                if not self._is_next(slot, block):
                    self._shelf.forget(self._doubt(slot))
                    log.debug("blocks that are not one chain", extra={"node": endpoint.name, "slot": slot})
                    return False
                if self._found is not None or self._height > self._last:
                    self._shelf = None
                    break
        return False if self._shelf is not None else self._found or True

    def _is_next(self, slot: int, block: Block | None) -> bool:
        """Whether that is the block after the last one, or none in between."""
        self._next = slot + 1
        if block is None:
            is_one_chain = slot - self._slot <= _MOST_SKIPPED
        else:
            is_one_chain = block.height == self._height + 1 and block.before == (self._hash or block.before)
        if is_one_chain and block is not None:
            self._slot, self._hash, self._height = slot, block.hash, block.height
            if block.has(self._signature):
                # What it did is its transaction's to tell.
                self._found = Status(slot=slot, failed=None, final=True)
        return is_one_chain

    def _doubt(self, slot: int) -> range:
        """The slots that are read once more where the block of that one is not the next: those after the last
        one and, the second time, that too. It may be of a fork that lost, and then nothing ever follows it;
        from the anchor one comes back to it by what is on the shelf."""
        last = self._slot
        if self._doubted != last or last == self._begin.slot:
            self._doubted, self._next = last, last + 1
            return range(last + 1, slot + 1)
        self._slot, self._height, self._hash = self._begin.slot, self._begin.height, ""
        self._doubted, self._next = 0, self._slot + 1
        return range(last, slot + 1)
