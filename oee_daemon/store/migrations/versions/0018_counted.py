"""Which orders are counted as spent already, so that a limit of the day can count what came before it was set."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("CREATE TABLE counted (order_id UUID PRIMARY KEY, minute timestamptz NOT NULL)")
    # Of what has ended under a limit so far nobody noted which it was: it is in `spent`, or in no limit.
    op.execute("""
        INSERT INTO counted SELECT id, finished_at FROM orders
        WHERE finished_at > now() - interval '1 day' AND EXISTS (SELECT FROM spent)
            AND NOT EXISTS (SELECT FROM reservations WHERE order_id = id)
    """)
