"""How an order begins: its row and its event 1, in one statement, with the key that makes a repeat harmless.

What comes at the same time shares the statement. All times are Postgres's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from oee_daemon.contract.status import Status
from oee_daemon.errors import Halted, Unavailable
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.events import Data
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import COLUMNS, Terms
from oee_daemon.store import spending_sql
from oee_daemon.store.halt_row import SHARED_LOCK
from oee_daemon.store.postgres_line import Batch, Line, Row, answered
from oee_daemon.store.predicates import HALTED
from oee_daemon.store.spending_sql import NoRoom, Reserving


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What an order that waits is compared with, and what its event 1 says. `peak`: of a trailing stop."""

    rule: Rule
    price: Decimal | None
    data: Data
    peak: Decimal | None = None
    group: UUID | None = None


@dataclass(frozen=True, slots=True)
class New:
    """One order that is to be placed. `key`: under which it is placed once; `armed`: of one that waits;
    `reserving`: where limits are set."""

    terms: Terms
    key: str | None
    armed: Armed | None = None
    reserving: Reserving | None = None


_GIVEN = ", ".join(("id", "network", "idempotency_key", *COLUMNS))

#: Requests with one key come one after the other until their transaction ends, so that a repeat finds the
#: order instead of using up a number. Whose key another transaction holds is told so, since all of a flight
#: would wait. Between orders the unique index decides all the same; of a group this statement may have begun
#: before it was stored, so that a look of its own is taken once the key is held. One moment for an order's
#: times and for event 1.
_CREATING = f"""
    WITH RECURSIVE asked AS MATERIALIZED (
        SELECT *, ordinality AS n, idempotency_key IS NULL
                OR pg_try_advisory_xact_lock(hashtextextended(idempotency_key, 0)) AS ours,
            idempotency_key IS NULL
                OR row_number() OVER (PARTITION BY idempotency_key ORDER BY ordinality) = 1 AS first
        FROM ROWS FROM (jsonb_populate_recordset(NULL::orders, $1)%(more)s%(limits)s) WITH ORDINALITY
    ), %(room)s new AS (
        INSERT INTO orders ({_GIVEN}, created_at, updated_at, status, %(columns)s)
        SELECT {_GIVEN}, statement_timestamp(), statement_timestamp(), %(values)s
        FROM %(fitting)s
        ORDER BY n
        RETURNING id, event_seq, status, attempt, number, created_at, expires_at, next_run_at
    ), said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT new.id, new.event_seq, new.status, new.attempt, new.created_at, %(data)s
    )%(reserved)s
    {
    answered(f'''
        SELECT n, ours, {HALTED} AS halted, %(told)s
            new.number, new.created_at, new.expires_at, new.next_run_at
        FROM asked LEFT JOIN new USING (id) %(beside)s
        WHERE new.id IS NOT NULL OR NOT ours OR {HALTED} %(or_told)s
    ''')
}
"""  # noqa: S608  # the names are our own columns
_FRESH = f"""asked WHERE ours AND first AND NOT {HALTED}
            AND NOT EXISTS (SELECT FROM orders o WHERE o.idempotency_key = asked.idempotency_key)
            AND NOT EXISTS (SELECT FROM spent_keys s WHERE s.idempotency_key = asked.idempotency_key)
            AND NOT group_has_key(asked.idempotency_key)"""  # noqa: S608
#: Where nobody has set a limit.
_FREE = {"limits": "", "room": "", "fitting": _FRESH, "reserved": "", "told": "", "beside": "", "or_told": ""}
_LIMITED = {
    "limits": spending_sql.ASKED,
    "room": f"""fresh AS MATERIALIZED (
        SELECT *, row_number() OVER (ORDER BY n) AS nth FROM {_FRESH}
    ), {spending_sql.ROOM},""",  # noqa: S608
    "fitting": "fresh WHERE id IN (SELECT id FROM chosen WHERE fits)",
    "reserved": f""", reserving AS (
        SELECT id, usd, units FROM fresh JOIN new USING (id) WHERE usd IS NOT NULL
    ), {spending_sql.RESERVED}""",  # noqa: S608
    "told": "chosen.fits, chosen.day::text, chosen.opened,",
    "beside": "LEFT JOIN chosen USING (id)",
    "or_told": "OR chosen.id IS NOT NULL",
}
_PENDING = {
    "more": "",
    "columns": "expires_at",
    "values": "'pending', statement_timestamp() + make_interval(secs => valid_for_s)",
    "data": "'{}' FROM new",
}
# Before its launch time an order for a price waits for the time alone, and trails nothing.
_ARMED = {
    "more": ", jsonb_to_recordset($1) AS (data jsonb)",
    "columns": "expires_at, next_run_at, group_id, peak, arm_rule, arm_price",
    "values": """'waiting', good_until, NULL, group_id,
            CASE WHEN launch_at > statement_timestamp() THEN NULL ELSE peak END,
            CASE WHEN launch_at > statement_timestamp() THEN 4 ELSE arm_rule END,
            CASE WHEN launch_at > statement_timestamp() THEN NULL ELSE arm_price END""",
    "data": "data FROM new JOIN asked USING (id)",
}
#: What the limits decide of a bound is said with it.
_FIXED, _ARMED_FIXED = (
    stored | {name: f"{stored[name]}, fixed_by" for name in ("columns", "values")}
    for stored in (_PENDING, _ARMED)
)


