"""Which order of a group was filled, and that nobody of a group is executed without its turn.

No group was made before, so that the constraint holds of every row.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

SQL = """
ALTER TABLE order_groups ADD COLUMN filled UUID;
ALTER TABLE orders ADD CONSTRAINT orders_turn_taken
    CHECK (group_id IS NULL OR turn IS NOT NULL OR status NOT IN ('building', 'pending', 'routing'));
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
