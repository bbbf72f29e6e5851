"""The shapes of the answers, for the OpenAPI document and for those who write a client; `wire` makes them.

Nothing is computed here. A test holds every answer against these, field by field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode

Amount = Annotated[
    str, Field(description="decimal, in whole tokens", examples=["1.5"], pattern=r"^\d+(\.\d+)?$")
]
Moment = Annotated[
    str, Field(description="RFC 3339, UTC, microseconds", examples=["2026-11-23T10:00:00.000000Z"])
]
OrderId = Annotated[str, Field(description="UUIDv4", examples=["0c2f0b8e-3f57-4c53-9d5a-0d8ac2c6d5b1"])]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Error(_Shape):
    """Why an order, an attempt or a venue failed. Codes are stable, messages are for people."""

    code: str
    message: str
    retryable: bool


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `field` names what was wrong with the request."""

    model_config = ConfigDict(defer_build=True)

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(examples=["missing_field", "not_found", "ambiguous_prefix"])
    retryable: bool = Field(description="the same request may succeed later")
    field: str | None = None
    hint: str | None = None
    order: Order | None = Field(None, description="on 409: the order as it is")
    orderStatus: Status | None = None  # noqa: N815


class Order(_Shape):
    """The one order object, here and everywhere."""

    orderId: OrderId | None = Field(description="null in a dry run")  # noqa: N815
    type: Literal["market"]
    side: Side
    pair: str = Field(examples=["SOL/USDC"])
    network: str
    inputToken: str  # noqa: N815
    outputToken: str  # noqa: N815
    amount: Amount
    swapMode: SwapMode  # noqa: N815
    slippageBps: int  # noqa: N815
    minReceive: Amount | None = Field(description="ExactIn: no fill is below; null until fixed")  # noqa: N815
    maxSpend: Amount | None = Field(description="ExactOut: no fill is above; null until fixed")  # noqa: N815
    validForS: int  # noqa: N815
    status: Status
    attempt: int
    venue: str | None
    filledIn: Amount | None  # noqa: N815
    filledOut: Amount | None  # noqa: N815
    price: Amount | None = Field(description="quote per base")
    fee: Amount | None = Field(description="the venue's part, in the input token")
    signature: str | None
    error: Error | None
    idempotencyKey: str | None  # noqa: N815
    createdAt: Moment  # noqa: N815
    updatedAt: Moment  # noqa: N815
    finishedAt: Moment | None  # noqa: N815


class Event(_Shape):
    """One step. The WebSockets send these; `seq` starts at 1 and has no gaps."""

    orderId: OrderId  # noqa: N815
    seq: int = Field(ge=1)
    status: Status
    attempt: int
    at: Moment
    data: dict[str, Any] = Field(
        description="pending, from attempt 2 on: retryInMs, error, quotes; building: venue, quotes; "
        "submitted: signature; confirmed: signature, filledIn, filledOut, price, fee, slot; "
        "failed: error, quotes; else nothing"
    )


class Swap(_Shape):
    """One attempt's signed swap."""

    attempt: int
    signature: str
    state: Literal["signed", "landed", "rejected", "lapsed"]
    lastValidHeight: int  # noqa: N815
    signedAt: Moment  # noqa: N815
    endedAt: Moment | None  # noqa: N815


class Faults(_Shape):
    """Each is followed by a pause, the next one by a longer pause."""

    count: int
    last: str = Field(description="its kind, and where in the engine")


class WholeOrder(Order):
    """An order with its events and swaps."""

    events: list[Event]
    swaps: list[Swap]
    faults: Faults | None = Field(default=None, description="faults of the engine in its runs, if any")


class OrderPage(_Shape):
    """Newest first; `nextCursor` is null on the last page."""

    orders: list[Order]
    nextCursor: str | None  # noqa: N815


class Quote(_Shape):
    """One venue's answer, net; the amounts are null where it gave none, and `error` says why."""

    venue: str
    amountIn: Amount | None  # noqa: N815
    amountOut: Amount | None  # noqa: N815
    price: Amount | None
    fee: Amount | None
    priceImpactBps: int | None  # noqa: N815
    latencyMs: int | None  # noqa: N815
    error: Error | None


class Quotes(_Shape):
    """All venues' quotes, best first."""

    inputToken: str  # noqa: N815
    outputToken: str  # noqa: N815
    amount: Amount
    swapMode: SwapMode  # noqa: N815
    pair: str
    side: Side
    quotes: list[Quote]


class DryRun(_Shape):
    """An order that was checked and quoted, and not placed."""

    dryRun: Literal[True]  # noqa: N815
    order: Order
    quotes: list[Quote]


class Fill(_Shape):
    """What the chain says really moved."""

    signature: str
    orderId: OrderId | None  # noqa: N815
    inputToken: str  # noqa: N815
    outputToken: str  # noqa: N815
    amountIn: Amount  # noqa: N815
    amountOut: Amount  # noqa: N815
    slot: int
    at: Moment


class FillPage(_Shape):
    """Newest first."""

    fills: list[Fill]
    nextCursor: str | None  # noqa: N815


class Token(_Shape):
    symbol: str
    mint: str
    decimals: int


class Tokens(_Shape):
    tokens: list[Token]


class Venue(_Shape):
    name: str
    feeBps: int  # noqa: N815


class Venues(_Shape):
    venues: list[Venue]


class Health(_Shape):
    status: Literal["ok"]
    version: str
    protocol: int


class Readiness(_Shape):
    status: Literal["ready", "not ready"]
    postgres: bool = Field(description="it answers, and takes writes")
    worker: bool = Field(description="one is there, and what is due is taken up")
    accepting: bool = Field(description="the daemon is not stopping")
    queue: bool = Field(
        description="it answers; without it orders begin a little later, and it is still ready"
    )


class DaemonStatus(BaseModel):
    """How the daemon and its servers are; `null` where one does not answer."""

    version: str
    protocol: int
    pid: int
    startedAt: str  # noqa: N815
    clockJumpedS: float = Field(description="how far the clock was set or slept since the start")  # noqa: N815
    home: str
    socket: str
    http: dict[str, Any]
    postgres: dict[str, Any]
    queue: dict[str, Any]
    worker: dict[str, Any]
    workers: list[dict[str, Any]] | None = Field(
        description="all of this engine: name, host, pid, threads, version, since, running"
    )
    orders: dict[str, Any] = Field(
        description="live by status, running, waiting, delayed, stuck, faulty, overdueS"
    )
    settings: dict[str, str] = Field(description="what it was started with, without addresses")
    network: str
    maxAttempts: int  # noqa: N815
