"""What the chosen venue needs to build just the swap that it quoted is kept with the choice."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN route BYTEA")
