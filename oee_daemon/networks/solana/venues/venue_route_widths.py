"""How wide a route of Jupiter's may be: as many accounts as one transaction holds, with what we add to it.

Jupiter's own limit, 64 accounts, leaves no room for more than its swap: where that is too long it says to ask
for fewer (https://dev.jup.ag, `maxAccounts`). The fewer, the worse the price may be, so that is asked for
each pair alone, and not for long.
"""

from __future__ import annotations

import time

from oee_daemon.orders.swap import QuoteRequest

#: Accounts that are asked for, one after another; none: Jupiter's own limit.
WIDTHS = (None, 54, 44, 34)
#: Seconds for which a pair is asked for fewer, and how many pairs are remembered.
KEPT_S, _MOST = 60.0, 256


class Widths:
    """Of one venue."""

    def __init__(self) -> None:
        #: By its mints: until when, and which of `WIDTHS`.
        self._known: dict[tuple[str, str], tuple[float, int]] = {}

    def of(self, request: QuoteRequest) -> int | None:
        """What to ask for."""
        return WIDTHS[self._place(request)]

    def narrow(self, request: QuoteRequest) -> bool:
        """What came was too long: from now on fewer are asked for. Whether there are fewer."""
        place = self._place(request) + 1
        if place == len(WIDTHS):
            return False
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[_pair(request)] = time.monotonic() + KEPT_S, place
        return True

    def _place(self, request: QuoteRequest) -> int:
        until, place = self._known.get(_pair(request), (0.0, 0))
        return place if time.monotonic() < until else 0


def _pair(request: QuoteRequest) -> tuple[str, str]:
    return request.input_token.mint, request.output_token.mint
