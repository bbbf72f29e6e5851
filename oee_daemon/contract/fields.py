"""What an order is made of: one row a field, in the order in which an order is told.

By these rows requests are read and orders told, and made of them are the OpenAPI document, the columns of
listings and what a batch may hold. To add a field: a row here, a line in `shapes.py`, in `orders.terms` or
`orders.order` and in the database, and an option in `oee_cli.text.terms_text` where people are to give it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.contract.protocol import KEY_LENGTH
from oee_daemon.contract.risks import RISKS
from oee_daemon.contract.status import Status


class Kind(StrEnum):
    """How a field is written. Amounts and prices are decimal text outside, base units inside."""

    ID = "id"
    WORD = "word"
    TEXT = "text"
    TOKEN = "token"  # noqa: S105  # of a chain
    AMOUNT = "amount"
    PRICE = "price"
    WHOLE = "whole number"
    MOMENT = "moment"
    FLAG = "yes or no"
    NAMES = "list of names"
    ERROR = "error"


class Field(NamedTuple):
    """One field. `column`: its name in the engine; `says`: what it is, in half a line."""

    name: str
    column: str
    kind: Kind
    says: str
    #: Whether a request may say it, and whether it has to.
    given: bool = False
    required: bool = False
    #: Whether an edit may say it.
    edited: bool = False
    #: Whether an answer has it.
    told: bool = True
    #: What holds where a request does not say it.
    default: Any = None
    #: Of a whole number, or of the length of a text.
    bounds: tuple[int, int] = (0, 0)
    words: type[StrEnum] | tuple[str, ...] = ()
    #: What gives it on the command line, where a refusal that names the field is told so.
    option: str = ""
    #: Of an amount: the column of the token that it counts; empty: the one that `swapMode` names.
    counts: str = ""
    #: Whether an answer may have null here.
    null: bool = False
    #: For who writes a client: what a request should know, and what an answer means.
    request: str = ""
    answer: str = ""
    #: The types of order that have it.
    on: tuple[OrderType, ...] = tuple(OrderType)


#: What waits for a price.
_PRICED = (OrderType.LIMIT, OrderType.STOP)
_IN, _OUT = "input_token", "output_token"

_ALL = (
    Field("orderId", "id", Kind.ID, "the whole id", null=True, answer="null in a dry run"),
    Field(
        "type", "type", Kind.WORD, "market, limit, stop or sniper", given=True, default=OrderType.MARKET,
        words=OrderType,
    ),
    Field(
        "side", "side", Kind.WORD, "buy or sell", given=True, words=Side,
        request="has to agree with the pair; decides between two of a kind",
    ),
    Field("pair", "pair", Kind.TEXT, "BASE/QUOTE"),
    Field("network", "network", Kind.TEXT, "where it was traded"),
    Field(
        "inputToken", _IN, Kind.TOKEN, "what leaves the wallet", given=True, required=True,
        request="symbol or mint of what leaves the wallet",
    ),
    Field(
        "outputToken", _OUT, Kind.TOKEN, "what arrives", given=True, required=True,
        request="symbol or mint of the token that arrives",
    ),
    Field(
        "amount", "amount", Kind.AMOUNT, "what was asked for", given=True, required=True, edited=True,
        request="of the input (ExactIn) or output (ExactOut) token",
    ),
    Field(
        "swapMode", "swap_mode", Kind.WORD, "ExactIn or ExactOut: which token the amount counts", given=True,
        default=SwapMode.EXACT_IN, words=SwapMode, request="which token `amount` counts",
    ),
    Field(
        # Half of everything: more is a mistake, not a limit.
        "slippageBps", "slippage_bps", Kind.WHOLE, "how much worse than its quote it may be",
        given=True, edited=True, default=50, bounds=(0, 5000), option="--slippage",
    ),
    Field(
        "minReceive", "min_receive", Kind.AMOUNT, "the least to receive", given=True, edited=True,
        counts=_OUT, null=True, option="--min-receive", request="ExactIn: the least to receive",
        answer="ExactIn: no fill is below; null until fixed",
    ),
    Field(
        "maxSpend", "max_spend", Kind.AMOUNT, "the most to spend", given=True, edited=True,
        counts=_IN, null=True, option="--max-spend", request="ExactOut: the most to spend",
        answer="ExactOut: no fill is above; null until fixed",
    ),
    Field(
        # A week at most.
        "validForS", "valid_for_s", Kind.WHOLE, "seconds after which it expires unsent",
        given=True, default=300, bounds=(1, 604_800), option="--valid-for",
        request="seconds until it expires unsent",
    ),
    Field(
        "targetPrice", "target_price", Kind.PRICE, "the price that it waits for", given=True, edited=True,
        null=True, on=_PRICED, option="--at", request="limit, stop: quote per base; of a stop, or trailBps",
        answer="quote per base; null where it waits for none, or trails",
    ),
    Field(
        "limitPrice", "limit_price", Kind.PRICE, "the worst price of a stop or sniper", given=True,
        edited=True, null=True, on=(OrderType.STOP, OrderType.SNIPER), option="--limit",
        request="quote per base; of a stop 20 % past targetPrice where it is not given, or none",
        answer="quote per base, or none; of a trailing stop null until it fires",
    ),
    Field(
        "trailBps", "trail_bps", Kind.WHOLE, "how far behind the best price it stops", given=True,
        edited=True, null=True, on=(OrderType.STOP,), bounds=(10, 5000), option="--trail",
        request="stop: follows the price, instead of targetPrice",
    ),
    Field(
        "confirmMs", "confirm_ms", Kind.WHOLE, "milliseconds for which its price has to hold", given=True,
        edited=True, null=True, on=(OrderType.STOP,), bounds=(0, 600_000), option="--confirm",
        request="stop: ms for which its price has to hold, over two slots",
    ),
    Field(
        "launchTime", "launch_at", Kind.MOMENT, "not looked at before", given=True, edited=True, null=True,
        option="--from",
    ),
    Field(
        "tokenAddress", "token_address", Kind.TEXT, "the mint that it waits to be listed", given=True,
        null=True, on=(OrderType.SNIPER,), bounds=(32, 44),
        request="sniper: the mint that it waits to be listed, which is the outputToken",
    ),
    Field(
        "minLiquidity", "min_liquidity", Kind.WHOLE, "US dollars that the pool has to hold", given=True,
        null=True, on=(OrderType.SNIPER,), bounds=(1, 10**12), option="--min-liquidity",
        request="with tokenAddress: US dollars in the pool's quote side; 10000",
    ),
    Field(
        "accept", "accepted_risks", Kind.NAMES, "risks that are taken", given=True, null=True,
        on=(OrderType.SNIPER,), words=tuple(RISKS), request="with tokenAddress: risks taken, by their names",
    ),
    Field(
        "expiresAt", "good_until", Kind.MOMENT, "until when it waits", given=True, edited=True, null=True,
        option="--expires", request="until when it waits; for ever where it is not given",
        answer="null: until it is cancelled, or where it does not wait",
    ),
    Field(
        "far", "far", Kind.FLAG, "the price is meant although it is far", given=True, edited=True, told=False,
        on=_PRICED,
        request="true: the price is meant although it is far from the market",
    ),
    Field(
        "oco", "oco", Kind.ID, "the order that waits, or its group, of which at most one is filled with it",
        given=True, told=False, request="id of an order that waits, or of its group: at most one is filled",
    ),
    Field("firedAt", "fired_at", Kind.MOMENT, "when its condition was met last", null=True),
    Field("firings", "firings", Kind.WHOLE, "how often its condition was met"),
    Field("groupId", "group_id", Kind.ID, "of the orders of which at most one is filled", null=True),
    Field(
        "status", "status", Kind.WORD, "waiting, pending, routing, building, submitted, or how it ended",
        words=Status,
    ),
    Field("attempt", "attempt", Kind.WHOLE, "which attempt it ended in, or is in"),
    Field("venue", "venue", Kind.TEXT, "where it was filled", null=True),
    Field("filledIn", "filled_in", Kind.AMOUNT, "what left the wallet", counts=_IN, null=True),
    Field("filledOut", "filled_out", Kind.AMOUNT, "what arrived", counts=_OUT, null=True),
    Field("price", "", Kind.PRICE, "quote per base, net of everything", null=True, answer="quote per base"),
    Field(
        "fee", "fee", Kind.AMOUNT, "the venue's part of what left", counts=_IN, null=True,
        answer="the venue's part, in the input token",
    ),
    Field("signature", "signature", Kind.TEXT, "of the swap that was sent last", null=True),
    Field("error", "error", Kind.ERROR, "why it failed", null=True),
    Field(
        "idempotencyKey", "idempotency_key", Kind.TEXT, "the key that it was placed with", bounds=KEY_LENGTH,
        null=True,
    ),
    Field("createdAt", "created_at", Kind.MOMENT, "when it was placed"),
    Field("updatedAt", "updated_at", Kind.MOMENT, "when it last moved"),
    Field("finishedAt", "finished_at", Kind.MOMENT, "when it ended", null=True),
)  # fmt: skip
#: What an answer tells.
FIELDS = tuple(field for field in _ALL if field.told)
BY_NAME = {field.name: field for field in FIELDS}
BY_COLUMN = {field.column: field for field in _ALL if field.column}

#: What a request may say: first what it has to, then what decides which token its amount counts.
GIVEN = tuple(
    sorted(
        (field for field in _ALL if field.given),
        key=lambda field: (not field.required, field.words is not SwapMode),
    )
)


def given(*kinds: Kind) -> tuple[str, ...]:
    """The names of what a request may say, of these kinds."""
    return tuple(field.name for field in GIVEN if field.kind in kinds)
