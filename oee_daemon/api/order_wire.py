"""How the API writes orders, events and fills: plain dictionaries in camelCase, with amounts as decimal
strings and times in RFC 3339 UTC with microseconds. How it reads requests stands in `request_wire`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from oee_daemon.api import api_answer_schema
from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.fields import FIELDS, Kind
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.conditions import limit_text
from oee_daemon.orders.order import Event, Order, price_text
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.terms import Terms
from oee_daemon.store.halt_row import Halt


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return rfc3339(at, "microseconds")


def told(shape: type[api_answer_schema.Shape], source: object, **others: Any) -> dict[str, Any]:
    """The answer of that shape: each of its fields out of `others`, or what `source` has by the same name."""
    return {
        camel: _plain(others[name] if name in others else getattr(source, name))
        for name, camel in _names_of(shape)
    }


@cache
def _names_of(shape: type[api_answer_schema.Shape]) -> tuple[tuple[str, str], ...]:
    return tuple((name, to_camel(name)) for name in shape.model_fields)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return str(value) if isinstance(value, UUID) else value


def halt_json(halt: Halt | None) -> dict[str, Any] | None:
    """Since when, why and by whom; none while the engine works."""
    return halt and {"since": moment(halt.at), "reason": halt.reason, "by": halt.by}


_MADE = (Kind.ID, Kind.TOKEN, Kind.AMOUNT, Kind.PRICE, Kind.MOMENT)
_PLAIN = tuple(f for f in FIELDS if f.kind not in _MADE)
_AMOUNTS = tuple(f for f in FIELDS if f.kind is Kind.AMOUNT)
_MOMENTS = tuple(f for f in FIELDS if f.kind is Kind.MOMENT)
_PRICES = tuple(f for f in FIELDS if f.kind is Kind.PRICE and f.column)
#: An order's object with nothing in it, which says in which order its fields stand.
_BLANK: dict[str, Any] = dict.fromkeys(field.name for field in FIELDS)


def pair_text(pair: str, book: TokenBook) -> str:
    """A pair by mints as `SOL/USDC`."""
    return "/".join(book.by_mint(mint).symbol for mint in pair.split("/"))


def order_json(order: Order, book: TokenBook) -> dict[str, Any]:
    """The one order object."""
    told = terms_json(order, book) | {"orderId": str(order.id)}
    told["groupId"] = None if order.group_id is None else str(order.group_id)
    if order.filled_in is not None and order.filled_out is not None:
        given, taken = book.by_mint(order.input_mint), book.by_mint(order.output_mint)
        told["price"] = price_text(order.side, given.amount(order.filled_in), taken.amount(order.filled_out))
    for field in _MOMENTS:
        at = getattr(order, field.column)
        told[field.name] = None if at is None else moment(at)
    return told


def draft_json(terms: Terms, network: str, book: TokenBook) -> dict[str, Any]:
    """The order object of an order that was checked and not placed."""
    now = moment(datetime.now(UTC))
    begun = {
        "network": network,
        "status": Status.WAITING if terms.waits else Status.PENDING,
        "attempt": 1,
        "firings": 0,
        "createdAt": now,
        "updatedAt": now,
    }
    told = terms_json(terms, book) | begun
    for name, at in (("launchTime", terms.launch_at), ("expiresAt", terms.good_until)):
        told[name] = None if at is None else moment(at)
    return told


def terms_json(terms: Terms, book: TokenBook) -> dict[str, Any]:
    """The order object as far as it is known: of mere terms, what only an order has is null."""
    given, taken = book.by_mint(terms.input_mint), book.by_mint(terms.output_mint)
    told = _BLANK | {field.name: getattr(terms, field.column, None) for field in _PLAIN}
    told["inputToken"], told["outputToken"] = given.symbol, taken.symbol
    told["pair"] = pair_text(terms.pair, book)
    counted = given if terms.swap_mode is SwapMode.EXACT_IN else taken
    by_column = {"input_token": given, "output_token": taken, "": counted}
    for field in _AMOUNTS:
        units = getattr(terms, field.column, None)
        told[field.name] = None if units is None else by_column[field.counts].text(units)
    for field in _PRICES:
        price = getattr(terms, field.column)
        told[field.name] = None if price is None else limit_text(price)
    return told


def event_json(event: Event, book: TokenBook) -> dict[str, Any]:
    """The event object; event 1 says nothing but that the order exists."""
    return {
        "orderId": str(event.order_id),
        "seq": event.seq,
        "status": event.status,
        "attempt": event.attempt,
        "at": moment(event.at),
        "data": event_data(event, book),
    }


def fill_json(fill: Fill, book: TokenBook) -> dict[str, Any]:
    given, taken = book.by_mint(fill.input_mint), book.by_mint(fill.output_mint)
    amounts = {"amount_in": given.text(fill.amount_in), "amount_out": taken.text(fill.amount_out)}
    symbols = {"input_token": given.symbol, "output_token": taken.symbol}
    return told(api_answer_schema.Fill, fill, **symbols, **amounts)
