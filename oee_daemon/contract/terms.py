"""The two words that every order is described by."""

from __future__ import annotations

from enum import StrEnum


class SwapMode(StrEnum):
    """Which side of the swap `amount` counts."""

    EXACT_IN = "ExactIn"
    EXACT_OUT = "ExactOut"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"
