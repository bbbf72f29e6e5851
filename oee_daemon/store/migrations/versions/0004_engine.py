"""Faults of an order are counted, workers say that they are there, and events can be read by commit.

`xact` is the transaction that wrote an event: what has been committed since a look is what that look's snapshot
did not see. Events from before have none, and nothing is written anew.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

SQL = """
ALTER TABLE orders ADD COLUMN faults INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE orders ADD COLUMN fault TEXT;
ALTER TABLE order_events ADD COLUMN xact xid8;
ALTER TABLE order_events ALTER COLUMN xact SET DEFAULT pg_current_xact_id();
CREATE INDEX order_events_xact ON order_events (xact) WHERE xact IS NOT NULL;
CREATE UNLOGGED TABLE workers (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (owner)
) WITH (fillfactor = 50);
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
