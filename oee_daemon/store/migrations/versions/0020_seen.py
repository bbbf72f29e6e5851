"""What the watch over prices could not fire yet and narrowly missed, why orders came back, and which stops wait
at their limit."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE watch
            ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN deferred_since TIMESTAMPTZ,
            ADD COLUMN missed BIGINT NOT NULL DEFAULT 0
    """)
    op.execute("CREATE TABLE returned (code TEXT PRIMARY KEY, total BIGINT NOT NULL)")
    op.execute("CREATE INDEX orders_latched ON orders (number) WHERE latched AND arm_rule IS NOT NULL")
