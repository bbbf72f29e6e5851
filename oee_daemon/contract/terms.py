"""The words that every order is described by."""

from __future__ import annotations

from enum import StrEnum


class OrderType(StrEnum):
    """How it is executed: at once, at a price or better, or from a price on."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class SwapMode(StrEnum):
    """Which side of the swap `amount` counts."""

    EXACT_IN = "ExactIn"
    EXACT_OUT = "ExactOut"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"
