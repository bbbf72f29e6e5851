"""Gaps in the prices are news, told once; and how many orders have fired is counted. See 0004 of `xact`."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE gaps ADD COLUMN xact xid8")
    op.execute("ALTER TABLE gaps ALTER COLUMN xact SET DEFAULT pg_current_xact_id()")
    op.execute("CREATE INDEX gaps_xact ON gaps (xact) WHERE xact IS NOT NULL")
    op.execute("ALTER TABLE watch ADD COLUMN fired BIGINT NOT NULL DEFAULT 0")
