"""What an order waits for, who watches its price, and orders that know of each other.

The columns have no values yet, so that no row is written; each index is empty. An order that waited before, in
no release's hands, waits for nothing but its end.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

SQL = """
ALTER TABLE orders
    ALTER COLUMN expires_at DROP NOT NULL,
    ADD COLUMN target_price NUMERIC,
    ADD COLUMN limit_price NUMERIC,
    ADD COLUMN trail_bps INTEGER,
    ADD COLUMN confirm_ms INTEGER,
    ADD COLUMN launch_at timestamptz,
    ADD COLUMN good_until timestamptz,
    ADD COLUMN arm_rule SMALLINT,
    ADD COLUMN arm_price NUMERIC,
    ADD COLUMN look_at timestamptz,
    ADD COLUMN peak NUMERIC,
    ADD COLUMN latched BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN firings INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN fired_at timestamptz,
    ADD COLUMN first_attempt INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN returns INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN rejections INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN group_id UUID,
    ADD COLUMN turn UUID;
UPDATE orders SET arm_rule = 4 WHERE status = 'waiting';
ALTER TABLE orders
    ADD CONSTRAINT orders_armed_waits CHECK ((status = 'waiting') = (arm_rule IS NOT NULL)),
    ADD CONSTRAINT orders_armed_free CHECK (arm_rule IS NULL OR lease_owner IS NULL),
    ADD CONSTRAINT orders_armed CHECK (arm_rule IS NOT NULL OR arm_price IS NULL AND look_at IS NULL),
    ADD CONSTRAINT orders_ends CHECK (next_run_at IS NULL OR expires_at IS NOT NULL),
    ADD CONSTRAINT orders_turn_live CHECK (turn IS NULL OR turn = group_id AND missed IS NULL);
CREATE INDEX orders_armed ON orders (pair, arm_rule, arm_price, number) WHERE arm_price IS NOT NULL;
CREATE INDEX orders_launch ON orders (launch_at) WHERE arm_rule = 4;
CREATE INDEX orders_look ON orders (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX orders_trail ON orders (pair, arm_rule, peak)
    WHERE trail_bps IS NOT NULL AND arm_rule IS NOT NULL;
CREATE INDEX orders_group ON orders (group_id) WHERE group_id IS NOT NULL;
CREATE UNIQUE INDEX orders_turn ON orders (turn) WHERE turn IS NOT NULL;
CREATE TABLE order_groups (
    id UUID NOT NULL,
    rule TEXT NOT NULL,
    turn UUID,
    idempotency_key TEXT,
    request_hash BYTEA,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (idempotency_key),
    CONSTRAINT order_groups_rule CHECK (rule IN ('oco'))
);
CREATE TABLE watch (
    one INTEGER NOT NULL,
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    lease_until timestamptz NOT NULL,
    seen_at timestamptz,
    PRIMARY KEY (one),
    CHECK (one = 1)
) WITH (fillfactor = 50);
CREATE TABLE feeds (
    pair TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    bid NUMERIC,
    ask NUMERIC,
    slot BIGINT,
    priced_at timestamptz,
    cadence_ms INTEGER NOT NULL,
    max_age_ms INTEGER NOT NULL,
    PRIMARY KEY (pair)
) WITH (fillfactor = 50);
CREATE TABLE gaps (
    pair TEXT NOT NULL,
    begun timestamptz NOT NULL,
    ended timestamptz,
    reason TEXT NOT NULL,
    PRIMARY KEY (pair, begun)
);
"""


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
