"""What is read of one order: its row, by its columns' names, its swap that may still land, its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Cursor
from sqlalchemy import Connection

from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.errors import NotFound
from oee_daemon.orders.events import Data
from oee_daemon.orders.order import Event, Order
from oee_daemon.orders.swap import SignedSwap
from oee_daemon.store.postgres_line import Row
from oee_daemon.store.predicates import EXPIRED
from oee_daemon.store.sql_statement import Statement

_NAMES = tuple(f.name for f in fields(Order) if f.name not in ("far", "oco"))
_COLUMNS = tuple(name for name in _NAMES if name != "expired_by_now")
#: The columns of amounts in base units, numerics: a u64 is one bit more than a bigint holds.
_UNITS: tuple[str, ...] = ("amount", "min_receive", "max_spend", "quote_in", "quote_out", "quote_fee")
_UNITS += ("filled_in", "filled_out", "fee")
_TIMES: tuple[str, ...] = ("launch_at", "good_until", "fired_at", "expires_at", "next_run_at")
_TIMES += ("created_at", "updated_at", "finished_at")
_BYTES = ("request_hash", "route")
#: The columns of prices, which are read as text: JSON would make floats of them.
_PRICES = ("target_price", "limit_price")
_Readers = Mapping[str, Callable[[Any], Any]]
#: How words and lists become a field's value, whoever brings them.
_WORDS: _Readers = {
    "status": Status,
    "type": OrderType,
    "side": Side,
    "swap_mode": SwapMode,
    "barred": tuple,
    "accepted_risks": tuple,
}
#: How what psycopg gives becomes a field's value, where that is not the same.
_READ: _Readers = {**_WORDS, **dict.fromkeys(_UNITS, int), **dict.fromkeys(_PRICES, Decimal)}

#: What a statement has to select, or return, for `order_row`.
ORDER = ", ".join(
    f"orders.{name}::text AS {name}" if name in _PRICES else f"orders.{name}" for name in _COLUMNS
)
ORDER += f", {EXPIRED.replace('expires_at', 'orders.expires_at')} AS expired_by_now"


def order_of(row: Mapping[str, Any]) -> Order:
    """The order of a row that has the columns of `ORDER`, and maybe others."""
    return _make_order(row, _READ)


#: How a field's value is read from JSON, where that is not the same.
_TOLD: _Readers = {
    **_WORDS,
    **dict.fromkeys(("id", "group_id", "turn"), UUID),
    **dict.fromkeys(_PRICES, Decimal),
    **dict.fromkeys(_TIMES, datetime.fromisoformat),
    **dict.fromkeys(_BYTES, lambda text: bytes.fromhex(text[2:])),
}


def order_told(row: Row) -> Order:
    """As `order_of`, of a row that the line brought."""
    return _make_order(row, _TOLD)


def _make_order(row: Mapping[str, Any], reads: _Readers) -> Order:
    values = {name: row[name] for name in _NAMES}
    for name, read in reads.items():
        if values[name] is not None:
            values[name] = read(values[name])
    return Order.of(values)


def read_times(row: Row) -> Row:
    """The row with its times as times."""
    return {
        name: _TOLD[name](value) if name in _TOLD and value is not None else value
        for name, value in row.items()
    }


def order_row(cursor: Cursor[Any]) -> Callable[[Sequence[Any]], Order]:
    """psycopg's row factory for statements that select `ORDER`."""
    names = [column.name for column in cursor.description or ()]
    return lambda values: order_of(dict(zip(names, values, strict=True)))


_FIND = Statement(f"-- find: one order\nSELECT {ORDER} FROM orders WHERE id = %(id)s", order_row)
_FIND_KEY = Statement(
    f"-- find_key: the order of a key\nSELECT {ORDER} FROM orders WHERE idempotency_key = %(key)s",
    order_row,
)


def find(conn: Connection, order_id: UUID) -> Order | None:
    return _FIND.first(conn, {"id": order_id})


def must_find(conn: Connection, order_id: UUID) -> Order:
    """Raises `NotFound`."""
    found = find(conn, order_id)
    if found is None:
        raise NotFound(f"There is no order {order_id}.")
    return found


def find_key(conn: Connection, key: str) -> Order | None:
    return _FIND_KEY.first(conn, {"key": key})


_LIVE_SWAP = Statement("""
    -- live_swap: the swap of an order that may still land
    SELECT order_id, attempt, signature, raw, last_valid_height FROM swaps
    WHERE order_id = %(id)s AND state = 'signed'
""")


def live_swap(conn: Connection, order_id: UUID) -> SignedSwap | None:
    """The one swap of the order that may still land, or has."""
    row = _LIVE_SWAP.first(conn, {"id": order_id})
    if row is None:
        return None
    order, attempt, signature, raw, height = row
    return SignedSwap(order_id=order, attempt=attempt, signature=signature, raw=raw, last_valid_height=height)


def said(data: str, of: str = "moved", only: str = "") -> str:
    """For a `WITH`: the event of each row of `of`, which has been moved; `data`: of what each says."""
    return f"""{of}_said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq, status, attempt, updated_at, {data} FROM {of} {only}
    )"""  # noqa: S608  # names of our own


#: What a statement has to select for `event_of`, of `order_events` as `e` and its order as `o`.
EVENT = "e.order_id, e.seq, e.status, e.attempt, e.at, e.data, o.side, o.input_mint, o.output_mint"
_EVENTS = Statement(f"""
    -- events: an order's events past one, in order
    SELECT {EVENT} FROM order_events e JOIN orders o ON o.id = e.order_id
    WHERE e.order_id = %(id)s AND e.seq > %(after)s ORDER BY e.seq
""")  # noqa: S608  # the names are our own columns


def events(conn: Connection, order_id: UUID, after: int = 0) -> list[Event]:
    """The order's events past `after`, in order."""
    return [event_of(*row) for row in _EVENTS.all(conn, {"id": order_id, "after": after})]


def event_of(
    order_id: UUID, seq: int, status: str, attempt: int, at: datetime, data: Data, side: str, *tokens: str
) -> Event:
    """The event of a row of `EVENT`."""
    return Event(order_id, seq, Status(status), attempt, at, data, Side(side), *tokens)
