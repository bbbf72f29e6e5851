"""How far no honest node can be yet, by the time that has passed since a slot was seen, asleep or awake."""

from __future__ import annotations

from collections import OrderedDict

from oee_daemon.boot_clock import clock_s

#: Slots that a node may be ahead of the one that was seen first.
SLACK_SLOTS = 64
#: How many beginnings are remembered.
_KEPT = 4096


class SlotClock:
    """`fastest_ms`: milliseconds a slot takes at least."""

    def __init__(self, fastest_ms: float) -> None:
        self._fastest_s = fastest_ms / 1000
        self._begun: OrderedDict[int, tuple[int, float]] = OrderedDict()

    def begin(self, anchor_slot: int, seen_slot: int | None = None) -> None:
        """The chain is at `seen_slot` now, by default at the anchor's own; what was said first stays.

        After a restart nobody knows when an anchor was made: then the first look begins its time.
        """
        if anchor_slot in self._begun or (seen_slot is not None and seen_slot < anchor_slot):
            return
        self._begun[anchor_slot] = (anchor_slot if seen_slot is None else seen_slot, clock_s())
        while len(self._begun) > _KEPT:
            self._begun.popitem(last=False)

    def latest(self, anchor_slot: int) -> int | None:
        """The last slot that can have come by now; none where nothing was seen."""
        begun = self._begun.get(anchor_slot)
        if begun is None:
            return None
        slot, at = begun
        return slot + SLACK_SLOTS + int((clock_s() - at) / self._fastest_s)
