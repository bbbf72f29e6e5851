"""Whether a group was placed with a key, as it is at this moment and not when the asking statement began: a
volatile function takes a snapshot of its own. Whoever asks holds the key's lock, so that nobody places one
meanwhile."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION group_has_key(asked TEXT) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
        BEGIN
            RETURN EXISTS (SELECT FROM order_groups WHERE idempotency_key = asked);
        END $$
    """)
