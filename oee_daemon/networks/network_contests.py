"""Landings that the nodes of a chain tell in different ways, for who asks why an order stands still.

Decides nothing: what a moment of lag explains is no contest, and what counts is in `verdict`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from oee_daemon.orders.swap import Look, Unknown

#: Seconds for which they have to differ, and after which what nobody saw any more is over: an order that is
#: in doubt is asked about once a minute, at least.
LASTS_S, OVER_S = 60.0, 180.0
#: Of how many it is remembered.
_KEPT = 100


class Contests:
    """Of one process. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: By signature when it was contested first, and last.
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def see(self, signature: str, looks: Sequence[Look]) -> None:
        """What a round of looks shows. One that shows nothing of what another does may only lag: then that
        does not last."""
        shown = {(look.final, look.seen) for look in looks}
        in_two_ways = any(look.final and isinstance(look.seen, Unknown) for look in looks)
        if in_two_ways or (len(shown) > 1 and any(look.seen is not None for look in looks)):
            self.note(signature)
        else:
            self.end(signature)

    def note(self, signature: str) -> None:
        """Its nodes differ about it now."""
        now = self._clock()
        first, last = self._seen.pop(signature, (now, now))
        self._seen[signature] = (first if now - last < OVER_S else now), now
        while len(self._seen) > _KEPT:
            self._seen.popitem(last=False)

    def end(self, signature: str) -> None:
        """They do no more."""
        self._seen.pop(signature, None)

    def lasting(self) -> list[str]:
        """Those of which they have differed for long, and still do."""
        now = self._clock()
        seen = list(self._seen.items())
        return [one for one, (first, last) in seen if last - first >= LASTS_S and now - last < OVER_S]
