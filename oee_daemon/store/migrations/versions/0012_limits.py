"""What orders have spent is counted by the minute, and what those that have not ended may spend is noted."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE spent (
            minute timestamptz PRIMARY KEY,
            amount NUMERIC(20, 0) NOT NULL CONSTRAINT spent_amount CHECK (amount >= 0)
        )""")
    op.execute("""
        CREATE TABLE reservations (
            order_id UUID PRIMARY KEY,
            amount NUMERIC(20, 0) NOT NULL,
            units NUMERIC(20, 0) NOT NULL
        )""")
