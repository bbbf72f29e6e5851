"""What protected when an order was accepted, of what each worker has of its own: it binds whoever executes it
later. Null: nothing was set, or an earlier release accepted it; then the settings of who executes it alone hold."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN keeps JSONB")
