"""What a venue's API answered an order's quote with, kept for a moment: the swap is built of that answer.

Whoever is chosen is asked once instead of twice, and the order is signed that much sooner. An answer serves
once, for the same attempt and the same slippage; the guard holds what is built of it to the bound as ever.
"""

from __future__ import annotations

import time

from oee_daemon.networks.solana.venues.venue_api import Said
from oee_daemon.orders.swap import QuoteRequest

#: Seconds for which a quote is one to build on, and how many are kept: most are never built on.
KEPT_S, _MOST = 1.0, 20


class Kept:
    """Of one venue."""

    def __init__(self) -> None:
        #: By the order's number and attempt: until when, the slippage that was asked for, and the answer.
        self._said: dict[tuple[int, int], tuple[float, int, Said]] = {}

    def keep(self, request: QuoteRequest, bps: int, said: Said) -> None:
        if not request.number:
            return
        while len(self._said) >= _MOST:
            del self._said[next(iter(self._said))]
        self._said[request.number, request.attempt] = time.monotonic() + KEPT_S, bps, said

    def take(self, request: QuoteRequest, bps: int) -> Said | None:
        until, asked, said = self._said.pop((request.number, request.attempt), (0.0, 0, None))
        return said if asked == bps and time.monotonic() < until else None


def quoted_bps(request: QuoteRequest) -> int:
    """The slippage to quote with: a point below the order's, whose bound is rounded in the trader's favour
    while an API rounds it against them."""
    return max(0, request.slippage_bps - 1)
