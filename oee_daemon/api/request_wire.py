"""How requests are read: strictly. Unknown fields are refused, numbers are exact decimals, and every
complaint names its field. What an order asks for is made here, once, as `Terms`; what answers look like
stands in `order_wire`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from oee_daemon.contract import json_reading
from oee_daemon.contract.fields import GIVEN, Field, Kind
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders import tokens
from oee_daemon.orders.conditions import read_limit, read_price
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import Token

#: The highest number of an event that anybody may ask for.
MAX_SEQ = 999_999_999
#: The last year that an order may name: how long it takes is added to it, within the calendar.
LAST_YEAR = 9998
#: How long an order waits for its token where it does not say so.
LISTED_WITHIN = timedelta(hours=24)
#: What an order may say.
_NAMES = tuple(field.name for field in GIVEN)


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object with exact numbers. Raises `InvalidInput`."""
    try:
        value = json_reading.read_json(body.decode(), Decimal)
    except (ValueError, RecursionError, ArithmeticError) as e:
        raise InvalidInput(
            f"body is not valid JSON: {e}", code="invalid_json", field="body", hint="Send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput("body has to be a JSON object.", code="invalid_json", field="body")
    return value


def unknown(name: str, what: str, known: Collection[str]) -> InvalidInput:
    """Of a name that nothing goes by, and `what` it is not."""
    hint = "It takes " + ", ".join(known) + "." if known else "It takes none."
    return InvalidInput(f"{name[:60]!r} {what}.", code="unknown_field", field=name[:60], hint=hint)


def check_query(names: list[str], known: Collection[str]) -> None:
    """Raises `InvalidInput` for a name that is not `known`: a misspelt filter must not widen the answer."""
    for name in names:
        if name not in known:
            raise unknown(name, "is no parameter here", known)
        if names.count(name) > 1:
            raise InvalidInput(f"{name} stands twice.", field=name)


def read_seq(text: str, field: str) -> int:
    """The number that `text` is. Raises `InvalidInput` unless it is a whole one."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidInput(f"{field} has to be a whole number from 0 on.", code="out_of_range", field=field)
    return int(text)


def read_pair(text: str, book: TokenBook) -> str:
    """`sol/usdc` by mints. Raises `InvalidInput`, also for a pair of which no order can be: none found where
    `USDC/SOL` was asked for would read as no order at all."""
    first, slash, second = text.partition("/")
    if not slash:
        raise InvalidInput("pair has to be BASE/QUOTE.", field="pair", hint="For example SOL/USDC")
    base, quote = book.find(first, "pair"), book.find(second, "pair")
    if base.mint == quote.mint:
        raise InvalidInput("pair names one token twice.", field="pair", hint="For example SOL/USDC")
    if base.stable and not quote.stable:
        raise InvalidInput(
            f"{base.symbol} is always the quote: there is no pair {base.symbol}/{quote.symbol}.",
            field="pair",
            hint=f"It is {quote.symbol}/{base.symbol}",
        )
    return f"{base.mint}/{quote.mint}"


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


def read_order(body: dict[str, Any], book: TokenBook) -> Terms:
    """The terms that a body asks for. Raises `InvalidInput` for the first thing that is wrong."""
    for name in body:
        if name not in _NAMES:
            raise unknown(name, "is no field of an order", _NAMES)
    given = {k: v for k, v in body.items() if v is not None}
    if given.get("type") == OrderType.SNIPER and "tokenAddress" in given:
        given.setdefault("outputToken", given["tokenAddress"])
    found: dict[str, Any] = {}
    # What the words and tokens are decides what an amount counts.
    for field in sorted(GIVEN, key=lambda field: field.kind not in (Kind.TOKEN, Kind.WORD)):
        if field.required and field.name not in given:
            raise _missing_field(field.name, f"For example {'SOL' if field.kind is Kind.TOKEN else '1.5'}")
        if field.name in given:
            found[field.column] = _read_field(field, given[field.name], found, book)
    return _with_end(terms_of(found))


def _with_end(terms: Terms) -> Terms:
    """Who waits for a token does not do so for ever where nobody said until when."""
    if terms.token_address is None or terms.good_until is not None:
        return terms
    return replace(terms, good_until=(terms.launch_at or datetime.now(UTC)) + LISTED_WITHIN)


#: What an edit may say, and what it may take away by null.
_EDITABLE = tuple(field.name for field in GIVEN if field.edited)
_REMOVABLE = ("launchTime", "expiresAt")


def read_edit(body: dict[str, Any], order: Order, book: TokenBook) -> dict[str, Any]:
    """The changes of a body for that order, by column. Raises `InvalidInput`."""
    fields = {field.name: field for field in GIVEN}
    found: dict[str, Any] = {"swap_mode": order.swap_mode}
    found["input_token"] = book.by_mint(order.input_mint)
    found["output_token"] = book.by_mint(order.output_mint)
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name not in _EDITABLE:
            raise unknown(name, "can't be changed", _EDITABLE)
        if value is None and name not in _REMOVABLE:
            raise InvalidInput(f"{name} can't be null.", field=name, hint="Leave it out to keep it.")
        read = None if value is None else _read_field(fields[name], value, found, book)
        changes[fields[name].column] = read
    if not changes:
        raise _missing_field("targetPrice", "Or another field that is to change.")
    if (until := changes.get("good_until")) is not None:
        _check_ahead(until)
    _check_launch(order.type, changes.get("launch_at"), order.valid_for_s)
    return changes


def read_expected(body: dict[str, Any]) -> int | None:
    """Takes `expectSeq` out of the body: the number of the event that the order has to be at."""
    value = body.pop("expectSeq", None)
    if value is None:
        return None
    if not isinstance(value, Decimal) or not 1 <= value <= MAX_SEQ or value != int(value):
        raise InvalidInput(
            "expectSeq has to be a whole number from 1 on.", code="out_of_range", field="expectSeq"
        )
    return int(value)


def _read_field(field: Field, value: Any, found: dict[str, Any], book: TokenBook) -> Any:
    """The field's value as the engine has it. `found`: the values read before, by column."""
    match field.kind:
        case Kind.TOKEN:
            return _read_token(field.name, value, book)
        case Kind.WORD:
            return _read_word(field, value)
        case Kind.WHOLE:
            return _read_whole_number(field, value)
        case Kind.PRICE:
            return (read_limit if field.column == "limit_price" else read_price)(value, field.name)
        case Kind.MOMENT:
            return _read_moment(field.name, value)
        case Kind.ID:
            return _read_id(field.name, value)
        case Kind.NAMES:
            return _read_names(field, value)
        case Kind.FLAG:
            return _read_flag(field.name, value)
        case Kind.AMOUNT:
            exact_out = found.get("swap_mode") is SwapMode.EXACT_OUT
            return _read_amount(
                field.name, value, found[field.counts or ("output_token" if exact_out else "input_token")]
            )
    return _read_text(field, value)


def _missing_field(field: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{field} is missing.", code="missing_field", field=field, hint=hint)


def _read_token(name: str, value: Any, book: TokenBook) -> Token:
    if not isinstance(value, str):
        raise InvalidInput(
            f"{name} has to be a symbol or a mint, as text.", field=name, hint="For example SOL"
        )
    return book.find(value.strip(), name)


def _read_word(field: Field, value: Any) -> Any:
    words = list(field.words)
    if value not in words:
        raise InvalidInput(
            f"{field.name} has to be one of {', '.join(words)}.", code="invalid_choice", field=field.name
        )
    return words[words.index(value)]


def _read_moment(name: str, value: Any) -> datetime:
    try:
        if not isinstance(value, str) or len(value) < len("2030-12-01T18:00Z"):
            raise ValueError
        found = zoned(datetime.fromisoformat(value), name)
        if found is None or found.year > LAST_YEAR:
            raise ValueError
        return found
    except ValueError:
        raise InvalidInput(
            f"{name} has to be a moment with its time zone.",
            code="invalid_time",
            field=name,
            hint="For example 2030-12-01T18:00:00Z",
        ) from None


def _read_id(name: str, value: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(
            f"{name} has to be a whole id.",
            code="invalid_id",
            field=name,
            hint="For example 0c2f0b8e-3f57-4c53-9d5a-0d8ac2c6d5b1",
        ) from None


def _read_names(field: Field, value: Any) -> tuple[str, ...]:
    """A list, or as in a cell of a table the names apart by commas."""
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list) or any(name not in field.words for name in names):
        raise InvalidInput(
            f"{field.name} has to be a list of names, each one taken by itself.",
            code="invalid_choice",
            field=field.name,
            hint="Of " + ", ".join(str(word) for word in field.words) + ".",
        )
    return tuple(sorted(set(names)))


def _read_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} has to be true or false.", code="invalid_choice", field=name)
    return value


def _read_text(field: Field, value: Any) -> str:
    low, high = field.bounds
    if not isinstance(value, str) or not low <= len(value) <= high or not value.isprintable():
        raise InvalidInput(
            f"{field.name} has to be text of {low} to {high} characters.",
            code="out_of_range",
            field=field.name,
        )
    return value


def _read_amount(name: str, value: Any, token: Token) -> int:
    if isinstance(value, str):
        value = tokens.read_decimal(value, name)
    if not isinstance(value, Decimal):
        raise InvalidInput(
            f"{name} has to be a number, or text that is one.",
            code="invalid_amount",
            field=name,
            hint="For example 1.5",
        )
    return tokens.units(value, token, name)


def _read_whole_number(field: Field, value: Any) -> int:
    low, high = field.bounds
    if not isinstance(value, Decimal) or not low <= value <= high or value != int(value):
        raise InvalidInput(
            f"{field.name} has to be a whole number from {low} to {high}.",
            code="out_of_range",
            field=field.name,
        )
    return int(value)


def check_ahead(terms: Terms) -> None:
    """Raises `InvalidInput` where its time to wait is over before it began, by this machine's clock; what
    decides later is Postgres's."""
    if terms.good_until is not None:
        _check_ahead(terms.good_until)
    _check_launch(terms.type, terms.launch_at, terms.valid_for_s)


def _check_launch(kind: OrderType, at: datetime | None, valid_for_s: int) -> None:
    """Raises `InvalidInput` where all that it waits for was longer ago than it has to be executed: whoever
    wrote last year's date did not ask to trade at once."""
    if kind is not OrderType.MARKET or at is None or at + timedelta(seconds=valid_for_s) > datetime.now(UTC):
        return
    raise InvalidInput(
        f"launchTime is over: {rfc3339(at, 'microseconds')}.",
        code="expired_already",
        field="launchTime",
        hint="Name a later time. To trade at once, leave it out.",
    )


def _check_ahead(until: datetime) -> None:
    if until <= datetime.now(UTC):
        raise InvalidInput(
            f"expiresAt is over: {rfc3339(until, 'microseconds')}.",
            code="expired_already",
            field="expiresAt",
            hint="Name a later time.",
        )
