"""The words that every order is described by."""

from __future__ import annotations

from enum import StrEnum


class OrderType(StrEnum):
    """How it is executed: at once, at a price or better, from a price on, or the moment it can be."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    SNIPER = "sniper"


#: What can't wait for a place that other orders hold.
URGENT = (OrderType.STOP, OrderType.SNIPER)


class SwapMode(StrEnum):
    """Which side of the swap `amount` counts."""

    EXACT_IN = "ExactIn"
    EXACT_OUT = "ExactOut"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"
