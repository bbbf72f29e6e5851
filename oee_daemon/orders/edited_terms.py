"""The terms of an order that waits after an edit: what was said of it before, with what is said anew.

Pure; made by `terms_of`, so that bounds and contradictions are those of an order that is placed so. A stop
that has fired and waits for its limit is a limit order in all but its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oee_daemon.contract.fields import BY_COLUMN, GIVEN
from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.errors import InvalidInput
from oee_daemon.orders.conditions import UNBOUND, is_unbound, past, sniper_end
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import Token

_BOUNDS = ("min_receive", "max_spend")
#: What can still be changed once a stop has fired, by column.
_AT_ITS_LIMIT = ("limit_price", "amount", "slippage_bps", "good_until", "far")


def edited_terms(order: Order, changes: Mapping[str, Any], spent: Token, bought: Token) -> Terms:
    """`changes`: by column; None takes a field away. Raises `InvalidInput`."""
    kept = {field.column: getattr(order, field.column, None) for field in GIVEN if field.told}
    kept |= {"input_token": spent, "output_token": bought}
    if order.latched:
        return _at_its_limit(order, kept, changes)
    if order.trail_bps is not None or order.target_price is not None or order.limit_price is not None:
        # The price is the bound: both are made anew.
        kept |= dict.fromkeys(_BOUNDS)
    else:
        _check_bound(order, changes)
    if order.type is OrderType.SNIPER and order.good_until == sniper_end(order.launch_at, order.valid_for_s):
        # It was, or could have been, the usual time after its moment: it stays that.
        kept["good_until"] = None
    if changes.get("trail_bps") is not None:
        kept["target_price"] = None
        if not is_unbound(order.limit_price):
            kept["limit_price"] = None
    if changes.get("target_price") is not None:
        kept["trail_bps"] = None
        if order.target_price is not None and order.limit_price == past(order.target_price, order.side):
            # It was, or could have been, the usual distance from the price: it stays that.
            kept["limit_price"] = None
    terms = _made_of(kept | dict(changes))
    if not terms.waits:
        raise InvalidInput(
            "launchTime is all that the order waits for.",
            code="field_contradicts",
            field="launchTime",
            hint="Name another time, or cancel the order.",
        )
    return replace(terms, request_hash=order.request_hash)


def as_compared(terms: Terms, order: Order) -> Terms:
    """The terms by which the order is compared with the market."""
    if not order.latched:
        return terms
    return replace(
        terms, type=OrderType.LIMIT, target_price=terms.limit_price, limit_price=None, trail_bps=None
    )


def _at_its_limit(order: Order, kept: dict[str, Any], changes: Mapping[str, Any]) -> Terms:
    for column in changes:
        if column not in _AT_ITS_LIMIT:
            names = (BY_COLUMN[name].name for name in _AT_ITS_LIMIT[:-1])
            raise InvalidInput(
                f"{BY_COLUMN[column].name} can't be changed: the stop has fired, and waits for its limit.",
                code="field_contradicts",
                field=BY_COLUMN[column].name,
                hint=f"It takes {', '.join(names)}.",
            )
    limit: Any = changes.get("limit_price", order.limit_price)
    limit = UNBOUND[order.side] if is_unbound(limit) else limit
    kept |= {**changes, **dict.fromkeys((*_BOUNDS, "limit_price", "trail_bps", "confirm_ms"))}
    terms = _made_of(kept | {"type": OrderType.LIMIT, "target_price": limit})
    asked = {"target_price": order.target_price, "trail_bps": order.trail_bps, "limit_price": limit}
    return replace(
        terms, type=order.type, confirm_ms=order.confirm_ms, request_hash=order.request_hash, **asked
    )


def _made_of(said: Mapping[str, Any]) -> Terms:
    return terms_of({name: value for name, value in said.items() if value is not None})


def _check_bound(order: Order, changes: Mapping[str, Any]) -> None:
    """A bound that was said outright is of the amount that it was said with."""
    bound = "min_receive" if order.swap_mode is SwapMode.EXACT_IN else "max_spend"
    changed = changes.get("amount", order.amount) != order.amount
    if changed and order.bound is not None and bound not in changes:
        name = BY_COLUMN[bound].name
        raise InvalidInput(
            f"{name} is missing: what the order has is of the amount that it had.",
            code="missing_field",
            field=name,
            hint="Say both.",
        )
