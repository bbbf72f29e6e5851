"""How old is what each endpoint shows, where what the others say of it counts too.

An endpoint is old where its own slot stands still, and where it is behind by what two tell: nobody is left
out of a comparison by the word of one, which may tell any slot.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Seconds a slot at most, by which a slot that is behind is counted; slots that an answer may be ahead of
#: what time allows; and seconds after which a slot that was never reached again is forgotten.
SLOT_S, _SLACK, _FORGET_S = 0.4, 16, 600.0


class SlotAge:
    """How old a slot is, by the slots that were heard. `fastest_s`: seconds a slot takes at least."""

    def __init__(self, fastest_s: float) -> None:
        self._fastest_s = fastest_s
        self._top: int | None = None
        self._at = 0.0

    def of(self, slot: int, now_s: float) -> float | None:
        """Seconds; none of one that can't be yet: no honest node says it."""
        if self._top is None:
            self._top, self._at = slot, now_s
            return 0.0
        if slot > self._top + _SLACK + (now_s - self._at) / self._fastest_s:
            return None
        if slot > self._top:
            self._top, self._at = slot, now_s
        elif slot < self._top and now_s - self._at > _FORGET_S:
            # The one that was heard first lied, or the chain is another one: what goes on from here counts.
            self._top = slot
        return now_s - self._at + (self._top - slot) * SLOT_S


class EndpointAges:
    """`fastest_s`: as of `SlotAge`. `kept_s`: seconds for which what one told counts while it is silent."""

    def __init__(self, fastest_s: float, kept_s: float) -> None:
        self._fastest_s = fastest_s
        self._kept_s = kept_s
        self._own: dict[str, SlotAge] = {}
        #: By endpoint what it told last, and when.
        self._told: dict[str, tuple[int, float]] = {}

    def of(self, slots: Mapping[str, int], now_s: float) -> Mapping[str, float]:
        """Seconds, by endpoint, of what these tell now; without those whose slot can't be yet."""
        ages: dict[str, float] = {}
        for name, slot in slots.items():
            age_s = self._own.setdefault(name, SlotAge(self._fastest_s)).of(slot, now_s)
            if age_s is not None:
                ages[name] = age_s
                self._told[name] = slot, now_s
        heard = sorted((slot for slot, at in self._told.values() if now_s - at <= self._kept_s), reverse=True)
        if not ages:
            return ages
        # Of two, the one behind is as fresh as it goes on.
        reached = heard[min(1, len(heard) - 1)]
        return {name: age_s + max(0, reached - slots[name]) * SLOT_S for name, age_s in ages.items()}
