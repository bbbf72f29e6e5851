"""Which of several quotes is better, and by how much.

The order fixes one of the two amounts; venues compete on the other one, net of everything. More of what is
paid is worse, more of what arrives is better; ties are decided by name. Amounts are base units or decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.shapes import Quote

N = TypeVar("N", int, Decimal)

#: Basis points in a whole.
BPS = 10_000


def standing(mode: str, venue: str, amount_in: N, amount_out: N) -> tuple[N, str]:
    """Sorts quotes, the best first."""
    return (amount_in if mode == SwapMode.EXACT_OUT else -amount_out, venue)


def behind_bps(mode: str, other: Decimal, best: Decimal) -> Decimal:
    """By how many basis points the first amount is worse than the second, in what venues compete on."""
    return (other - best if mode == SwapMode.EXACT_OUT else best - other) / best * BPS


def competing(mode: str, quote: Quote) -> Decimal | None:
    """The amount that its venue competes with; `None` where it quoted nothing."""
    text = quote["amountIn"] if mode == SwapMode.EXACT_OUT else quote["amountOut"]
    return None if text is None else Decimal(text)


def winner(quotes: Iterable[Quote], mode: str) -> Quote | None:
    """The best of those who quoted."""

    def rank(quote: Quote) -> tuple[Decimal, str]:
        return standing(
            mode, quote["venue"], Decimal(quote["amountIn"] or 0), Decimal(quote["amountOut"] or 0)
        )

    return min((quote for quote in quotes if quote["error"] is None), key=rank, default=None)
