"""Who is told what happens while nobody looks, up to where each of them has been told."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE tellings (
            target TEXT PRIMARY KEY,
            seen TEXT NOT NULL,
            halt BIGINT NOT NULL,
            owner TEXT NOT NULL,
            lease_until timestamptz NOT NULL
        )""")
