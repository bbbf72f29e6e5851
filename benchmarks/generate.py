"""Fills a project's database with past orders, their events, swaps and the simulated chain's ledger.

    python -m benchmarks.generate --database-url URL --orders 1000000

About five events an order; kinds, pairs, sides, modes, prices and ends are mixed as a year of use would.
The same numbers give the same orders, except for their times, which end now. Everything is made inside
Postgres by `INSERT ... SELECT`. Large amounts drop every index and key first and make them again from the
catalogue, so a new index of the schema needs nothing here. Nothing is committed before all of it is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import year
from oee_daemon.networks.simulated.simulated_schema import open_schema
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database

#: From how many orders on indexes are made afterwards.
BULK = 50_000
#: Orders a statement.
BATCH = 100_000
#: Days over which the orders are spread, up to now.
DAYS = 365

PREPARE = """
SET LOCAL synchronous_commit = off;
SET LOCAL maintenance_work_mem = '256MB';
CREATE FUNCTION pg_temp.draw(n bigint, what text) RETURNS double precision IMMUTABLE LANGUAGE sql
    AS $$ SELECT (hashtextextended(what, n) & 1073741823) / 1073741824.0 $$;
CREATE FUNCTION pg_temp.uuid4(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
    AS $$ SELECT overlay(overlay(md5('order' || n) placing '4' from 13) placing 'a' from 17)::uuid $$;
CREATE FUNCTION pg_temp.signature(n bigint, attempt int) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT translate(md5('a' || n || '-' || attempt) || md5('b' || n || '-' || attempt)
        || left(md5('c' || n || '-' || attempt), 24), '0abcdef', 'zAkDxFp') $$;
CREATE TEMP TABLE markets (base text, quote text, base_units numeric, quote_units numeric, price numeric,
    quote_usd numeric, above float, upto float) ON COMMIT DROP;
CREATE TEMP TABLE ends (status text, attempt int, above float, upto float, seqs int, ms bigint)
    ON COMMIT DROP;
CREATE TEMP TABLE steps (status text, attempt int, seq int, step text, at_attempt int, ms bigint)
    ON COMMIT DROP;
"""

#: One batch of orders; `live` of them, the newest, have not ended.
ORDERS = """
INSERT INTO orders (id, number, network, type, side, pair, input_mint, output_mint, amount, swap_mode,
    slippage_bps, min_receive, max_spend, valid_for_s, status, attempt, event_seq, venue, quote_in, quote_out,
    quote_fee, filled_in, filled_out, fee, signature, error, idempotency_key, request_hash, fence,
    next_run_at, created_at, updated_at, finished_at, expires_at)
SELECT pg_temp.uuid4(n), n, 'simulated', 'market', side, base || '/' || quote,
    CASE side WHEN 'buy' THEN quote ELSE base END, CASE side WHEN 'buy' THEN base ELSE quote END,
    CASE mode WHEN 'ExactIn' THEN given ELSE taken END, mode, 50,
    CASE WHEN chosen AND mode = 'ExactIn' THEN ceil(taken * 0.995) END,
    CASE WHEN chosen AND mode = 'ExactOut' THEN floor(given * 1.005) END,
    300, status, attempt, seqs, CASE WHEN chosen THEN venue END, CASE WHEN chosen THEN given END,
    CASE WHEN chosen THEN taken END, CASE WHEN chosen THEN cost END,
    CASE status WHEN 'confirmed' THEN given END, CASE status WHEN 'confirmed' THEN taken END,
    CASE status WHEN 'confirmed' THEN cost END,
    CASE WHEN sent THEN pg_temp.signature(n, attempt) END,
    CASE status WHEN 'failed' THEN jsonb_build_object('code',
        CASE attempt WHEN 1 THEN 'no_route' ELSE 'slippage_exceeded' END, 'message',
        'The price moved beyond the slippage limit before the swap landed.', 'retryable', attempt > 1) END,
    CASE WHEN pg_temp.draw(n, 'key') < 0.9 THEN md5('key' || n) END,
    decode(md5('request' || n) || md5('hash' || n), 'hex'), attempt,
    CASE WHEN final THEN NULL ELSE at END, at, at + ms * interval '1 ms',
    CASE WHEN final THEN at + ms * interval '1 ms' END, at + interval '300 s'
FROM (
    SELECT *,
        status IN ('confirmed', 'failed', 'cancelled', 'expired') AS final,
        status IN ('confirmed', 'building', 'submitted') OR (status = 'failed' AND attempt > 1) AS chosen,
        status IN ('confirmed', 'submitted') OR (status = 'failed' AND attempt > 1) AS sent,
        trunc(given * 0.0025) AS cost
    FROM (
        SELECT d.*, base, quote, status, attempt, seqs, ms,
            %(since)s::timestamptz + (n - %(first)s + at_draw) * %(apart_ms)s * interval '1 ms' AS at,
            CASE side WHEN 'buy' THEN worth ELSE goods END AS given,
            CASE side WHEN 'buy' THEN goods ELSE worth END AS taken
        FROM (
            SELECT n, pg_temp.draw(n, 'market') AS market_draw, pg_temp.draw(n, 'at') AS at_draw,
                CASE WHEN n <= %(last)s - %(live)s THEN pg_temp.draw(n, 'end')
                    ELSE -1 - n %% 4 END AS end_draw,
                (10 ^ (4 * pg_temp.draw(n, 'usd')))::numeric AS usd,
                (0.9 + 0.2 * pg_temp.draw(n, 'price'))::numeric AS swing,
                CASE WHEN pg_temp.draw(n, 'side') < 0.52 THEN 'buy' ELSE 'sell' END AS side,
                CASE WHEN pg_temp.draw(n, 'venue') < 0.55 THEN 'raydium' ELSE 'meteora' END AS venue,
                CASE WHEN pg_temp.draw(n, 'mode') < 0.6 THEN 'ExactIn' ELSE 'ExactOut' END AS mode
            FROM generate_series(%(low)s::bigint, %(high)s::bigint) AS n
            -- Drawn once an order, not once for each row that it is compared with.
            OFFSET 0
        ) AS d
        JOIN markets ON market_draw >= markets.above AND market_draw < markets.upto
        CROSS JOIN LATERAL (VALUES (ceil(usd / quote_usd * quote_units),
            ceil(usd / quote_usd / price * base_units * swing))) AS amounts (worth, goods)
        JOIN ends ON end_draw >= ends.above AND end_draw < ends.upto
    ) AS timed
) AS ended
"""

EVENTS = """
INSERT INTO order_events (order_id, seq, status, attempt, at, data)
SELECT o.id, s.seq, s.step, s.at_attempt, o.created_at + s.ms * interval '1 ms', CASE s.step
    WHEN 'building' THEN jsonb_build_object('venue', venue, 'quotes', jsonb_build_array(
        jsonb_build_object('venue', 'raydium', 'amountIn', quote_in::text, 'amountOut', quote_out::text,
            'price', '140.1716375', 'fee', quote_fee::text, 'priceImpactBps', 1, 'latencyMs', 202,
            'error', NULL),
        jsonb_build_object('venue', 'meteora', 'amountIn', quote_in::text, 'amountOut', quote_out::text,
            'price', '144.218611', 'fee', quote_fee::text, 'priceImpactBps', 2, 'latencyMs', 201,
            'error', NULL)))
    WHEN 'submitted' THEN jsonb_build_object('signature', pg_temp.signature(number, s.at_attempt))
    WHEN 'confirmed' THEN jsonb_build_object('signature', signature, 'filledIn', filled_in::text, 'filledOut',
        filled_out::text, 'price', '144.218611', 'fee', fee::text, 'slot', number)
    WHEN 'failed' THEN jsonb_build_object('error', error, 'quotes', '[]'::jsonb)
    WHEN 'pending' THEN CASE WHEN s.at_attempt = 1 THEN '{}' ELSE jsonb_build_object('retryInMs', 480,
        'error', jsonb_build_object('code', 'slippage_exceeded', 'message', 'The price moved.', 'retryable',
        true), 'quotes', '[]'::jsonb) END
    ELSE '{}' END
FROM orders AS o JOIN steps AS s USING (status)
WHERE s.attempt = o.attempt AND number BETWEEN %(low)s AND %(high)s
"""

SWAPS = """
INSERT INTO swaps (order_id, attempt, signature, raw, last_valid_height, state, signed_at, ended_at)
SELECT o.id, s.at_attempt, pg_temp.signature(number, s.at_attempt),
    decode(repeat(md5('raw' || number), 24), 'hex'), number + 150,
    CASE WHEN s.at_attempt < o.attempt OR status = 'failed' THEN 'rejected'
        WHEN status = 'confirmed' THEN 'landed' ELSE 'signed' END,
    o.created_at + s.ms * interval '1 ms',
    CASE WHEN finished_at IS NOT NULL THEN o.created_at + s.ms * interval '1 ms' + interval '400 ms' END
FROM orders AS o JOIN steps AS s USING (status)
WHERE s.attempt = o.attempt AND s.step = 'submitted' AND number BETWEEN %(low)s AND %(high)s
"""

LEDGER = """
INSERT INTO sim_ledger (signature, state, error, order_id, input_token, output_token, amount_in, amount_out,
    fee, slot, visible_ms)
SELECT pg_temp.signature(number, at_attempt), CASE WHEN landed THEN 'landed' ELSE 'rejected' END,
    CASE WHEN NOT landed THEN 'slippage_exceeded' END, sent.id, input_mint, output_mint, quote_in::text,
    quote_out::text, quote_fee::text, greatest(0, visible_ms - genesis_ms) / 400, visible_ms
FROM (
    SELECT o.*, s.at_attempt, status = 'confirmed' AND s.at_attempt = o.attempt AS landed,
        (extract(epoch FROM created_at) * 1000)::bigint + s.ms + 400 AS visible_ms
    FROM orders AS o JOIN steps AS s USING (status)
    WHERE s.attempt = o.attempt AND s.step = 'submitted' AND finished_at IS NOT NULL
        AND number BETWEEN %(low)s AND %(high)s
) AS sent, sim_chain
"""

TABLES = ("order_events", "swaps", "sim_ledger", "orders")


def quiet(_line: str) -> None:
    """Says nothing."""


def generate(url: str, orders: int, *, live: int = 0, say: Callable[[str], None] = quiet) -> int:
    """Adds `orders` orders to the database at `url`, which is migrated first; returns how many events.

    The last `live` have not ended: they are for looking at plans; a worker that runs there would end them.
    """
    db = open_database(url, pool_size=1)
    try:
        migrations.migrate(db)
    finally:
        db.dispose()
    network = open_schema(url)
    network.connect().close()
    network.dispose()
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as conn:
        with conn.transaction():
            events = _fill(conn, orders, live, say)
        say("vacuum, analyze")
        # As autovacuum would have done: who measures does not measure that.
        conn.execute("VACUUM (ANALYZE)")
    return events


def _fill(conn: psycopg.Connection, orders: int, live: int, say: Callable[[str], None]) -> int:
    conn.execute(PREPARE)
    year.insert(conn)
    first: int = _one(conn, "SELECT coalesce(max(number), 0) + 1 FROM orders")
    last = first + orders - 1
    since = _one(
        conn,
        "SELECT coalesce((SELECT created_at FROM orders WHERE number = %s),"
        " clock_timestamp() - %s * interval '1 day')",
        first - 1,
        DAYS,
    )
    apart = _one(conn, "SELECT extract(epoch FROM clock_timestamp() - %s)::float8 * 1000 / %s", since, orders)
    genesis = (
        "INSERT INTO sim_chain VALUES (1, (extract(epoch FROM %s) * 1000)::bigint) ON CONFLICT DO NOTHING"
    )
    conn.execute(genesis, (since,))
    anew = _drop_indexes(conn) if orders >= BULK else []
    what = {"first": first, "last": last, "live": live, "since": since, "apart_ms": apart}
    events = 0
    for low in range(first, last + 1, BATCH):
        part = what | {"low": low, "high": min(last, low + BATCH - 1)}
        conn.execute(ORDERS, part)
        events += conn.execute(EVENTS, part).rowcount
        conn.execute(SWAPS, part)
        conn.execute(LEDGER, part)
        say(f"{part['high'] - first + 1:,} orders, {events:,} events")
    conn.execute("SELECT setval('order_numbers', %s)", (last,))
    for statement in anew:
        say(statement[:110])
        conn.execute(statement.encode())
    return events


def _one(conn: psycopg.Connection, query: str, *values: object) -> Any:
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def _drop_indexes(conn: psycopg.Connection) -> list[str]:
    """Drops keys and indexes of the tables that are filled; returns what makes them again.

    The one on an order's number stays: the statements find their batch by it.
    """
    again: list[str] = []
    keys = conn.execute(
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype = 'f'
        FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('p', 'u', 'f')
        AND pg_get_constraintdef(oid) <> 'UNIQUE (number)'
        -- Foreign keys first: they lean on the others.
        ORDER BY contype <> 'f'""",
        (list(TABLES),),
    ).fetchall()
    for table, name, definition, foreign in keys:
        conn.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(*map(sql.Identifier, (table, name))))
        made = f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'
        again.insert(len(again) if foreign else 0, made)
    indexes = conn.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
        WHERE indrelid = ANY(%s::regclass[]) AND indexrelid NOT IN (
            SELECT conindid FROM pg_constraint WHERE contype IN ('p', 'u'))""",
        (list(TABLES),),
    ).fetchall()
    for name, definition in indexes:
        conn.execute(f"DROP INDEX {name}".encode())
        again.insert(0, definition)
    return again


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__.split("\n")[0])
    parser.add_argument("--database-url", required=True, help="as OEE_DATABASE_URL; is migrated first")
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--live", type=int, default=0, help="how many of them have not ended")
    parser.add_argument("--quiet", action="store_true")
    told = parser.parse_args()
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", file=sys.stderr, flush=True)

    events = generate(told.database_url, told.orders, live=told.live, say=quiet if told.quiet else say)
    print(f"{told.orders} orders, {events} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
