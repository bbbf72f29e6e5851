"""The engine's SQL on orders, swaps and events: one statement a move, never a commit of its own.

Each move is a compare-and-set on id, status and fence that writes the event, and where it must the swap,
in the same statement; on an autocommit connection that statement is the transaction. No row back means
that somebody else moved the order: the caller stops quietly. All times are Postgres's, because leases and
due times are compared between processes whose clocks may differ. Every commit waits for the disk, those that
a crash may repeat for free too: an event that was streamed must not come back as another one.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Interval, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from oee_daemon.contract.fields import GIVEN
from oee_daemon.contract.status import FINAL, LETS_GO, MAY_CANCEL, Status, check
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.orders.order import Event, Order
from oee_daemon.orders.swap import SignedSwap
from oee_daemon.store import order_rows
from oee_daemon.store.prepared import Prepared
from oee_daemon.store.statement import driver, fault
from oee_daemon.store.tables import execution_slots, order_events, orders, swaps
from oee_daemon.timing import USUAL

_now = func.clock_timestamp()
COLUMNS = [orders.c[f.name] for f in fields(Order) if f.name != "expired_by_now"]
_expired = (orders.c.expires_at <= _now).label("expired_by_now")


def order_of(row: Any) -> Order:
    """The order that a row of `COLUMNS` holds."""
    return order_rows.order_of({"expired_by_now": False} | dict(row._mapping))


def find(conn: Connection, order_id: UUID) -> Order | None:
    row = conn.execute(select(*COLUMNS, _expired).where(orders.c.id == order_id)).first()
    return None if row is None else order_of(row)


def find_key(conn: Connection, key: str) -> Order | None:
    row = conn.execute(select(*COLUMNS, _expired).where(orders.c.idempotency_key == key)).first()
    return None if row is None else order_of(row)


#: Requests with one key come one after the other until their transaction ends, so that a repeat finds the
#: order instead of using up a number. The unique index decides all the same.
_LOCK_KEY = Prepared("SELECT pg_advisory_xact_lock(hashtextextended(%(idempotency_key)s, 0))")

#: Empty in a new order.
_BLANK = (
    "venue", "quote_in", "quote_out", "quote_fee", "filled_in", "filled_out", "fee", "signature", "error",
    "finished_at", "fault",
)  # fmt: skip
_GIVEN = (
    "id", "network", "type", "pair", "idempotency_key", "request_hash", *(field.column for field in GIVEN)
)  # fmt: skip

# One moment for the order's times and for event 1.
_CREATE = Prepared(f"""
    WITH new AS (
        INSERT INTO orders ({", ".join(_GIVEN)}, status, created_at, updated_at, expires_at)
        SELECT {", ".join(f"%({name})s" for name in _GIVEN)}, 'pending',
            statement_timestamp(), statement_timestamp(), statement_timestamp() + %(valid_for)s
        WHERE NOT EXISTS (SELECT FROM orders WHERE idempotency_key = %(idempotency_key)s)
            AND NOT EXISTS (SELECT FROM spent_keys WHERE idempotency_key = %(idempotency_key)s)
        RETURNING id, event_seq, status, attempt, number, created_at, expires_at, next_run_at
    ), first AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq, status, attempt, created_at, '{{}}' FROM new
    )
    SELECT number, created_at, expires_at, next_run_at FROM new
