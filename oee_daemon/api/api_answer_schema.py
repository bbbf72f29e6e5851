"""The shapes of the answers, for the OpenAPI document and for whoever writes a client; `*_wire` make them.

Nothing is computed here. A test compares every answer with its shape, field by field.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model
from pydantic.alias_generators import to_snake

from oee_daemon.api.api_answer_parts import Amount as Amount
from oee_daemon.api.api_answer_parts import Body as Body
from oee_daemon.api.api_answer_parts import Check, Error
from oee_daemon.api.api_answer_parts import Moment as Moment
from oee_daemon.api.api_answer_parts import OrderId as OrderId
from oee_daemon.api.api_answer_parts import Shape as Shape
from oee_daemon.contract.fields import FIELDS, GIVEN, Kind
from oee_daemon.contract.fields import Field as Row
from oee_daemon.contract.order_types import DEFAULTS, Side, SwapMode
from oee_daemon.contract.status import Status


class Problem(Shape):
    """RFC 9457. `code` is stable; `field` names what was wrong with the request."""

    model_config = ConfigDict(extra="ignore")

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(examples=["missing_field", "not_found", "ambiguous_prefix"])
    retryable: bool = Field(description="the same request may succeed later")
    field: str | None = None
    hint: str | None = None
    order: Order | None = Field(None, description="on 409: the order as it is")
    order_status: Status | None = None


def _answer_of(field: Row) -> tuple[Any, Any]:
    """How a field of an order is told."""
    kinds: dict[Kind, Any] = {
        Kind.ID: OrderId,
        Kind.AMOUNT: Amount,
        Kind.PRICE: Amount,
        Kind.WHOLE: int,
        Kind.MOMENT: Moment,
        Kind.ERROR: Error,
        Kind.NAMES: list[str],
    }
    kind = _words_of(field) if field.kind is Kind.WORD else kinds.get(field.kind, str)
    if field.column == "limit_price":
        kind = kind | Literal["none"]
    about: dict[str, Any] = {"description": field.answer, "examples": _EXAMPLES.get(field.name)}
    about = {name: what for name, what in about.items() if what}
    return (kind | None if field.null else kind, Field(**about))


def _request_of(field: Row) -> tuple[Any, Any]:
    """How a request says a field of an order."""
    low, high = field.bounds
    kinds: dict[Kind, Any] = {Kind.AMOUNT: Decimal, Kind.PRICE: Decimal, Kind.WHOLE: int}
    kinds |= {Kind.MOMENT: Moment, Kind.FLAG: bool, Kind.NAMES: list[str]}
    kind = _words_of(field) if field.kind is Kind.WORD else kinds.get(field.kind, str)
    rules: dict[Kind, dict[str, Any]] = {
        Kind.AMOUNT: {"gt": 0},
        Kind.PRICE: {"gt": 0},
        Kind.WHOLE: {"ge": low, "le": high},
        Kind.TEXT: {"min_length": low, "max_length": high},
    }
    if field.column == "limit_price":
        kind, rules[field.kind] = Annotated[kind, Field(gt=0)] | Literal["none"], {}
    if field.required:
        rules.setdefault(field.kind, {})["examples"] = _ASKED[field.name]
    own = [
        f"{brought[field.column]} of a {kind}"
        for kind, brought in DEFAULTS.items()
        if field.column in brought
    ]
    usual = ", ".join([f"usually {field.default}", *own]) if own and field.default else ", ".join(own)
    told = "; ".join(filter(None, (field.request, usual)))
    # No default where a type has its own: a client that is made of this would send it for each.
    default = None if own else field.default
    about = Field(... if field.required else default, description=told or None, **rules.get(field.kind, {}))
    return (kind if field.required or default is not None else kind | None, about)


def _words_of(field: Row) -> Any:
    return Literal[field.words] if isinstance(field.words, tuple) else field.words


_EXAMPLES = {"pair": ["SOL/USDC"]}
_ASKED = {"inputToken": ["SOL"], "outputToken": ["USDC"], "amount": [1.5]}

if TYPE_CHECKING:
    _OrderFields = Shape
    _RequestFields = Shape
else:
    _OrderFields = create_model(
        "_OrderFields", __base__=Shape, **{to_snake(f.name): _answer_of(f) for f in FIELDS}
    )
    _RequestFields = create_model(
        "_RequestFields", __base__=Shape, **{to_snake(f.name): _request_of(f) for f in GIVEN}
    )


class OrderIn(_RequestFields):
    """The body of `POST /api/orders/execute`, for the OpenAPI document; `read_order` is what reads it."""


class Market(Shape):
    """The price that a waiting order is compared with, as it is at this moment."""

    price: Amount | None = Field(description="quote per base")
    away_bps: int | None = Field(description="how far it has to move; 0 or less: it is met")
    at: Moment | None
    stale: bool = Field(description="too old to fire anything")


class Blocked(Shape):
    """What holds back an order that waits, although its condition may be met."""

    code: str = Field(description="group_turn: another of its group is executed; no_venue: it may ask none")
    order: OrderId | None = Field(None, description="which one")


class Order(_OrderFields):
    """The one order object, here and everywhere."""

    market: Market | None = Field(
        None, description="of an order that waits, where it is read; null: nobody has seen a price yet"
    )
    blocked: Blocked | None = Field(None, description="of an order that waits: null where nothing does")


class Event(Shape):
    """One step. The WebSockets send these; `seq` starts at 1 and has no gaps."""

    order_id: OrderId
    seq: int = Field(ge=1)
    status: Status
    attempt: int
    at: Moment
    data: dict[str, Any] = Field(
        description="pending, from attempt 2 on: retryInMs, error, quotes; building: venue, quotes; "
        "submitted: signature; confirmed: signature, filledIn, filledOut, price, fee, slot; "
        "failed: error, quotes; else nothing"
    )


class Swap(Shape):
    """One attempt's signed swap."""

    attempt: int
    signature: str
    state: Literal["signed", "landed", "rejected", "lapsed"]
    last_valid_height: int
    signed_at: Moment
    ended_at: Moment | None