def _batch(name: str, what: str, kind: Mapping[str, str], limits: Mapping[str, str], lock: str) -> Batch:
    return Batch(f"-- {name}: {what}" + _CREATING % {**kind, **limits}, first=lock)


_PENDING_SAID = (
    "pending orders with their event 1, unless their key is known, or comes twice, or under a halt"
)
_ARMED_SAID = "orders that wait, with their event 1, as create does"
_BOTH_LOCKS = SHARED_LOCK.rstrip() + f", pg_advisory_xact_lock({spending_sql.LOCK})"
# Behind the lock of who halts: what has begun before a halt is stored by the time it returns, or never. Where
# limits are set, one after the other.
_CREATE = _batch("create", _PENDING_SAID, _PENDING, _FREE, SHARED_LOCK)
_PLACE = _batch("place", _ARMED_SAID, _ARMED, _FREE, SHARED_LOCK)
_CREATE_LIMITED = _batch("create_limited", _PENDING_SAID, _FIXED, _LIMITED, _BOTH_LOCKS)
_PLACE_LIMITED = _batch("place_limited", _ARMED_SAID, _ARMED_FIXED, _LIMITED, _BOTH_LOCKS)


async def create(line: Line, order_id: UUID, network: str, new: New) -> Order | None:
    """Inserts the order and its event 1; durable when this returns. None: its key is known, nothing was done.

    Raises `Unavailable` where another transaction holds the key, `Halted`, which its key may be known in
    spite of, and `NoRoom`.
    """
    row = row_of(order_id, network, new)
    stored = await line.ask(batch_of(new.armed is not None, limited=new.reserving is not None), row)
    return None if stored is None else read_stored(stored, row, new)


def batch_of(waits: bool, *, limited: bool) -> Batch:
    """The statement that stores such orders."""
    if waits:
        return _PLACE_LIMITED if limited else _PLACE
    return _CREATE_LIMITED if limited else _CREATE


def row_of(order_id: UUID, network: str, new: New) -> Row:
    """What that statement is asked with."""
    row: Row = new.terms.columns() | {"id": order_id, "network": network, "idempotency_key": new.key}
    if new.reserving is not None:
        row |= new.reserving._asdict()
    if (armed := new.armed) is not None:
        row |= {"arm_rule": armed.rule, "arm_price": armed.price, "peak": armed.peak}
        row |= {"data": armed.data, "group_id": armed.group}
    return row


def read_stored(stored: Row, row: Row, new: New) -> Order:
    """The order that was stored, of the statement's answer. Raises as `create`."""
    if not stored["ours"]:
        raise Unavailable("The same request is under way; nothing was stored by this one. Try again.")
    if stored["halted"]:
        raise Halted
    if new.reserving is not None and not stored["fits"]:
        raise NoRoom(int(stored["day"]), stored["opened"])
    created_at, expires_at, next_run_at = (
        stored[name] and datetime.fromisoformat(stored[name])
        for name in ("created_at", "expires_at", "next_run_at")
    )
    return Order(
        id=row["id"],
        number=stored["number"],
        network=row["network"],
        idempotency_key=new.key,
        status=Status.PENDING if new.armed is None else Status.WAITING,
        group_id=None if new.armed is None else new.armed.group,
        created_at=created_at,
        updated_at=created_at,
        expires_at=expires_at,
        next_run_at=next_run_at,
        **{name: getattr(new.terms, name) for name in COLUMNS},
    )
