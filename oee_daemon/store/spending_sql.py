"""The SQL of limits: orders that are created only where there is room for them, and what the last 24 h spent.

Amounts are in millionths of a US dollar. What an order may spend at its worst is reserved in the statement
that inserts it, under one lock, and stays reserved for as long as it has not ended. Then `settle` writes what
it did spend into the bucket of the minute in which it ended, which counts for 24 h. Used is the sum of both:
never too little, whenever an order that waits fires. Where no limit is set nothing here runs.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from psycopg.rows import class_row
from sqlalchemy import Connection, Engine

from oee_daemon.store.database import transactions
from oee_daemon.store.predicates import LIVE
from oee_daemon.store.sql_statement import Statement

#: Any number that is ours: who reserves waits for who reserves.
LOCK = 0x0EE_11A1
MAY_SPEND = Statement(f"-- may_spend: one after the other\nSELECT pg_advisory_xact_lock({LOCK})")
#: A bucket is over when its last moment is 24 h ago.
COUNTS = "minute > clock_timestamp() - interval '24 hours 1 minute'"
#: Of `reserving (id, usd, units)`: what each order reserves.
RESERVED = """noted AS (
        INSERT INTO reservations (order_id, amount, units) SELECT id, usd, units FROM reserving
    )"""
_RESERVED_NOW = "(SELECT coalesce(sum(amount), 0) FROM reservations)"
_SPENT_NOW = f"(SELECT coalesce(sum(amount), 0) FROM spent WHERE {COUNTS})"  # noqa: S608
#: What counts for the last 24 h.
USED_NOW = f"{_SPENT_NOW} + {_RESERVED_NOW}"


class Reserving(NamedTuple):
    """What an order is worth at its worst, of how much input, and what there has to be room in; none: no such
    limit, or the order does not count for it. `fixed_by`: the order's, where the limits made its bound."""

    usd: int | None
    units: int
    max_daily: int | None
    max_open: int | None
    fixed_by: str | None = None


class NoRoom(Exception):
    """`spent`: in the last 24 h; `open`: orders that have not ended, where that is limited."""

    def __init__(self, spent: int, opened: int | None) -> None:
        super().__init__()
        self.spent, self.opened = spent, opened


#: What a limited request is asked with beside its order.
ASKED = ", jsonb_to_recordset($1) AS (usd numeric, units numeric, max_daily numeric, max_open int)"
#: Of `fresh`, the requests that are new in their order: which of them fit. Each finds what those before it
#: have taken; one for which there is no room takes none.
ROOM = f"""room AS MATERIALIZED (
        SELECT {USED_NOW} AS day,
            CASE WHEN EXISTS (SELECT FROM fresh WHERE max_open IS NOT NULL)
                THEN (SELECT count(*) FROM orders WHERE {LIVE}) END AS opened
    ), chosen AS (
        SELECT 0::bigint AS nth, NULL::uuid AS id, day, opened, false AS fits FROM room
        UNION ALL
        SELECT f.nth, f.id, c.day + CASE WHEN it.fits THEN coalesce(usd, 0) ELSE 0 END,
            c.opened + it.fits::int, it.fits
        FROM chosen c JOIN fresh f ON f.nth = c.nth + 1 CROSS JOIN LATERAL (
            SELECT (max_daily IS NULL OR c.day + usd <= max_daily)
                AND (max_open IS NULL OR c.opened < max_open) AS fits
        ) it
    )"""  # noqa: S608  # the names are our own columns


class Bucket(NamedTuple):
    """What orders that ended in one minute have spent."""

    minute: datetime
    amount: Decimal


class Use(NamedTuple):
    """`spent`: in the last 24 h; `reserved`: by orders that have not ended, of which there are `opened`;
    `now`: by Postgres's clock."""

    spent: Decimal
    reserved: Decimal
    opened: int
    now: datetime


# Of an order that nobody here can know of, the whole counts as spent.
_SETTLE = Statement("""
    -- settle: of orders that have ended, what they have spent
    WITH ended AS (
        DELETE FROM reservations r USING orders o
        WHERE o.id = r.order_id AND o.finished_at IS NOT NULL
        RETURNING o.id, date_trunc('minute', o.finished_at) AS minute, CASE
            WHEN o.status = 'confirmed' THEN ceil(r.amount * coalesce(o.filled_in / nullif(r.units, 0), 1))
            WHEN o.error ->> 'code' = 'restored_unknown' THEN r.amount ELSE 0 END AS spent
    ), noted AS (
        INSERT INTO counted (order_id, minute) SELECT id, minute FROM ended WHERE spent > 0
    )
    INSERT INTO spent (minute, amount)
    SELECT minute, sum(spent) FROM ended GROUP BY minute HAVING sum(spent) > 0
    ON CONFLICT (minute) DO UPDATE SET amount = spent.amount + EXCLUDED.amount
""")
_FORGET = Statement("""
    -- forget: what counts no more
    WITH noted AS (DELETE FROM counted WHERE minute < now() - interval '2 days')
    DELETE FROM spent WHERE minute < now() - interval '2 days'
""")
# Retention removes orders a day after their end at the earliest: what they spent counts no more.
_FORGET_REMOVED = Statement("""
    -- forget_removed: of orders that are no longer kept
    DELETE FROM reservations r WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = r.order_id)
""")
_BUCKETS = Statement(
    f"-- buckets: that count, the oldest first\nSELECT minute, amount FROM spent WHERE {COUNTS}"
    " AND amount > 0 ORDER BY minute",
    class_row(Bucket),
)
_USE = Statement(
    f"""
    -- use: of all limits
    SELECT {_SPENT_NOW} AS spent,
        {_RESERVED_NOW} AS reserved,
        (SELECT count(*) FROM orders WHERE {LIVE}) AS opened, clock_timestamp() AS now
    """,  # noqa: S608
    class_row(Use),
)


def settle(db: Engine) -> None:
    """Counts what orders that have ended did spend, in place of what they had reserved."""
    with transactions(db).begin() as conn:
        MAY_SPEND.first(conn)
        _SETTLE.run(conn)
        _FORGET.run(conn)
        _FORGET_REMOVED.run(conn)


def buckets(conn: Connection) -> list[Bucket]:
    """Those of the last 24 h, the oldest first."""
    return _BUCKETS.all(conn)


def use(conn: Connection) -> Use:
    return _USE.one(conn)
