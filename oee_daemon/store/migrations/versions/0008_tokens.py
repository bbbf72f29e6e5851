"""Tokens that the user adds, or names by their mints, are kept with what the chain says of them."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE tokens (
            mint TEXT PRIMARY KEY,
            symbol TEXT,
            decimals INTEGER NOT NULL CHECK (decimals BETWEEN 0 AND 255),
            facts JSONB NOT NULL,
            accepted TEXT[] NOT NULL DEFAULT '{}',
            added BOOLEAN NOT NULL DEFAULT false,
            made_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE UNIQUE INDEX tokens_symbol ON tokens (lower(symbol))")
