"""The engine's SQL on orders, swaps and events: one statement a move, never a commit of its own.

Each move is a compare-and-set on id, status and fence that writes the event, and where it must the swap,
in the same statement; on an autocommit connection that statement is the transaction. No row back means
that somebody else moved the order: the caller stops quietly. All times are Postgres's, because leases and
due times are compared between processes whose clocks may differ.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Interval,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement

from oee_daemon.order import FINAL, UNSENT, Event, Order, Side, Status, SwapMode, check
from oee_daemon.swap import SignedSwap
from oee_daemon.tables import order_events, orders, swaps

#: How long a claim holds without a sign of life; extended at every move and every ask.
LEASE = timedelta(seconds=15)
#: A lease or a due time further ahead than this comes from a clock that jumped.
ABSURD = timedelta(seconds=120)
#: The bell and the clock are two: what is due this soon is due.
TOLERANCE = timedelta(milliseconds=20)

_FIELDS = tuple(f.name for f in fields(Order) if f.name != "stale")
_now = func.clock_timestamp()
COLUMNS = [orders.c[name] for name in _FIELDS]
_stale = (orders.c.expires_at <= _now).label("stale")
LIVE_ROWS: ColumnElement[bool] = literal_column(
    f"(NOT status IN ({', '.join(repr(str(s)) for s in sorted(FINAL))}))"
)


def order_of(row: Any) -> Order:
    """The order that a row of `COLUMNS` holds."""
    values = dict(row._mapping)
    values["status"] = Status(values["status"])
    values["side"] = Side(values["side"])
    values["swap_mode"] = SwapMode(values["swap_mode"])
    return Order(**values)


def find(conn: Connection, order_id: UUID) -> Order | None:
    row = conn.execute(select(*COLUMNS, _stale).where(orders.c.id == order_id)).first()
    return None if row is None else order_of(row)


def find_key(conn: Connection, key: str) -> Order | None:
    row = conn.execute(select(*COLUMNS, _stale).where(orders.c.idempotency_key == key)).first()
    return None if row is None else order_of(row)


def lock_key(conn: Connection, key: str) -> None:
    """Makes requests with this key come one after the other until the transaction ends, so that a
    repeat finds the order instead of using up a number. The unique index decides all the same."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def create(conn: Connection, values: dict[str, Any]) -> Order:
    """Inserts the order and its event 1."""
    new = (
        insert(orders)
        .values(
            status=Status.PENDING,
            # One moment for all three, and for event 1.
            created_at=func.statement_timestamp(),
            updated_at=func.statement_timestamp(),
            expires_at=func.statement_timestamp() + timedelta(seconds=values["valid_for_s"]),
            **values,
        )
        .returning(*COLUMNS, _stale)
        .cte("new")
    )
    first = (
        insert(order_events)
        .from_select(
            ["order_id", "seq", "status", "attempt", "at", "data"],
            select(
                new.c.id, new.c.event_seq, new.c.status, new.c.attempt, new.c.created_at, literal({}, JSONB)
            ),
        )
        .cte("first")
    )
    return order_of(conn.execute(select(new).add_cte(first)).one())


def _due() -> ColumnElement[bool]:
    at = orders.c.next_run_at
    return or_(at.is_(None), at <= _now + TOLERANCE, at > _now + ABSURD)


def free() -> ColumnElement[bool]:
    """Nobody holds it, or not any more, or by a clock that jumped."""
    until = orders.c.lease_until
    return or_(until.is_(None), until <= _now, until > _now + ABSURD)


def claim(conn: Connection, order_id: UUID, owner: str, network: str) -> Order | None:
    """Takes the order for `owner`, who must not be working on it already; raises its fence.

    None: it is final, not due, of another network, or held by somebody else.
    """
    o = orders.c
    statement = (
        update(orders)
        .where(o.id == order_id, LIVE_ROWS, o.network == network, _due(), or_(free(), o.lease_owner == owner))
        .values(fence=o.fence + 1, lease_owner=owner, lease_until=_now + LEASE)
        .returning(*COLUMNS, _stale)
    )
    row = conn.execute(statement).first()
    return None if row is None else order_of(row)