""")  # noqa: S608  # the names are our own columns


def create(conn: Connection, values: dict[str, Any]) -> Order | None:
    """Inserts the order and its event 1; durable when this returns. None: its key is known, nothing was done.

    `conn` is in autocommit. With a key, its lock and the insert go out together and are one transaction, as
    everything in a pipeline is.
    """
    given = values | {"valid_for": timedelta(seconds=values["valid_for_s"])}
    for name in ("amount", "min_receive", "max_spend"):
        given[name] = None if given[name] is None else Decimal(given[name])
    raw = driver(conn)
    try:
        if values["idempotency_key"] is None:
            row = _CREATE.ask(raw, given).fetchone()
        else:
            with raw.pipeline():
                _LOCK_KEY.ask(raw, given)
                answer = _CREATE.ask(raw, given)
            row = answer.fetchone()
    except psycopg.Error as e:
        # Its commit is part of it.
        raise fault(conn, e, None) from e
    return None if row is None else _new(values, *row)


def _new(
    values: dict[str, Any], number: int, created_at: datetime, expires_at: datetime, next_run_at: datetime
) -> Order:
    """The order as it was just stored: what is not given is as the columns' defaults say."""
    known: dict[str, Any] = dict.fromkeys(_BLANK) | {name: values[name] for name in _GIVEN}
    known |= {"side": Side(values["side"]), "swap_mode": SwapMode(values["swap_mode"])}
    return Order(
        **known,
        status=Status.PENDING,
        number=number,
        attempt=1,
        event_seq=1,
        fence=0,
        asks=0,
        faults=0,
        created_at=created_at,
        updated_at=created_at,
        expires_at=expires_at,
        next_run_at=next_run_at,
    )


def advance(
    conn: Connection,
    order: Order,
    to: Status,
    *,
    data: dict[str, Any] | None = None,
    swap: SignedSwap | None = None,
    swap_ended: str | None = None,
    delay: timedelta | None = None,
    lease: timedelta = USUAL.lease,
    **changes: Any,
) -> Order | None:
    """Moves an order that the caller holds, with its event, in one statement.

    `swap` is stored with it as `signed`, but not past the order's time; `swap_ended` is what its live swap
    becomes. `delay`: when it is due next. None: somebody else moved it, or it is too late to send it;
    nothing was changed. Raises `IllegalMove`.
    """
    check(order.status, to)
    statement = _move(to, tuple(sorted(changes)), swap is not None, swap_ended is not None)
    values: dict[str, Any] = {f"set_{k}": _sent(k, v) for k, v in changes.items()}
    values |= {"the_id": order.id, "the_status": order.status.value, "the_fence": order.fence}
    values |= {"the_data": data or {}, "the_delay": delay or timedelta(0), "the_end": swap_ended}
    values["the_lease"] = lease
    if swap is not None:
        values |= {
            "the_signature": swap.signature,
            "the_raw": swap.raw,
            "the_height": swap.last_valid_height,
        }
    row = statement.first(conn, values)
    if row is None:
        return None
    updated_at, finished_at, next_run_at, expired_by_now = row
    # Its other columns are as they were: nobody else writes them while the fence stands.
    return replace(
        order,
        status=to,
        event_seq=order.event_seq + 1,
        updated_at=updated_at,
        finished_at=finished_at,
        next_run_at=next_run_at,
        expired_by_now=expired_by_now,
        **changes,
    )


def _sent(name: str, value: Any) -> Any:
    """Base units go as numerics: some of them are larger than a bigint."""
    return Decimal(value) if name in order_rows.UNITS and value is not None else value


@lru_cache(maxsize=64)
def _move(to: Status, changed: tuple[str, ...], stores_swap: bool, ends_swap: bool) -> Prepared:
    """The statement of one kind of move; there are about a dozen kinds."""
    o = orders.c
    values: dict[str, Any] = {name: bindparam(f"set_{name}", type_=o[name].type) for name in changed}
    values |= {"status": to.value, "event_seq": o.event_seq + 1, "updated_at": _now}
    lets_go = to in LETS_GO
    if lets_go:
        # Between attempts nobody holds it: ten at once means ten leases.
        values |= {"lease_owner": None, "lease_until": None, "rung_at": None}
    else:
        # No indexed column changes here, so that Postgres touches no index.
        values["lease_until"] = _now + bindparam("the_lease", type_=Interval)
    if to in FINAL:
        values |= {"finished_at": _now, "next_run_at": None}
    elif lets_go:
        values["next_run_at"] = _now + bindparam("the_delay", type_=Interval)
    moved = (
        update(orders)
        .where(
            o.id == bindparam("the_id"),
            o.status == bindparam("the_status"),
            o.fence == bindparam("the_fence"),
            *([o.expires_at > _now] if stores_swap else []),
        )
        .values(values)
        .returning(*(o[name] for name in _SAID), *(o[name] for name in _TIMES), _expired)
        .cte("moved")
    )
    beside = _swap_cte(moved, stores_swap, ends_swap) + ([freed(moved)] if lets_go else [])
    told = select(*(moved.c[name] for name in _TIMES), moved.c.expired_by_now)
    return Prepared(_with_event(moved, beside, told))


