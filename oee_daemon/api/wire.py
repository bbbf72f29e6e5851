"""What requests and answers look like. Requests are read strictly: unknown fields are refused, numbers
are exact decimals, and every complaint names its field. Answers are plain dictionaries in camelCase with
amounts as decimal strings and times in RFC 3339 UTC with microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from oee_daemon.api.schema import Shape
from oee_daemon.contract import json_text
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.engine.intake import NewOrder
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.orders import tokens
from oee_daemon.orders.order import Event, Order, price_text
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS, Token
from oee_daemon.reads.history import Swap

#: bps: half of everything; more is a mistake, not a limit.
MAX_SLIPPAGE_BPS = 5000
#: Seconds: a week.
MAX_VALID_FOR_S = 604_800


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return rfc3339(at, "microseconds")


class OrderIn(Shape):
    """The body of `POST /api/orders/execute`, for the OpenAPI document; `read_order` is what reads it."""

    input_token: str = Field(description="symbol or mint of what leaves the wallet", examples=["SOL"])
    output_token: str = Field(description="symbol or mint of the token that arrives", examples=["USDC"])
    amount: Decimal = Field(
        gt=0, description="of the input (ExactIn) or output (ExactOut) token", examples=[1.5]
    )
    swap_mode: SwapMode = Field(SwapMode.EXACT_IN, description="which token `amount` counts")
    side: Side | None = Field(None, description="has to agree with the pair; decides between two of a kind")
    slippage_bps: int = Field(50, ge=0, le=MAX_SLIPPAGE_BPS)
    min_receive: Decimal | None = Field(None, gt=0, description="ExactIn: the least to receive")
    max_spend: Decimal | None = Field(None, gt=0, description="ExactOut: the most to spend")
    valid_for_s: int = Field(300, ge=1, le=MAX_VALID_FOR_S, description="seconds until it expires unsent")


_FIELDS = tuple(map(to_camel, OrderIn.model_fields))


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object with exact numbers. Raises `InvalidInput`."""
    try:
        value = json_text.read_json(body.decode(), Decimal)
    except (ValueError, RecursionError, ArithmeticError) as e:
        raise InvalidInput(
            f"body is not valid JSON: {e}", code="invalid_json", field="body", hint="Send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput("body has to be a JSON object.", code="invalid_json", field="body")
    return value


def check_query(names: list[str], known: Collection[str]) -> None:
    """A filter that is misspelt must not widen the answer. Raises `InvalidInput`."""
    for name in names:
        if name not in known:
            hint = "It takes " + ", ".join(known) + "." if known else "It takes none."
            raise InvalidInput(
                f"{name[:60]!r} is no parameter here.", code="unknown_field", field=name[:60], hint=hint
            )
        if names.count(name) > 1:
            raise InvalidInput(f"{name} stands twice.", field=name)


def read_seq(text: str, field: str) -> int:
    """Raises `InvalidInput` unless it is a whole number."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidInput(f"{field} has to be a whole number from 0 on.", code="out_of_range", field=field)
    return int(text)


def read_pair(text: str) -> str:
    """`sol/usdc` as `SOL/USDC`. Raises `InvalidInput`."""
    base, slash, quote = text.partition("/")
    if not slash:
        raise InvalidInput("pair has to be BASE/QUOTE.", field="pair", hint="For example SOL/USDC")
    return f"{tokens.find(base, 'pair').symbol}/{tokens.find(quote, 'pair').symbol}"


def zoned(at: datetime | None, field: str) -> datetime | None:
    """A moment in UTC. Raises `InvalidInput` where it says no time zone, or lies past what there is."""
    try:
        if at is None or at.tzinfo is not None:
            return None if at is None else at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{field} lies outside of the calendar.", field=field) from None
    raise InvalidInput(
        f"{field} has to say its time zone.", field=field, hint="For example 2026-11-23T10:00:00Z"
    )


def read_order(body: dict[str, Any]) -> NewOrder:
    """The order that a body asks for. Raises `InvalidInput` for the first thing that is wrong."""
    for name in body:
        if name not in _FIELDS:
            raise InvalidInput(
                f"{name[:60]!r} is no field of an order.",
                code="unknown_field",
                field=name[:60],
                hint="It takes " + ", ".join(_FIELDS) + ".",
            )
    given = {k: v for k, v in body.items() if v is not None}
    input_token = _token(given, "inputToken")
    output_token = _token(given, "outputToken")
    said = _choice(given, "swapMode", [m.value for m in SwapMode])
    mode = None if said is None else SwapMode(said)
    side = _choice(given, "side", [s.value for s in Side])
    counted = output_token if mode is SwapMode.EXACT_OUT else input_token
    if "amount" not in given:
        raise _missing("amount", "For example 1.5")
    amount = _amount(given, "amount", counted)
    assert amount is not None
    return NewOrder(
        input_token=input_token,
        output_token=output_token,
        amount=amount,
        swap_mode=mode,
        side=None if side is None else Side(side),
        slippage_bps=_whole(given, "slippageBps", 0, MAX_SLIPPAGE_BPS),
        min_receive=_amount(given, "minReceive", output_token),
        max_spend=_amount(given, "maxSpend", input_token),
        valid_for_s=_whole(given, "validForS", 1, MAX_VALID_FOR_S),
    )


def _missing(field: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{field} is missing.", code="missing_field", field=field, hint=hint)


def _token(body: dict[str, Any], field: str) -> Token:
    if field not in body:
        raise _missing(field, "For example SOL")
    value = body[field]
    if not isinstance(value, str):
        raise InvalidInput(
            f"{field} has to be a symbol or a mint, as text.", field=field, hint="For example SOL"
        )
    return tokens.find(value.strip(), field)


def _choice(body: dict[str, Any], field: str, choices: list[str]) -> str | None:
    value = body.get(field)
    if value is not None and value not in choices:
        raise InvalidInput(
            f"{field} has to be one of {', '.join(choices)}.", code="invalid_choice", field=field
        )
    return value


def _amount(body: dict[str, Any], field: str, token: Token) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, str):
        value = tokens.read_decimal(value, field)
    if not isinstance(value, Decimal):
        raise InvalidInput(
            f"{field} has to be a number, or text that is one.",
            code="invalid_amount",
            field=field,
            hint="For example 1.5",
        )
    return tokens.units(value, token, field)


def _whole(body: dict[str, Any], field: str, low: int, high: int) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, Decimal) or not low <= value <= high or value != int(value):
        raise InvalidInput(
            f"{field} has to be a whole number from {low} to {high}.", code="out_of_range", field=field
        )
    return int(value)


def order_json(order: Order) -> dict[str, Any]:
    """The one order object."""
    given, taken = TOKENS[order.input_token], TOKENS[order.output_token]
    counted = given if order.swap_mode is SwapMode.EXACT_IN else taken
    price = None
    if order.filled_in is not None and order.filled_out is not None:
        price = price_text(order.side, given.amount(order.filled_in), taken.amount(order.filled_out))
    return {
        "orderId": str(order.id),
        "type": order.type,
        "side": order.side,
        "pair": order.pair,
        "network": order.network,
        "inputToken": order.input_token,
        "outputToken": order.output_token,
        "amount": counted.text(order.amount),
        "swapMode": order.swap_mode,
        "slippageBps": order.slippage_bps,
        "minReceive": _text(taken, order.min_receive),
        "maxSpend": _text(given, order.max_spend),
        "validForS": order.valid_for_s,
        "status": order.status,
        "attempt": order.attempt,
        "venue": order.venue,
        "filledIn": _text(given, order.filled_in),
        "filledOut": _text(taken, order.filled_out),
        "price": price,
        "fee": _text(given, order.fee),
        "signature": order.signature,
        "error": order.error,
        "idempotencyKey": order.idempotency_key,
        "createdAt": moment(order.created_at),
        "updatedAt": moment(order.updated_at),
        "finishedAt": None if order.finished_at is None else moment(order.finished_at),
    }


def draft_json(values: dict[str, Any]) -> dict[str, Any]:
    """The order object of an order that was checked and not placed."""
    now = datetime.now(UTC)
    blank: dict[str, Any] = dict.fromkeys(f.name for f in fields(Order))
    blank |= {"number": 0, "status": Status.PENDING, "attempt": 1, "created_at": now, "updated_at": now}
    # As columns they are text; what an amount counts is decided by what they are.
    blank |= values | {"side": Side(values["side"]), "swap_mode": SwapMode(values["swap_mode"])}
    return order_json(Order(**blank)) | {"orderId": None}


def _text(token: Token, units: int | None) -> str | None:
    return None if units is None else token.text(units)


def event_json(event: Event) -> dict[str, Any]:
    """The event object; event 1 says nothing but that the order exists."""
    return {
        "orderId": str(event.order_id),
        "seq": event.seq,
        "status": event.status,
        "attempt": event.attempt,
        "at": moment(event.at),
        "data": event.data,
    }


def swap_json(swap: Swap) -> dict[str, Any]:
    return {
        "attempt": swap.attempt,
        "signature": swap.signature,
        "state": swap.state,
        "lastValidHeight": swap.last_valid_height,
        "signedAt": moment(swap.signed_at),
        "endedAt": None if swap.ended_at is None else moment(swap.ended_at),
    }


def fill_json(fill: Fill, tokens: TokenBook) -> dict[str, Any]:
    given, taken = tokens.by_mint(fill.input_mint), tokens.by_mint(fill.output_mint)
    return {
        "signature": fill.signature,
        "orderId": None if fill.order_id is None else str(fill.order_id),
        "inputToken": given.symbol,
        "outputToken": taken.symbol,
        "amountIn": given.text(fill.amount_in),
        "amountOut": taken.text(fill.amount_out),
        "slot": fill.slot,
        "at": moment(fill.at),
    }
