"""The shapes of what crosses the wire, as a client sees them.

Amounts are decimal strings and stay strings. The OpenAPI document says the same with bounds and words, in
`api/api_answer_schema.py`; a test holds the two against each other.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


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
    #: About what the network would take; of quotes that nobody trades on.
    networkFee: NotRequired[str | None]


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


class Market(TypedDict):
    """The price that a waiting order is compared with, and how far it has to move."""

    price: str | None
    awayBps: int | None
    at: str | None
    stale: bool


class Blocked(TypedDict):
    """What holds back an order that waits: that another of its group, `order`, is being executed, or that no
    venue is left to it."""

    code: str
    order: NotRequired[str]


class Gap(TypedDict):
    """A time in which nobody saw a fresh price of the order's pair while it waited; `ended`: `None` while it
    lasts."""

    begun: str
    ended: str | None
    reason: str


class Leg(TypedDict):
    """Another order of the same group."""

    orderId: str
    type: str
    status: str


class Check(TypedDict):
    """What one check of a new token came to: ok, refused, unknown or accepted."""

    check: str
    verdict: str
    says: str


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
    targetPrice: str | None
    limitPrice: str | None
    trailBps: int | None
    confirmMs: int | None
    launchTime: str | None
    tokenAddress: str | None
    minLiquidity: int | None
    accept: list[str] | None
    expiresAt: str | None
    firedAt: str | None
    firings: int
    groupId: str | None
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
    barred: NotRequired[list[str]]
    keeps: NotRequired[dict[str, int | str]]
    market: NotRequired[Market | None]
    blocked: NotRequired[Blocked | None]
    gaps: NotRequired[list[Gap]]
    group: NotRequired[list[Leg]]
    checks: NotRequired[list[Check]]


class QuoteList(TypedDict):
    inputToken: str
    outputToken: str
    amount: str
    swapMode: str
    pair: str
    side: str
    quotes: list[Quote]
    networkFee: NotRequired[str | None]
    maxImpactBps: NotRequired[int | None]


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