def freed(moved: Any) -> Any:
    """Whoever is no longer executed gives its slot back, in the statement that says so."""
    return (
        update(execution_slots)
        .where(execution_slots.c.order_id == moved.c.id)
        .values(order_id=None)
        .cte("freed")
    )


def _swap_cte(moved: Any, stores: bool, ends: bool) -> list[Any]:
    s = swaps.c
    if stores:
        return [
            insert(swaps)
            .from_select(
                ["order_id", "attempt", "signature", "raw", "last_valid_height"],
                select(
                    moved.c.id,
                    moved.c.attempt,
                    bindparam("the_signature", type_=s.signature.type),
                    bindparam("the_raw", type_=s.raw.type),
                    bindparam("the_height", type_=s.last_valid_height.type),
                ),
            )
            .cte("stored")
        ]
    if ends:
        return [
            update(swaps)
            .where(s.order_id == moved.c.id, s.state == "signed")
            .values(state=bindparam("the_end", type_=s.state.type), ended_at=_now)
            .cte("ended")
        ]
    return []


#: Of a move: what its event and what beside it needs, and what only Postgres knows.
_SAID = ("id", "event_seq", "status", "attempt")
_TIMES = ("updated_at", "finished_at", "next_run_at")


def _with_event(moved: Any, beside: list[Any], told: Any) -> Any:
    said = (
        insert(order_events)
        .from_select(
            ["order_id", "seq", "status", "attempt", "at", "data"],
            select(
                moved.c.id,
                moved.c.event_seq,
                moved.c.status,
                moved.c.attempt,
                moved.c.updated_at,
                bindparam("the_data", type_=JSONB),
            ),
        )
        .cte("said")
    )
    return told.add_cte(said, *beside)


def live_swap(conn: Connection, order_id: UUID) -> SignedSwap | None:
    """The one swap of the order that may still land, or has."""
    s = swaps.c
    found = select(s.order_id, s.attempt, s.signature, s.raw, s.last_valid_height).where(
        s.order_id == order_id, s.state == "signed"
    )
    row = conn.execute(found).first()
    return None if row is None else SignedSwap(**row._mapping)


def cancel(conn: Connection, order_id: UUID) -> Order | None:
    """Cancels whoever holds it: the raised fence tells them. None: it may be on the chain, or is final."""
    o = orders.c
    moved = (
        update(orders)
        .where(o.id == order_id, o.status.in_([s.value for s in MAY_CANCEL]))
        .values(
            status=Status.CANCELLED.value,
            fence=o.fence + 1,
            event_seq=o.event_seq + 1,
            updated_at=_now,
            finished_at=_now,
            next_run_at=None,
            lease_owner=None,
            lease_until=None,
        )
        .returning(*COLUMNS, _expired)
        .cte("moved")
    )
    row = conn.execute(_with_event(moved, [freed(moved)], select(moved)), {"the_data": {}}).first()
    return None if row is None else order_of(row)


_EVENTS = Prepared("""
    SELECT order_id, seq, status, attempt, at, data FROM order_events
    WHERE order_id = %(id)s AND seq > %(after)s ORDER BY seq
""")


def events(conn: Connection, order_id: UUID, after: int = 0) -> list[Event]:
    """The order's events past `after`, in order."""
    rows = _EVENTS.all(conn, {"id": order_id, "after": after})
    return [Event(i, seq, Status(status), attempt, at, data) for i, seq, status, attempt, at, data in rows]
