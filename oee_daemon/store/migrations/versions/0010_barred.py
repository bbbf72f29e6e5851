"""An order remembers the venues whose swaps were not signed, and asks them no more."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # Null in all that there are: nothing is written anew.
    op.execute("ALTER TABLE orders ADD COLUMN barred TEXT[], ADD COLUMN fixed_by TEXT")
