"""What the second release adds to the first: orders that wait, tokens by their mints, and who works on what.

The revisions between the two were in no release. A table of a million orders is written anew here, locked:
10 s of one core, 40 s on a busy machine.

Postgres decides every race by what stands here. `swaps_one_live` and `orders_turn` are the last lines of
defence: an order can't have two swaps that may still land, and of a group no two are beyond waiting. There are
no foreign keys: whoever writes an event or a swap does so from the order's row, in the same statement, and the
checks would cost an eighth of what Postgres does for an order.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0021"
down_revision = "0001"

#: The symbols of the first release become the mints that it meant; any other text is left as it is.
MINTS = {
    "SOL": "So11111111111111111111111111111111111111112",
    "USDC": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "USDT": "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    "JUP": "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN",
    "BONK": "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263",
    "RAY": "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R",
    "WIF": "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm",
    "PYTH": "HZ1JovNiVvGrGNiiYvEozEVgZ58xaU3RKwX8eACQBCt3",
    "JTO": "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL",
    "mSOL": "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So",
    "JitoSOL": "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn",
    "ORCA": "orcaEKTdK7LKz57vaAYr9QeNsVEPfiu6QeMU1kektZE",
    "MET": "METvsvVRapdj9cFLzq4Tr43xK4tAjQfwX76z3n6mWQL",
}


def _mint(text: str) -> str:
    whens = " ".join(f"WHEN '{symbol}' THEN '{mint}'" for symbol, mint in MINTS.items())
    return f"CASE {text} {whens} ELSE {text} END"


_BASE, _QUOTE = (_mint(f"split_part(pair, '/', {n})") for n in (1, 2))

SQL = f"""
ALTER TABLE order_events DROP CONSTRAINT order_events_order_id_fkey;
ALTER TABLE swaps DROP CONSTRAINT swaps_order_id_fkey;
DROP INDEX orders_due;
DROP INDEX orders_leases;

ALTER TABLE orders
    ALTER COLUMN input_token TYPE TEXT USING {_mint("input_token")},
    ALTER COLUMN output_token TYPE TEXT USING {_mint("output_token")},
    ALTER COLUMN pair TYPE TEXT USING {_BASE} || '/' || {_QUOTE},
    -- Nothing is sent after this. Only what waits may have no end.
    ALTER COLUMN expires_at DROP NOT NULL,
    -- The status of an order that moved nothing. Few end so, and only they stand in its index.
    ADD COLUMN missed TEXT
        GENERATED ALWAYS AS (CASE WHEN status IN ('cancelled', 'expired', 'failed') THEN status END) STORED,
    -- How many of its runs ended in a fault of ours, and where the last one did: its pauses grow.
    ADD COLUMN faults INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN fault TEXT,
    -- What the chosen venue needs to build the swap, opaque to everybody else; gone once it is signed.
    ADD COLUMN route BYTEA,
    -- What an order waits for, as it was asked for; prices are quote per base.
    ADD COLUMN target_price NUMERIC,
    ADD COLUMN limit_price NUMERIC,
    ADD COLUMN trail_bps INTEGER,
    ADD COLUMN confirm_ms INTEGER,
    ADD COLUMN launch_at timestamptz,
    -- Until when it waits; null for ever.
    ADD COLUMN good_until timestamptz,
    -- What it waits for now: one comparison, by `conditions.Rule`, and not before `look_at`.
    ADD COLUMN arm_rule SMALLINT,
    ADD COLUMN arm_price NUMERIC,
    ADD COLUMN look_at timestamptz,
    -- The best price that a trailing stop has seen.
    ADD COLUMN peak NUMERIC,
    -- A stop that has fired and now waits for its limit.
    ADD COLUMN latched BOOLEAN DEFAULT false NOT NULL,
    -- How often it fired, when last, and the first attempt of that time.
    ADD COLUMN firings INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN fired_at timestamptz,
    ADD COLUMN first_attempt INTEGER DEFAULT 1 NOT NULL,
    -- How often in a row it came back to wait, and after a rejection on the chain.
    ADD COLUMN returns INTEGER DEFAULT 0 NOT NULL,
    ADD COLUMN rejections INTEGER DEFAULT 0 NOT NULL,
    -- Of those of a group that exclude each other one has the turn.
    ADD COLUMN group_id UUID,
    ADD COLUMN turn UUID,
    -- Venues that built a swap which was not signed; what is barred stays so until the order's end.
    ADD COLUMN barred TEXT[],
    -- Whose quote fixed the bound: where that one is barred, its bound goes with it.
    ADD COLUMN fixed_by TEXT,
    -- The mint that it waits to be listed, the US dollars that its pool has to hold, the risks that are taken.
    ADD COLUMN token_address TEXT,
    ADD COLUMN min_liquidity BIGINT,
    ADD COLUMN accepted_risks TEXT[],
    -- Room on each page for an order's next versions.
    SET (fillfactor = 75);
