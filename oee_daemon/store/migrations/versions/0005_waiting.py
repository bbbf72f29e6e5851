"""An order that waits for its condition is never due; the wallet's slots have a class.

Whether an order may be claimed is said twice from here on, by its status and by `next_run_at`, and Postgres
holds both to the same.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

SQL = """
DROP INDEX orders_due;
UPDATE orders SET next_run_at = NULL
    WHERE next_run_at IS NOT NULL AND status NOT IN ('building', 'pending', 'routing', 'submitted');
UPDATE orders SET next_run_at = now()
    WHERE next_run_at IS NULL AND status IN ('building', 'pending', 'routing', 'submitted');
UPDATE slots SET order_id = NULL WHERE order_id IN (SELECT id FROM orders WHERE status = 'waiting');
UPDATE orders SET lease_owner = NULL, lease_until = NULL, rung_at = NULL WHERE status = 'waiting';
ALTER TABLE orders ADD CONSTRAINT orders_runnable
    CHECK ((status IN ('building', 'pending', 'routing', 'submitted')) = (next_run_at IS NOT NULL));
CREATE INDEX orders_due ON orders (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE INDEX orders_waiting ON orders (expires_at) WHERE finished_at IS NULL AND next_run_at IS NULL;
ALTER TABLE slots RENAME TO execution_slots;
ALTER TABLE execution_slots ADD COLUMN class TEXT DEFAULT 'market' NOT NULL;
ALTER TABLE execution_slots DROP CONSTRAINT slots_pkey;
ALTER TABLE execution_slots ADD PRIMARY KEY (class, slot);
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
