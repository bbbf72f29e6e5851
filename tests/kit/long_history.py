"""A long history in which nothing is spread evenly, and what may be asked of it.

Twenty thousand orders: pairs that were traded long ago only, a market that was only ever sold, a status that
one month alone knows, times that disagree with numbers. The tests are in `test_scale`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.listing_sql import Filter

ORDERS = 20_000
#: The last of them have not ended.
LIVE = 12
START = datetime(2026, 1, 1, tzinfo=UTC)

SOL, USDC, MET, WIF, JUP, PYTH, JTO = (
    TOKENS[symbol].mint for symbol in ("SOL", "USDC", "MET", "WIF", "JUP", "PYTH", "JTO")
)
FILL = f"""
INSERT INTO orders (id, number, network, type, side, pair, input_mint, output_mint, amount, swap_mode,
    slippage_bps, valid_for_s, status, filled_in, filled_out, signature, next_run_at, created_at, updated_at,
    finished_at, expires_at)
SELECT gen_random_uuid(), nextval('order_numbers'), 'simulated', 'market', side, base || '/{USDC}',
    CASE side WHEN 'buy' THEN '{USDC}' ELSE base END, CASE side WHEN 'buy' THEN base ELSE '{USDC}' END,
    1000, 'ExactIn', 50, 300, status, filled, filled, 'signature ' || n,
    CASE WHEN ended IS NULL THEN at END, at, at, ended, at + interval '300 s'
FROM (
    SELECT *,
        CASE WHEN base IN ('{JUP}', '{MET}') OR n % 2 = 0 THEN 'sell' ELSE 'buy' END AS side,
        CASE WHEN status = 'confirmed' THEN 1000 END AS filled,
        CASE WHEN n <= {ORDERS - LIVE} THEN at + interval '1 s' END AS ended
    FROM (
        SELECT n,
            CASE WHEN n <= 3000 THEN '{MET}' WHEN n % 5000 = 1 THEN '{WIF}' WHEN n % 10 = 0 THEN '{JUP}'
                ELSE '{SOL}'
                END AS base,
            CASE WHEN n > {ORDERS - LIVE} THEN (ARRAY['pending', 'routing', 'submitted'])[1 + n % 3]
                WHEN n BETWEEN 4000 AND 6000 THEN 'expired' WHEN n % 20 = 7 THEN 'failed'
                WHEN n = 9000 THEN 'cancelled' ELSE 'confirmed' END AS status,
            -- Neighbours disagree by up to 40 places; one hour was lived through twice.
            timestamptz '2026-01-01 00:00:00+00' + (n * 10 + (n * 7919) % 400) * interval '1 s'
                - CASE WHEN n > 12000 THEN interval '1 hour' ELSE interval '0' END AS at
        FROM generate_series(1, {ORDERS}) AS n OFFSET 0
    ) AS drawn
) AS ended;
INSERT INTO order_events SELECT id, 1, status, 1, created_at, '{{}}' FROM orders;
INSERT INTO swaps SELECT id, 1, signature, 'raw', 150, 'landed', created_at FROM orders;
INSERT INTO sim_ledger SELECT signature, CASE WHEN number % 3 = 0 THEN 'rejected' ELSE 'landed' END, NULL, id,
    input_mint, output_mint, '1', '1', '0', number, number FROM orders;
INSERT INTO execution_slots (slot) SELECT generate_series(1, 10);
"""  # noqa: S608  # numbers of this page

AT = START + timedelta(seconds=10 * ORDERS // 2)
LATE = START + timedelta(seconds=10 * (ORDERS - 20)) - timedelta(hours=1)
WHILE = START + timedelta(seconds=9 * ORDERS) - timedelta(hours=1)
FILTERS = {
    "everything": Filter(),
    "failed": Filter(status=("failed",)),
    "expired, which one month alone knows": Filter(status=("expired",)),
    "cancelled, of which there is one": Filter(status=("cancelled",)),
    "confirmed": Filter(status=("confirmed",)),
    "live": Filter(status=("pending", "routing", "building", "submitted")),
    "live or failed": Filter(status=("pending", "failed")),
    "every end": Filter(status=("confirmed", "failed", "cancelled", "expired")),
    "a pair": Filter(pair=f"{SOL}/{USDC}"),
    "a pair of long ago": Filter(pair=f"{MET}/{USDC}"),
    "a rare pair": Filter(pair=f"{WIF}/{USDC}"),
    "a pair that nobody traded": Filter(pair=f"{PYTH}/{JTO}"),
    "a token": Filter(token=JUP),
    "the token of all": Filter(token=USDC),
    "a side": Filter(side="buy"),
    "a type": Filter(type="market"),
    "since": Filter(since=AT),
    "since just now": Filter(since=LATE),
    "since tomorrow": Filter(since=START + timedelta(days=9999)),
    "until": Filter(until=AT),
    "until the beginning": Filter(until=START + timedelta(minutes=9)),
    "a minute long ago": Filter(since=AT, until=AT + timedelta(minutes=1)),
    "failed since just now": Filter(status=("failed",), since=LATE),
    "failed for a while": Filter(status=("failed",), since=WHILE),
    "a pair for a while": Filter(pair=f"{JUP}/{USDC}", since=WHILE),
    "expired since just now": Filter(status=("expired",), since=LATE),
    "a pair and a side": Filter(pair=f"{JUP}/{USDC}", side="sell"),
    "a side that the pair never had": Filter(pair=f"{JUP}/{USDC}", side="buy"),
    "a pair's failed": Filter(pair=f"{MET}/{USDC}", status=("failed",)),
    "a token, a side, an end, a time": Filter(token=SOL, side="buy", status=("failed",), until=AT),
    "a pair until": Filter(pair=f"{SOL}/{USDC}", until=AT),
    "a pair of long ago since just now": Filter(pair=f"{MET}/{USDC}", since=LATE),
}