ALTER TABLE orders RENAME COLUMN input_token TO input_mint;
ALTER TABLE orders RENAME COLUMN output_token TO output_mint;

-- Whether an order may be claimed is said twice, by its status and by `next_run_at`. What waited before, in no
-- release's hands, waits for nothing but its end.
UPDATE orders SET next_run_at = NULL
    WHERE next_run_at IS NOT NULL AND status NOT IN ('building', 'pending', 'routing', 'submitted');
UPDATE orders SET next_run_at = now()
    WHERE next_run_at IS NULL AND status IN ('building', 'pending', 'routing', 'submitted');
UPDATE orders SET lease_owner = NULL, lease_until = NULL, rung_at = NULL, arm_rule = 4 WHERE status = 'waiting';
ALTER TABLE orders
    ADD CONSTRAINT orders_runnable
        CHECK ((status IN ('building', 'pending', 'routing', 'submitted')) = (next_run_at IS NOT NULL)),
    ADD CONSTRAINT orders_armed_waits CHECK ((status = 'waiting') = (arm_rule IS NOT NULL)),
    ADD CONSTRAINT orders_armed_free CHECK (arm_rule IS NULL OR lease_owner IS NULL),
    ADD CONSTRAINT orders_armed CHECK (arm_rule IS NOT NULL OR arm_price IS NULL AND look_at IS NULL),
    ADD CONSTRAINT orders_ends CHECK (next_run_at IS NULL OR expires_at IS NOT NULL),
    ADD CONSTRAINT orders_turn_live CHECK (turn IS NULL OR turn = group_id AND missed IS NULL),
    ADD CONSTRAINT orders_turn_taken
        CHECK (group_id IS NULL OR turn IS NOT NULL OR status NOT IN ('building', 'pending', 'routing'));

