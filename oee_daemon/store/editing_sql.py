"""The move of an order that waits to other terms: one compare-and-set on `waiting` and on the events it had.

Whoever computed the new bounds did so from the row as it was after that event; where another has moved or
edited the order since, nothing is done. The raised fence tells a watcher that has looked at the order before.
The order keeps its id, number, key, the hash of its first body, and the best price that it trails.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine

from oee_daemon.contract.fields import GIVEN
from oee_daemon.errors import Halted
from oee_daemon.orders.events import Data
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.store import halt_row, spending_sql
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.database import transactions
from oee_daemon.store.engine_row import Where, place
from oee_daemon.store.halt_row import SHARED_LOCK
from oee_daemon.store.order_rows import ORDER, order_row, said
from oee_daemon.store.predicates import EXPIRED, IS_THERE, UNMET, WAITING
from oee_daemon.store.spending_sql import Reserving
from oee_daemon.store.sql_statement import Statement, named_row

#: The columns that an edit may change.
EDITED = tuple(field.column for field in GIVEN if field.edited and field.told)


class Edited(NamedTuple):
    """What an edit stores: the terms, what they are compared with, and what its event says. `trails_on`: the
    order trailed the price before, and goes on from the best one that it has seen."""

    terms: Terms
    armed: Armed
    changes: Data
    trails_on: bool


_LATER = "%(launch_at)s::timestamptz > clock_timestamp()"
_TRAILED = "peak * (10000 + CASE side WHEN 'buy' THEN 1 ELSE -1 END * %(trail_bps)s::int) / 10000"
_EDIT = f"""
    -- edit: other terms for an order while it waits, and what it is compared with from now on
    WITH moved AS (
        UPDATE orders SET {", ".join(f"{name} = %({name})s" for name in EDITED)},
            keeps = %(keeps)s::jsonb, expires_at = %(good_until)s, look_at = NULL,
            fixed_by = coalesce(%(fixed_by)s::text, fixed_by),
            peak = CASE WHEN {_LATER} THEN NULL WHEN %(trails_on)s THEN peak ELSE %(peak)s END,
            arm_rule = CASE WHEN {_LATER} THEN 4 ELSE %(rule)s END,
            arm_price = CASE WHEN {_LATER} THEN NULL WHEN %(trails_on)s THEN coalesce({_TRAILED}, {UNMET})
                ELSE %(price)s END,
            fence = fence + 1, event_seq = event_seq + 1, updated_at = clock_timestamp()
        WHERE id = %(id)s AND status = 'waiting' AND event_seq = %(seen)s AND NOT {EXPIRED}
            AND {IS_THERE}
        RETURNING {ORDER}
    ), {said("%(data)s")}{{beside}}
    SELECT * FROM moved
"""  # noqa: S608  # the names are our own columns
_RESERVED = """, reserved AS (
        INSERT INTO reservations (order_id, amount, units)
        SELECT id, %(usd)s, %(units)s FROM moved
        ON CONFLICT (order_id) DO UPDATE SET amount = EXCLUDED.amount, units = EXCLUDED.units
    )"""
# What it had reserved is of the terms that it had: a limit of the day that is set later values it anew.
_UNRESERVED = """, unreserved AS (
        DELETE FROM reservations r USING moved WHERE r.order_id = moved.id
    )"""
_PLAIN = Statement(_EDIT.format(beside=_UNRESERVED), order_row)
_LIMITED = Statement(_EDIT.format(beside=_RESERVED), order_row)
_MAY_STORE = Statement(SHARED_LOCK)
_OF_DAY = Statement(
    f"""
    -- of_day: what is spent or reserved in the last 24 h by others, and by the order itself
    SELECT {spending_sql.USED_NOW} - own AS others, own
    FROM (SELECT coalesce((SELECT amount FROM reservations WHERE order_id = %(id)s), 0) AS own) r
    """,  # noqa: S608
    named_row,
)
_PEAK = Statement(
    "-- peak: the best price that a trailing stop has seen\nSELECT peak FROM orders WHERE id = %(id)s"
)

# Whom somebody else has in hand at this moment is met again: nobody waits for another while it holds rows.
_ADOPT = Statement(f"""
    -- adopt: the orders that wait are under what is set now; how many are not yet
    WITH others AS MATERIALIZED (
        SELECT id FROM orders
        WHERE network = %(network)s AND {WAITING} AND keeps IS DISTINCT FROM %(keeps)s::jsonb
    ), chosen AS (
        SELECT id FROM orders WHERE id IN (SELECT id FROM others) FOR UPDATE SKIP LOCKED
    ), adopted AS (
        UPDATE orders SET keeps = %(keeps)s::jsonb WHERE id IN (SELECT id FROM chosen) RETURNING id
    )
    SELECT (SELECT count(*) FROM others) - (SELECT count(*) FROM adopted)
""")  # noqa: S608  # a predicate of ours


def adopt(conn: Connection, network: str, keeps: Mapping[str, Any] | None) -> int:
    """Puts the orders that wait under what is set now; how many are still to be."""
    return int(_ADOPT.value(conn, {"network": network, "keeps": keeps and Jsonb(keeps)}))


def peak_of(conn: Connection, order_id: UUID) -> Decimal | None:
    peak: Decimal | None = _PEAK.value(conn, {"id": order_id})
    return peak


def edit(
    db: Engine, order: Order, edited: Edited, reserving: Reserving | None, seen: Where | None = None
) -> Order | None:
    """The order with other terms. None: it has moved since `order` was read, or its time is over, or the
    database is not where it was `seen`, and may have forgotten that the order was executed.

    `reserving`: where limits are set; what the order itself reserves makes room for it, and what asks for no
    more than that always fits. Raises `Halted` and `NoRoom`: nothing was stored.
    """
    terms, armed = edited.terms, edited.armed
    values = {name: getattr(terms, name) for name in EDITED}
    values |= {"id": order.id, "seen": order.event_seq, "rule": armed.rule, "price": armed.price}
    values |= {"peak": armed.peak, "trails_on": edited.trails_on, "data": Jsonb({"edited": edited.changes})}
    values |= place(seen) | {"fixed_by": reserving and reserving.fixed_by}
    values["keeps"] = terms.keeps and Jsonb(terms.keeps)
    with transactions(db).begin() as conn:
        # Behind the lock of who halts, as whatever is accepted; see `halt_row`.
        _MAY_STORE.first(conn)
        if halt_row.read(conn) is not None:
            raise Halted
        if reserving is None:
            return _PLAIN.first(conn, values)
        spending_sql.MAY_SPEND.first(conn)
        day = _OF_DAY.one(conn, {"id": order.id})
        usd, most = reserving.usd, reserving.max_daily
        if usd is None:
            return _PLAIN.first(conn, values)
        if most is not None and usd > day.own and day.others + usd > most:
            raise spending_sql.NoRoom(int(day.others), None)
        return _LIMITED.first(conn, values | {"usd": usd, "units": reserving.units})