class Faults(Shape):
    """Each is followed by a pause, the next one by a longer pause."""

    count: int
    last: str = Field(description="its kind, and where in the engine")


class Gap(Shape):
    """A time in which nobody saw a fresh price of the order's pair."""

    begun: Moment
    ended: Moment | None
    reason: str


class Leg(Shape):
    """Another order of a group, of which at most one is filled."""

    order_id: OrderId
    type: str
    status: Status


class OrderDetail(Order):
    """An order with its events and swaps."""

    events: list[Event]
    swaps: list[Swap]
    gaps: list[Gap] | None = Field(None, description="while it waited; the newest first, 20 at most")
    group: list[Leg] | None = Field(None, description="the other orders of its group")
    checks: list[Check] | None = Field(None, description="what each check of a new token came to last")
    faults: Faults | None = Field(default=None, description="faults of the engine in its runs, if any")
    barred: list[str] | None = Field(
        default=None, description="venues that are not asked again: a swap that they built was not signed"
    )
    keeps: dict[str, int | str] | None = Field(
        default=None,
        description="settings that it was accepted or edited under: whoever executes it keeps to them, too",
    )


class OrderPage(Shape):
    """Newest first; `nextCursor` is null on the last page."""

    orders: list[Order]
    next_cursor: str | None


class Quote(Shape):
    """One venue's answer, net; the amounts are null where it gave none, and `error` says why."""

    venue: str
    amount_in: Amount | None
    amount_out: Amount | None
    price: Amount | None
    fee: Amount | None
    price_impact_bps: int | None
    latency_ms: int | None
    error: Error | None
    network_fee: Amount | None = Field(
        None, description="about what the network would take of its swap; null: nothing, or not known"
    )


NETWORK_FEE: Any = Field(None, description="the most that a swap may pay the network; null: it takes nothing")
MAX_IMPACT: Any = Field(None, description="a quote that moves the price further is an error: impact_too_high")


class Quotes(Shape):
    """All venues' quotes, best first."""

    input_token: str
    output_token: str
    amount: Amount
    swap_mode: SwapMode
    pair: str
    side: Side
    quotes: list[Quote]
    network_fee: Amount | None = NETWORK_FEE
    max_impact_bps: int | None = MAX_IMPACT


class Objection(Shape):
    """What would have the order refused, or keep every quote from being taken."""

    code: str = Field(examples=["insufficient_funds", "unsafe_token", "slippage_exceeded"])
    message: str
    hint: str | None


class DryRun(Shape):
    """An order that was checked and quoted, and not placed."""

    dry_run: Literal[True]
    order: Order
    quotes: list[Quote]
    network_fee: Amount | None = NETWORK_FEE
    max_impact_bps: int | None = MAX_IMPACT
    objection: Objection | None = Field(
        None, description="what stands against it; null, or not there: nothing is known"
    )


class Fill(Shape):
    """What the chain says really moved."""

    signature: str
    order_id: OrderId | None
    input_token: str
    output_token: str
    amount_in: Amount
    amount_out: Amount
    slot: int
    at: Moment


class FillPage(Shape):
    """Newest first."""

    fills: list[Fill]
    next_cursor: str | None


class Health(Shape):
    status: Literal["ok"]
    version: str
    protocol: int


class Readiness(Shape):
    status: Literal["ready", "not ready"]
    postgres: bool = Field(description="it answers, and takes writes")
    worker: bool = Field(description="one is there, and what is due is taken up")
    accepting: bool = Field(description="the daemon is not stopping")
    queue: bool = Field(
        description="it answers; without it orders begin a little later, and it is still ready"
    )


class WalletState(Shape):
    """What the engine signs with, and whether it can; never the key."""

    address: str
    file: str | None
    kind: Literal["plain", "sealed"] = Field(description="`sealed`: a passphrase guards the key")
    locked: bool = Field(description="new orders are refused, and none is signed")
    reason: str | None = Field(description="why it is locked")
    unlocked_until: Moment | None = Field(description="when it locks by itself")


class Halt(Shape):
    """A halt that holds."""

    since: Moment
    reason: str | None
    by: str | None


class DaemonStatus(Shape):
    """How the daemon and its servers are; `null` where one does not answer."""

    model_config = ConfigDict(extra="ignore")

    version: str
    protocol: int
    pid: int
    started_at: str
    clock_jumped_s: float = Field(description="how far the clock was set or slept since the start")
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
        description="live by status, running, due, delayed, stuck, faulty, overdueS"
    )
    settings: dict[str, str] = Field(description="what it was started with, without addresses")
    network: str
    wallet: WalletState | None
    halt: Halt | None = Field(description="null while the engine works, or Postgres does not answer")
    max_attempts: int
