"""Slots, heights and blockhashes: pure functions of the origin, the forks and a number. No clock, no file.

Every 20th slot has no block, so that slot and height are two numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from solders.hash import Hash

#: About as far as a real cluster is: heights are millions behind slots there as here.
FIRST_SLOT = 400_000_001
#: Where a new chain is: as far that no node's last final block is before the first one.
START_SLOT = FIRST_SLOT + 500
_SKIPPED = 20
#: Slots of an epoch (https://solana.com/docs/references/terminology#epoch).
EPOCH_SLOTS = 432_000
#: Blocks for which a hash is told to be good; the block after them takes it still, since its age is counted
# at its
#: parent: `is_hash_valid_for_age` in https://github.com/anza-xyz/agave, `accounts-db/src/blockhash_queue.rs`.
HASH_BLOCKS = 150


def block_at(slot: int) -> int:
    """The last slot up to this one that has a block."""
    return slot - (slot % _SKIPPED == 0)


def height_of(slot: int) -> int:
    """How many blocks there are up to this slot's, which has one."""
    return slot - slot // _SKIPPED


def slot_of(height: int) -> int:
    return height + (height - 1) // (_SKIPPED - 1)


#: Heights whose hashes are kept at hand; more than any node lags behind.
_KEPT = 2_000


class Hashes:
    """The blockhash of every height. A fork gives the blocks above it others."""

    def __init__(self, genesis_hash: bytes, forks: Sequence[int]) -> None:
        self._genesis = genesis_hash
        #: The heights above which blocks got other hashes, in the order in which that happened.
        self.forks = list(forks)
        self._heights: dict[Hash, int] = {}
        self._learnt = 0

    def of(self, height: int, forks: Sequence[int] | None = None) -> Hash:
        """By the forks that there were, or by those of them that somebody knows of."""
        salt = sum(fork < height for fork in (self.forks if forks is None else forks))
        return Hash(hashlib.sha256(b"%s %d %d" % (self._genesis, height, salt)).digest())

    def age(self, blockhash: Hash, height: int) -> int | None:
        """How many blocks below `height` it was made; None where no block of the last 151 has it."""
        for number in range(max(self._learnt + 1, height - _KEPT // 2), height + 1):
            self._heights[self.of(number)] = number
        self._learnt = max(self._learnt, height)
        while len(self._heights) > _KEPT:
            self._heights.pop(next(iter(self._heights)))
        made = self._heights.get(blockhash)
        return None if made is None or not 0 <= height - made <= HASH_BLOCKS + 1 else height - made

    def forked(self, height: int) -> None:
        """The blocks above that one are others from now on."""
        self.forks.append(height)
        self._heights = {known: made for known, made in self._heights.items() if made <= height}
        self._learnt = min(self._learnt, height)
