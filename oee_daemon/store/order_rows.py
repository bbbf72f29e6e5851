"""Rows of `orders` as orders, by their columns' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from psycopg import Cursor

from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.orders.order import Order
from oee_daemon.store.predicates import EXPIRED
from oee_daemon.store.tables import Units, orders

_NAMES = tuple(f.name for f in fields(Order))
#: The columns of amounts in base units, which Postgres keeps as numerics.
UNITS = tuple(name for name in _NAMES if name in orders.c and isinstance(orders.c[name].type, Units))
#: How what psycopg gives becomes a field's value, where that is not the same.
_READ: Mapping[str, Callable[[Any], Any]] = {
    "status": Status,
    "side": Side,
    "swap_mode": SwapMode,
} | dict.fromkeys(UNITS, int)

#: What a statement has to select, or return, for `order_row`.
ORDER = ", ".join(f"orders.{name}" if name in orders.c else f"orders.{EXPIRED} AS {name}" for name in _NAMES)


def order_of(row: Mapping[str, Any]) -> Order:
    """The order of a row that has the columns of `ORDER`, and maybe others."""
    values = {name: row[name] for name in _NAMES}
    for name, read in _READ.items():
        if values[name] is not None:
            values[name] = read(values[name])
    return Order(**values)


def order_row(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], Order]:
    """psycopg's row factory for statements that select `ORDER`."""
    names = [column.name for column in cursor.description or ()]
    return lambda values: order_of(dict(zip(names, values, strict=True)))