-- No index names the status: an update that changes no indexed column leaves every index alone, and so do all
-- moves of an order from its claim to its end.
CREATE INDEX orders_due ON orders (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE INDEX orders_urgent ON orders (next_run_at) WHERE next_run_at IS NOT NULL AND type IN ('sniper', 'stop');
CREATE INDEX orders_waiting ON orders (expires_at) WHERE finished_at IS NULL AND next_run_at IS NULL;
-- What the watcher compares with prices and clocks.
CREATE INDEX orders_armed ON orders (pair, arm_rule, arm_price, number) WHERE arm_price IS NOT NULL;
CREATE INDEX orders_launch ON orders (launch_at) WHERE arm_rule = 4;
CREATE INDEX orders_listed ON orders (token_address) WHERE arm_rule = 5;
CREATE INDEX orders_look ON orders (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX orders_trail ON orders (pair, arm_rule, peak)
    WHERE trail_bps IS NOT NULL AND arm_rule IS NOT NULL;
CREATE INDEX orders_latched ON orders (number) WHERE latched AND arm_rule IS NOT NULL;
CREATE INDEX orders_group ON orders (group_id) WHERE group_id IS NOT NULL;
CREATE UNIQUE INDEX orders_turn ON orders (turn) WHERE turn IS NOT NULL;
-- What ended last: for those who watch, and for what goes by age.
CREATE INDEX orders_ended ON orders (finished_at) WHERE finished_at IS NOT NULL;
-- What listings walk, newest first; see `listing_sql`.
CREATE INDEX orders_created ON orders (created_at, number);
CREATE INDEX orders_market ON orders (pair, side, number);
CREATE INDEX orders_missed ON orders (missed, pair, side, number) WHERE missed IS NOT NULL;

-- The transaction that wrote an event; see `tail_sql`. No event of before that was known has one.
ALTER TABLE order_events ADD COLUMN xact xid8;
ALTER TABLE order_events ALTER COLUMN xact SET DEFAULT pg_current_xact_id();
CREATE INDEX order_events_xact ON order_events (xact) WHERE xact IS NOT NULL;

-- One row for each order that may be in execution at once, in each class numbered from 1. An order in none is
-- not executing. Small and always written: room on each page keeps its updates in place.
CREATE TABLE execution_slots (
    slot INTEGER NOT NULL,
    order_id UUID,
    taken_at timestamptz,
    class TEXT DEFAULT 'market' NOT NULL,
    PRIMARY KEY (class, slot)
) WITH (fillfactor = 50);

-- Orders of which at most one is filled. `turn`: the one that may be executed now; `filled`: that was.
CREATE TABLE order_groups (
    id UUID NOT NULL,
    rule TEXT NOT NULL,
    turn UUID,
    idempotency_key TEXT,
    request_hash BYTEA,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    filled UUID,
    PRIMARY KEY (id),
    UNIQUE (idempotency_key),
    CONSTRAINT order_groups_rule CHECK (rule IN ('oco'))
);
-- Whether a group was placed with a key, as it is at this moment and not when the asking statement began: a
-- volatile function takes a snapshot of its own. Whoever asks holds the key's lock, so that nobody places one
-- meanwhile.
CREATE FUNCTION group_has_key(asked TEXT) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM order_groups WHERE idempotency_key = asked); END $$;

-- Idempotency keys whose orders retention has removed: keys never expire.
CREATE TABLE spent_keys (
    idempotency_key TEXT NOT NULL,
    order_id UUID NOT NULL,
    status TEXT NOT NULL,
    finished_at timestamptz NOT NULL,
    PRIMARY KEY (idempotency_key)
);

-- The one row that says whose database this is; see `engine_row`. `server`, `timeline`: where it was last seen
-- to be, null where it can't say; `newest_fill`: the newest landing of which it is known that the database has
-- its swap, or that it was looked into.
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
-- Live orders that may have been executed without a trace in this database; see `recall`. `chain`: that it may
-- be on; `until`: when another engine may sign for it no more, the one whose copy this is, null where there is
-- none; `last_height`: at which what was signed can land, null until the chain could be asked.
CREATE TABLE doubts (
    order_id UUID NOT NULL,
    chain TEXT NOT NULL,
    until timestamptz,
    last_height BIGINT,
    PRIMARY KEY (order_id)
);
-- Which workers take up what is due, as each says once a second; not logged: see `readiness_sql`. `quiet`: the
-- newest halt for which it has said that it sends nothing. The row without an owner tells that the list, which
-- no crash leaves, is whole; see `halt_row`.
CREATE UNLOGGED TABLE workers (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    seen_at timestamptz NOT NULL,
    quiet BIGINT,
    PRIMARY KEY (owner)
) WITH (fillfactor = 50);
INSERT INTO workers (owner, network, seen_at, quiet) VALUES ('', '', '9999-01-01T00:00:00Z', 0);
-- The one row that says whether the engine is halted; none where it never was. See `halt_row`.
CREATE TABLE halt (
    one INTEGER PRIMARY KEY CONSTRAINT halt_one CHECK (one = 1),
    halted BOOLEAN NOT NULL,
    number BIGINT NOT NULL,
    at timestamptz NOT NULL,
    reason TEXT,
    by TEXT
);

-- Tokens that are not pinned: those that the user added, and those that an order named by a mint. None is ever
-- deleted: by its decimals alone the amounts of past orders can be shown. `symbol` is what the user calls it,
-- `facts` what the chain said of it then (see `engine_token_desk`), `accepted` extensions whose risk was taken.
CREATE TABLE tokens (
    mint TEXT PRIMARY KEY,
    symbol TEXT,
    decimals INTEGER NOT NULL CHECK (decimals BETWEEN 0 AND 255),
    facts JSONB NOT NULL,
    accepted TEXT[] NOT NULL DEFAULT '{{}}',
    added BOOLEAN NOT NULL DEFAULT false,
    made_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX tokens_symbol ON tokens (lower(symbol));

-- The one row that says who watches prices: each new leader raises the fence. `seen_at`: until when somebody
-- did; `fired`: orders, ever, by a price; `deferred`: those whose price is there and which wait for room, and
-- since when there are any; `missed`: looks at an order whose price was there for a little, not for its size.
CREATE TABLE watch (
    one INTEGER NOT NULL,
    owner TEXT NOT NULL,
    fence BIGINT NOT NULL,
    lease_until timestamptz NOT NULL,
    seen_at timestamptz,
    fired BIGINT NOT NULL DEFAULT 0,
    deferred INTEGER NOT NULL DEFAULT 0,
    deferred_since TIMESTAMPTZ,
    missed BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (one),
    CHECK (one = 1)
) WITH (fillfactor = 50);
-- How often orders have gone back to wait, by why.
CREATE TABLE returned (code TEXT PRIMARY KEY, total BIGINT NOT NULL);
-- The newest price of each pair that somebody waits for, as the leader says once a second. `priced_at`: when it
-- was so; null until there is a price.
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
-- Times in which nobody saw a fresh price of a pair that orders waited on. `ended`: null while it lasts; `xact`:
-- the transaction that wrote it, by which it is news.
CREATE TABLE gaps (
    pair TEXT NOT NULL,
    begun timestamptz NOT NULL,
    ended timestamptz,
    reason TEXT NOT NULL,
    xact xid8 DEFAULT pg_current_xact_id(),
    PRIMARY KEY (pair, begun)
);
CREATE INDEX gaps_xact ON gaps (xact) WHERE xact IS NOT NULL;

-- What orders have spent, in millionths of a US dollar, by the minute in which they ended; and what each that has
-- not ended may spend at its worst. `units`: of its input. See `spending_sql`.
CREATE TABLE spent (
    minute timestamptz PRIMARY KEY,
    amount NUMERIC(20, 0) NOT NULL CONSTRAINT spent_amount CHECK (amount >= 0)
);
CREATE TABLE reservations (
    order_id UUID PRIMARY KEY,
    amount NUMERIC(20, 0) NOT NULL,
    units NUMERIC(20, 0) NOT NULL
);
-- Orders whose part in `spent` is in it, for as long as it counts.
CREATE TABLE counted (order_id UUID PRIMARY KEY, minute timestamptz NOT NULL);
-- Up to where each target outside has been told what happens. See `telling_sql`.
CREATE TABLE tellings (
    target TEXT PRIMARY KEY,
    seen TEXT NOT NULL,
    halt BIGINT NOT NULL,
    owner TEXT NOT NULL,
    lease_until timestamptz NOT NULL
);
"""  # noqa: S608  # names of our own


def upgrade() -> None:
    for statement in SQL.split(";\n"):
        if statement.strip():
            op.execute(statement)
    # Of an empty table Postgres would remember that it is empty, and read the first thousands of orders row by
    # row, until it looks again after a minute.
    if op.get_bind().execute(text("SELECT EXISTS (SELECT FROM orders)")).scalar_one():
        op.execute("ANALYZE orders")
