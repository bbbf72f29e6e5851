"""What can't wait is found among what is due, however much else is."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("""
        CREATE INDEX orders_urgent ON orders (next_run_at)
        WHERE next_run_at IS NOT NULL AND type IN ('sniper', 'stop')
    """)
