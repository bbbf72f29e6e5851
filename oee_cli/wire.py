"""The shapes that cross the wire, as the contract has them, and the few rules that both ends share.

Amounts are decimal strings and stay strings here. The engine has its own twin of this page; a test holds
both against the OpenAPI document.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

FINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})
STATUSES = (
    "pending",
    "routing",
    "building",
    "submitted",
    "confirmed",
    "failed",
    "cancelled",
    "expired",
)
#: The way of an order that needs one attempt.
STEPS = STATUSES[:5]

#: For completion and for guessing what was meant; the daemon alone decides what is traded.
SYMBOLS = (
    "SOL", "USDC", "USDT", "JUP", "BONK", "RAY", "WIF", "PYTH", "JTO", "mSOL", "JitoSOL", "ORCA", "MET",
)  # fmt: skip
_STABLE = {
    "usdc",
    "usdt",
    "epjfwdd5aufqssqem2qn1xzybapc8g4weggkzwytdt1v",
    "es9vmfrzacermjfrf4h2fyd4kconky11mcce8benwnyb",
}


class ErrorInfo(TypedDict):
    code: str
    message: str
    retryable: bool


class Quote(TypedDict):
    """One venue's answer; the amounts are `None` where it refused, and `error` says why."""

    venue: str
    amountIn: str | None
    amountOut: str | None
    price: str | None
    fee: str | None
    priceImpactBps: Any
    latencyMs: Any
    error: ErrorInfo | None


class Event(TypedDict):
    orderId: str
    seq: int
    status: str
    attempt: int
    at: str
    data: dict[str, Any]


class Swap(TypedDict):
    attempt: int
    signature: str
    state: str
    lastValidHeight: int
    signedAt: str
    endedAt: str | None


class Faults(TypedDict):
    """Faults of the engine in an order's runs."""

    count: int
    last: str


class Order(TypedDict):
    orderId: str
    type: str
    side: str
    pair: str
    network: str
    inputToken: str
    outputToken: str
    amount: str
    swapMode: str
    slippageBps: int
    minReceive: str | None
    maxSpend: str | None
    validForS: int
    status: str
    attempt: int
    venue: str | None
    filledIn: str | None
    filledOut: str | None
    price: str | None
    fee: str | None
    signature: str | None
    error: ErrorInfo | None
    idempotencyKey: str | None
    createdAt: str
    updatedAt: str
    finishedAt: str | None
    events: NotRequired[list[Event]]
    swaps: NotRequired[list[Swap]]
    faults: NotRequired[Faults]


class QuoteList(TypedDict):
    inputToken: str
    outputToken: str
    amount: str
    swapMode: str
    pair: str
    side: str
    quotes: list[Quote]


class Fill(TypedDict):
    signature: str
    orderId: str
    inputToken: str
    outputToken: str
    amountIn: str
    amountOut: str
    slot: int
    at: str


def short_id(order: Order) -> str:
    return order["orderId"][:8]


def unknown(order: Order) -> bool:
    """It has ended, and nobody here can know whether it was executed: its database was restored or copied."""
    error = order["error"]
    return error is not None and error["code"] == "restored_unknown"


def side_to_send(side: str, base: str, quote: str) -> str | None:
    """`side` only where the tokens leave it open: both stable, or neither."""
    return side if is_stable(base) == is_stable(quote) else None


def is_stable(token: str) -> bool:
    """Whether a symbol or mint is the quote against anything else."""
    return token.lower() in _STABLE


def winner(quotes: list[Quote], swap_mode: str) -> Quote | None:
    """The best of those who quoted: the least to pay or the most to get; ties are decided by name."""
    from decimal import Decimal

    def rank(quote: Quote) -> tuple[Decimal, str]:
        out, into = Decimal(quote["amountOut"] or 0), Decimal(quote["amountIn"] or 0)
        return (into if swap_mode == "ExactOut" else -out, quote["venue"])

    return min((quote for quote in quotes if quote["error"] is None), key=rank, default=None)


def behind_bps(best: Quote, other: Quote, swap_mode: str) -> int | None:
    """By how many basis points `other` is worse than `best`, in what the order can lose."""
    from decimal import Decimal

    # The mode says which amount is fixed; the other one is what the venues compete on.
    mine, yours = (
        (other["amountIn"], best["amountIn"])
        if swap_mode == "ExactOut"
        else (other["amountOut"], best["amountOut"])
    )
    if mine is None or yours is None or not Decimal(yours):
        return None
    return int((abs(Decimal(mine) - Decimal(yours)) / Decimal(yours) * 10_000).to_integral_value())


class Spread(TypedDict):
    """`None` where there was nothing to measure."""

    p50: Any
    p95: Any


class TokenAmount(TypedDict):
    token: str
    amount: str


class VenueStats(TypedDict):
    venue: str
    statuses: dict[str, int]
    asked: int
    quoted: int
    choices: int
    chosen: int
    winRate: str | None
    gainBps: dict[str, str | None]
    quoteMs: Spread


class StatsRow(TypedDict):
    """What came of some orders: of all of a report, or of one of its groups."""

    key: str | None
    orders: int
    statuses: dict[str, int]
    retried: int
    retries: int
    volume: list[TokenAmount]
    fees: list[TokenAmount]
    slippageBps: Spread
    latencyMs: dict[str, Spread]
    venues: list[VenueStats]


class TimelinePart(TypedDict):
    at: str
    orders: int
    failed: int
    wholeMs: int | None


class StatsReport(TypedDict):
    since: str | None
    until: str
    pair: str | None
    side: str | None
    by: str | None
    total: StatsRow
    groups: list[StatsRow]
    timeline: list[TimelinePart]
