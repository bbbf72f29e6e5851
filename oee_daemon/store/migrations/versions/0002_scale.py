"""For a million orders: listings by index, moves that touch none, a limit for the wallet, kept keys.

Events and swaps are written from their order's row, in one statement with it: no foreign key has to say so.

A table of a million orders is written anew here, which takes about half a minute.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"

SQL = """
CREATE TABLE slots (
    slot INTEGER NOT NULL,
    order_id UUID,
    taken_at timestamptz,
    PRIMARY KEY (slot)
) WITH (fillfactor = 50);
CREATE TABLE spent_keys (
    idempotency_key TEXT NOT NULL,
    order_id UUID NOT NULL,
    status TEXT NOT NULL,
    finished_at timestamptz NOT NULL,
    PRIMARY KEY (idempotency_key)
);
ALTER TABLE order_events DROP CONSTRAINT order_events_order_id_fkey;
ALTER TABLE swaps DROP CONSTRAINT swaps_order_id_fkey;
DROP INDEX orders_due;
DROP INDEX orders_leases;
ALTER TABLE orders ADD COLUMN missed TEXT
    GENERATED ALWAYS AS (CASE WHEN status IN ('cancelled', 'expired', 'failed') THEN status END) STORED;
ALTER TABLE orders SET (fillfactor = 75);
CREATE INDEX orders_due ON orders (next_run_at) WHERE finished_at IS NULL;
CREATE INDEX orders_ended ON orders (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX orders_created ON orders (created_at, number);
CREATE INDEX orders_market ON orders (pair, side, number);
CREATE INDEX orders_missed ON orders (missed, pair, side, number) WHERE missed IS NOT NULL;
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
    # Of an empty table Postgres would remember that it is empty, and read the first thousands of orders row by
    # row, until it looks again after a minute.
    if op.get_bind().execute(text("SELECT EXISTS (SELECT FROM orders)")).scalar_one():
        op.execute("ANALYZE orders")
