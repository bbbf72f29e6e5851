"""Orders that wait for a token to be listed: which, what its pool has to hold, and the risks that are taken."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE orders
            ADD COLUMN token_address TEXT,
            ADD COLUMN min_liquidity BIGINT,
            ADD COLUMN accepted_risks TEXT[]
    """)
    op.execute("CREATE INDEX orders_listed ON orders (token_address) WHERE arm_rule = 5")
