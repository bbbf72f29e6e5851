"""The paper network's own tables, in the engine's Postgres and out of reach of the engine's statements.

They are made where they are missing, by whoever connects first, and left as they are where an older release
made them. What a row means says `paper_ledger`.
"""

from __future__ import annotations

from sqlalchemy import Engine

from oee_daemon.networks.network_own_ledger import open_tables

#: Any number that is ours.
_LOCK = 0x0EE_9A9E2
_TABLES = """
    CREATE TABLE IF NOT EXISTS paper_balance (
        mint text PRIMARY KEY,
        units numeric NOT NULL CHECK (units >= 0)
    );
    CREATE TABLE IF NOT EXISTS paper_ledger (
        signature text PRIMARY KEY,
        state text NOT NULL CHECK (state IN ('sent', 'landed', 'rejected')),
        due_ms bigint NOT NULL,
        last_height bigint NOT NULL,
        order_id uuid NOT NULL,
        input_mint text NOT NULL,
        output_mint text NOT NULL,
        error text,
        amount_in numeric,
        amount_out numeric,
        network_fee numeric,
        height bigint,
        decided_ms bigint
    );
    CREATE INDEX IF NOT EXISTS paper_ledger_place ON paper_ledger (decided_ms, signature)
        WHERE state = 'landed';
    CREATE TABLE IF NOT EXISTS paper_chain (
        id integer PRIMARY KEY CHECK (id = 1),
        genesis_ms bigint NOT NULL,
        tip bigint NOT NULL DEFAULT 0
    );
"""


def open_schema(url: str) -> Engine:
    """The tables in the Postgres at `url`; connects on first use."""
    return open_tables(url, _TABLES, "paper_chain", _LOCK)
