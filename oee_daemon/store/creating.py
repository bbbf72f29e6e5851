"""How an order begins: its row and its event 1, in one statement, with the key that makes a repeat harmless.

What comes at the same time shares the statement. All times are Postgres's.
"""

from __future__ import annotations

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
from oee_daemon.store.line import Batch, Line, answered
from oee_daemon.store.predicates import HALTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What an order that waits is compared with, and what its event 1 says. `peak`: of a trailing stop."""

    rule: Rule
    price: Decimal | None
    data: Data
    peak: Decimal | None = None
    group: UUID | None = None


_GIVEN = ", ".join(("id", "network", "idempotency_key", *COLUMNS))

#: Requests with one key come one after the other until their transaction ends, so that a repeat finds the
#: order instead of using up a number. Whose key another transaction holds is told so, since all of a flight
#: would wait. The unique index decides all the same. One moment for an order's times and for event 1.
_CREATING = f"""
    WITH asked AS MATERIALIZED (
        SELECT *, ordinality AS n, idempotency_key IS NULL
                OR pg_try_advisory_xact_lock(hashtextextended(idempotency_key, 0)) AS ours,
            idempotency_key IS NULL
                OR row_number() OVER (PARTITION BY idempotency_key ORDER BY ordinality) = 1 AS first
        FROM ROWS FROM (jsonb_populate_recordset(NULL::orders, $1)%(more)s) WITH ORDINALITY
    ), new AS (
        INSERT INTO orders ({_GIVEN}, created_at, updated_at, status, %(columns)s)
        SELECT {_GIVEN}, statement_timestamp(), statement_timestamp(), %(values)s
        FROM asked WHERE ours AND first AND NOT {HALTED}
            AND NOT EXISTS (SELECT FROM orders o WHERE o.idempotency_key = asked.idempotency_key)
            AND NOT EXISTS (SELECT FROM spent_keys s WHERE s.idempotency_key = asked.idempotency_key)
        ORDER BY n
        RETURNING id, event_seq, status, attempt, number, created_at, expires_at, next_run_at
    ), said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT new.id, new.event_seq, new.status, new.attempt, new.created_at, %(data)s
    )
    {
    answered(f'''
        SELECT n, ours, {HALTED} AS halted, new.number, new.created_at, new.expires_at, new.next_run_at
        FROM asked LEFT JOIN new USING (id) WHERE new.id IS NOT NULL OR NOT ours OR {HALTED}
    ''')
}
"""  # noqa: S608  # the names are our own columns
_CREATE = Batch(
    "-- create: pending orders with their event 1, unless their key is known, or comes twice, or under a halt"
    + _CREATING
    % {
        "more": "",
        "columns": "expires_at",
        "values": "'pending', statement_timestamp() + make_interval(secs => valid_for_s)",
        "data": "'{}' FROM new",
    }
)
# Before its launch time an order for a price waits for the time alone.
_PLACE = Batch(
    "-- place: orders that wait, with their event 1, as create does"
    + _CREATING
    % {
        "more": ", jsonb_to_recordset($1) AS (data jsonb)",
        "columns": "expires_at, next_run_at, group_id, peak, arm_rule, arm_price",
        "values": """'waiting', good_until, NULL, group_id, peak,
            CASE WHEN launch_at > statement_timestamp() THEN 4 ELSE arm_rule END,
            CASE WHEN launch_at > statement_timestamp() THEN NULL ELSE arm_price END""",
        "data": "data FROM new JOIN asked USING (id)",
    }
)


async def create(
    line: Line, order_id: UUID, network: str, terms: Terms, key: str | None, armed: Armed | None = None
) -> Order | None:
    """Inserts the order and its event 1; durable when this returns. None: its key is known, nothing was done.

    `armed`: of an order that waits. Raises `Unavailable` where another transaction holds the key, and
    `Halted`, which its key may be known in spite of.
    """
    row = terms.columns() | {"id": order_id, "network": network, "idempotency_key": key}
    if armed is None:
        stored = await line.ask(_CREATE, row)
    else:
        arms = {"arm_rule": armed.rule, "arm_price": armed.price, "peak": armed.peak}
        stored = await line.ask(_PLACE, row | arms | {"data": armed.data, "group_id": armed.group})
    if stored is None:
        return None
    if not stored["ours"]:
        raise Unavailable("The same request is under way; nothing was stored by this one. Try again.")
    if stored["halted"]:
        raise Halted
    created_at, expires_at, next_run_at = (
        stored[name] and datetime.fromisoformat(stored[name])
        for name in ("created_at", "expires_at", "next_run_at")
    )
    return Order(
        id=order_id,
        number=stored["number"],
        network=network,
        idempotency_key=key,
        status=Status.PENDING if armed is None else Status.WAITING,
        group_id=None if armed is None else armed.group,
        created_at=created_at,
        updated_at=created_at,
        expires_at=expires_at,
        next_run_at=next_run_at,
        **{name: getattr(terms, name) for name in COLUMNS},
    )
