"""The SQL of orders that were placed while no limit of the day was set: which they are, and that they count.

A reservation makes such an order as any other: `spending_sql.settle` moves what it did spend into its minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine

from oee_daemon.store.database import transactions
from oee_daemon.store.predicates import LIVE
from oee_daemon.store.spending_sql import MAY_SPEND
from oee_daemon.store.sql_statement import Statement

#: Orders that are read at once, and noted in one transaction, for which whoever places waits: a hundred
#: thousand that wait would take longer than any statement may.
AT_ONCE = 2000


class Uncounted(NamedTuple):
    """`spends`: of its input at its worst, or what it did spend; none where its price will tell. `gets`: of
    its output, at least; none where nobody knows yet."""

    number: int
    id: UUID
    ended: bool
    side: str
    trail_bps: int | None
    slippage_bps: int
    input_mint: str
    output_mint: str
    spends: Decimal | None
    gets: Decimal | None


class Valued(NamedTuple):
    """`amount`: in millionths of a US dollar, for so many units of its input; 0: for whatever it spends."""

    id: UUID
    amount: int
    units: int


# Of an order that nobody here can know of the whole counts, as `settle` has it.
_UNCOUNTED = Statement(
    f"""
    -- uncounted: orders that are or may be spent in the last 24 h and that no limit of the day has seen
    WITH found AS MATERIALIZED (
        SELECT * FROM orders WHERE {LIVE}
        UNION ALL
        SELECT * FROM orders WHERE finished_at > clock_timestamp() - interval '24 hours 1 minute'
            AND (status = 'confirmed' OR error ->> 'code' = 'restored_unknown')
    )
    SELECT number, id, finished_at IS NOT NULL AS ended, side, trail_bps, slippage_bps,
        input_mint, output_mint,
        coalesce(filled_in, CASE swap_mode WHEN 'ExactIn' THEN amount ELSE max_spend END) AS spends,
        coalesce(filled_out, CASE swap_mode WHEN 'ExactOut' THEN amount END) AS gets
    FROM found
    WHERE number > %(after)s AND NOT EXISTS (SELECT FROM reservations r WHERE r.order_id = found.id)
        AND NOT EXISTS (SELECT FROM counted c WHERE c.order_id = found.id)
    ORDER BY number LIMIT %(most)s
    """,  # noqa: S608
    class_row(Uncounted),
)
_NOTE = Statement("""
    -- note: reservations of such orders, unless another daemon was first
    INSERT INTO reservations (order_id, amount, units)
    SELECT id, amount, units FROM jsonb_to_recordset(%(valued)s) AS v (id uuid, amount numeric, units numeric)
    WHERE NOT EXISTS (SELECT FROM counted c WHERE c.order_id = v.id)
    ON CONFLICT (order_id) DO NOTHING
""")


def uncounted(conn: Connection, after: int) -> list[Uncounted]:
    """Those with a number past `after`, `AT_ONCE` at most."""
    return _UNCOUNTED.all(conn, {"after": after, "most": AT_ONCE})


def note(db: Engine, valued: Sequence[Valued]) -> None:
    """From now on these count."""
    rows = [{"id": str(v.id), "amount": v.amount, "units": v.units} for v in valued]
    with transactions(db).begin() as conn:
        MAY_SPEND.first(conn)
        _NOTE.run(conn, {"valued": Jsonb(rows)})
