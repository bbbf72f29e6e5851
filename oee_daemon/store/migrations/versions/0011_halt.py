"""An engine can be halted: a row says so, and each worker says that it sends nothing any more."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE halt (
            one INTEGER PRIMARY KEY CONSTRAINT halt_one CHECK (one = 1),
            halted BOOLEAN NOT NULL,
            number BIGINT NOT NULL,
            at timestamptz NOT NULL,
            reason TEXT,
            by TEXT
        )""")
    op.execute("ALTER TABLE workers ADD COLUMN quiet BIGINT")
