"""The first schema: orders, their events and swaps."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

SQL = """
CREATE SEQUENCE order_numbers;
CREATE TABLE orders (
    id UUID NOT NULL,
    number BIGINT DEFAULT nextval('order_numbers') NOT NULL,
    network TEXT NOT NULL,
    type TEXT NOT NULL,
    side TEXT NOT NULL,
    pair TEXT NOT NULL,
    input_token TEXT NOT NULL,
    output_token TEXT NOT NULL,
    amount NUMERIC(20, 0) NOT NULL,
    swap_mode TEXT NOT NULL,
    slippage_bps INTEGER NOT NULL,
    min_receive NUMERIC(20, 0),
    max_spend NUMERIC(20, 0),
    valid_for_s INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER DEFAULT '1' NOT NULL,
    event_seq INTEGER DEFAULT '1' NOT NULL,
    venue TEXT,
    quote_in NUMERIC(20, 0),
    quote_out NUMERIC(20, 0),
    quote_fee NUMERIC(20, 0),
    filled_in NUMERIC(20, 0),
    filled_out NUMERIC(20, 0),
    fee NUMERIC(20, 0),
    signature TEXT,
    error JSONB,
    idempotency_key TEXT,
    request_hash BYTEA,
    fence BIGINT DEFAULT '0' NOT NULL,
    lease_owner TEXT,
    lease_until timestamptz,
    next_run_at timestamptz DEFAULT now(),
    rung_at timestamptz,
    asks INTEGER DEFAULT '0' NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT orders_status CHECK (status IN ('waiting', 'pending', 'routing', 'building', 'submitted', 'confirmed', 'failed', 'cancelled', 'expired')),
    CONSTRAINT orders_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT orders_swap_mode CHECK (swap_mode IN ('ExactIn', 'ExactOut')),
    CONSTRAINT orders_amount CHECK (amount > 0),
    CONSTRAINT orders_filled CHECK ((status = 'confirmed') = (filled_in IS NOT NULL AND filled_out IS NOT NULL)),
    CONSTRAINT orders_finished CHECK ((NOT status IN ('cancelled', 'confirmed', 'expired', 'failed')) = (finished_at IS NULL)),
    UNIQUE (number),
    UNIQUE (idempotency_key)
);
CREATE INDEX orders_due ON orders (next_run_at) WHERE NOT status IN ('cancelled', 'confirmed', 'expired', 'failed');
CREATE INDEX orders_leases ON orders (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE TABLE order_events (
    order_id UUID NOT NULL,
    seq INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    data JSONB NOT NULL,
    PRIMARY KEY (order_id, seq),
    FOREIGN KEY(order_id) REFERENCES orders (id) ON DELETE CASCADE
);
CREATE TABLE swaps (
    order_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    signature TEXT NOT NULL,
    raw BYTEA NOT NULL,
    last_valid_height BIGINT NOT NULL,
    state TEXT DEFAULT 'signed' NOT NULL,
    signed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (order_id, attempt),
    CONSTRAINT swaps_state CHECK (state IN ('signed', 'landed', 'rejected', 'lapsed')),
    FOREIGN KEY(order_id) REFERENCES orders (id) ON DELETE CASCADE,
    UNIQUE (signature)
);
CREATE UNIQUE INDEX swaps_one_live ON swaps (order_id) WHERE state IN ('signed', 'landed');"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
