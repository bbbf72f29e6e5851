"""In which epochs what is built now can land, by the chain's own clock and schedule of epochs. Pure.

Both are accounts that every node has, read along with others: a fee that changes with an epoch is known by
them (https://docs.anza.xyz/runtime/sysvars).
"""

from __future__ import annotations

import struct

CLOCK = "SysvarC1ock11111111111111111111111111111111"
EPOCH_SCHEDULE = "SysvarEpochSchedu1e111111111111111111111111"
#: What owns them.
_OWNER = "Sysvar1111111111111111111111111111111111111"
#: Slots within which what is quoted now has landed or never will: 150 blocks of its anchor, and as much again
#: for what is skipped, for an order's way there and for a node that is behind.
AHEAD_SLOTS = 300

Account = tuple[str, bytes]


def epochs_ahead(clock: Account | None, schedule: Account | None) -> tuple[int, ...]:
    """One, or two shortly before the next begins; none where the accounts don't say it."""
    if clock is None or schedule is None or {clock[0], schedule[0]} != {_OWNER}:
        return ()
    try:
        # `Clock`: slot, when its epoch began, epoch. `EpochSchedule`: slots of an epoch, an offset, whether
        # the first are shorter, and from which epoch and slot on they are not.
        slot, _, epoch = struct.unpack_from("<QqQ", clock[1])
        slots, _, _, first_epoch, first_slot = struct.unpack_from("<QQBQQ", schedule[1])
    except struct.error:
        return ()
    if not slots or slot < first_slot or (slot - first_slot) // slots + first_epoch != epoch:
        return ()
    return tuple(range(epoch, (slot + AHEAD_SLOTS - first_slot) // slots + first_epoch + 1))[:2]