def advance(
    conn: Connection,
    order: Order,
    to: Status,
    *,
    data: dict[str, Any] | None = None,
    swap: SignedSwap | None = None,
    swap_ended: str | None = None,
    delay: timedelta | None = None,
    **changes: Any,
) -> Order | None:
    """Moves an order that the caller holds, with its event, in one statement.

    `swap` is stored with it as `signed`, but not past the order's time; `swap_ended` is what its live swap
    becomes. `delay`: when it is due next. None: somebody else moved it, or it is too late to send it;
    nothing was changed. Raises `IllegalMove`.
    """
    check(order.status, to)
    statement = _move(to, tuple(sorted(changes)), swap is not None, swap_ended is not None)
    values: dict[str, Any] = {f"set_{k}": v for k, v in changes.items()}
    values |= {"the_id": order.id, "the_status": order.status, "the_fence": order.fence}
    values |= {"the_data": data or {}, "the_delay": delay or timedelta(0), "the_end": swap_ended}
    if swap is not None:
        values |= {
            "the_signature": swap.signature,
            "the_raw": swap.raw,
            "the_height": swap.last_valid_height,
        }
    row = conn.execute(statement, values).first()
    return None if row is None else order_of(row)


@lru_cache(maxsize=64)
def _move(to: Status, changed: tuple[str, ...], stores_swap: bool, ends_swap: bool) -> Any:
    """The statement of one kind of move; there are about a dozen kinds."""
    o = orders.c
    values: dict[str, Any] = {name: bindparam(f"set_{name}", type_=o[name].type) for name in changed}
    values |= {"status": to.value, "event_seq": o.event_seq + 1, "updated_at": _now}
    if to in FINAL:
        values |= {"finished_at": _now, "next_run_at": None}
    else:
        values["next_run_at"] = _now + bindparam("the_delay", type_=Interval)
    if to in FINAL or to is Status.PENDING:
        # Between attempts nobody holds it: ten at once means ten leases.
        values |= {"lease_owner": None, "lease_until": None, "rung_at": None}
    else:
        values["lease_until"] = _now + LEASE
    moved = (
        update(orders)
        .where(
            o.id == bindparam("the_id"),
            o.status == bindparam("the_status"),
            o.fence == bindparam("the_fence"),
            *([o.expires_at > _now] if stores_swap else []),
        )
        .values(values)
        .returning(*COLUMNS, _stale)
        .cte("moved")
    )
    return _with_event(moved, _swap_cte(moved, stores_swap, ends_swap))


def _swap_cte(moved: Any, stores: bool, ends: bool) -> Any:
    s = swaps.c
    if stores:
        return (
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
        )
    if ends:
        return (
            update(swaps)
            .where(s.order_id == moved.c.id, s.state == "signed")
            .values(state=bindparam("the_end", type_=s.state.type), ended_at=_now)
            .cte("ended")
        )
    return None


def _with_event(moved: Any, swap: Any) -> Any:
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
    statement = select(moved).add_cte(said)
    return statement if swap is None else statement.add_cte(swap)


def extend(conn: Connection, order: Order) -> Order | None:
    """A sign of life: the lease runs anew. None: somebody else holds the order now."""
    o = orders.c
    statement = (
        update(orders)
        .where(o.id == order.id, o.fence == order.fence, o.status == order.status)
        .values(lease_until=_now + LEASE)
        .returning(*COLUMNS, _stale)
    )
    row = conn.execute(statement).first()
    return None if row is None else order_of(row)


def let_go(conn: Connection, order: Order, pause: timedelta) -> None:
    """Gives the order back as it is, due again after `pause`."""
    o = orders.c
    conn.execute(
        update(orders)
        .where(o.id == order.id, o.fence == order.fence, o.status == order.status)
        .values(lease_owner=None, lease_until=None, rung_at=None, next_run_at=_now + pause, asks=o.asks + 1)
    )


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
        .where(o.id == order_id, o.status.in_([s.value for s in UNSENT]))
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
        .returning(*COLUMNS, _stale)
        .cte("moved")
    )
    row = conn.execute(_with_event(moved, None), {"the_data": {}}).first()
    return None if row is None else order_of(row)


def events(conn: Connection, order_id: UUID, after: int = 0) -> list[Event]:
    """The order's events past `after`, in order."""
    e = order_events.c
    found = select(e.order_id, e.seq, e.status, e.attempt, e.at, e.data)
    rows = conn.execute(found.where(e.order_id == order_id, e.seq > after).order_by(e.seq))
    return [Event(r.order_id, r.seq, Status(r.status), r.attempt, r.at, r.data) for r in rows]
