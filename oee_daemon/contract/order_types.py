"""The words that every order is described by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class OrderType(StrEnum):
    """How it is executed: at once, at a price or better, from a price on, or the moment it can be."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    SNIPER = "sniper"


#: What a type brings where a request does not say it, by column.
DEFAULTS: Mapping[OrderType, Mapping[str, int]] = {
    OrderType.MARKET: {},
    OrderType.LIMIT: {},
    OrderType.STOP: {"slippage_bps": 100, "confirm_ms": 800},
    OrderType.SNIPER: {"slippage_bps": 500, "valid_for_s": 30},
}
#: US dollars that the pool of a new token has to hold where nobody says it.
LIQUIDITY_USD = 10_000
#: What can't wait for a place that other orders hold.
URGENT = (OrderType.STOP, OrderType.SNIPER)


class SwapMode(StrEnum):
    """Which side of the swap `amount` counts."""

    EXACT_IN = "ExactIn"
    EXACT_OUT = "ExactOut"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"
