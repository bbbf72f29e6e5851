"""Whose database it is, where it was last seen to be, and orders of which it may have forgotten something.

Both tables are empty until the next start, which writes down what it finds.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

SQL = """
CREATE TABLE engine (
    one INTEGER NOT NULL CHECK (one = 1),
    id UUID NOT NULL,
    network TEXT NOT NULL,
    chain TEXT NOT NULL,
    wallet TEXT NOT NULL,
    server TEXT,
    timeline TEXT,
    newest_fill TEXT,
    PRIMARY KEY (one)
);
CREATE TABLE doubts (
    order_id UUID NOT NULL,
    chain TEXT NOT NULL,
    until timestamptz,
    last_height BIGINT,
    PRIMARY KEY (order_id)
);
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
