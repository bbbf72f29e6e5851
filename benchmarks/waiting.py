"""What a hundred thousand waiting orders cost while they wait, each figure beside the same at a thousand.

Fifty pairs, half of the orders limits and half stops, both sides. Statements are those of the engine, on a
connection like its own; the market is not asked, prices are given. The floor of each line is the same
statement over the smaller number.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

from benchmarks import bench, figures
from oee_daemon.store import leases, migrations, overview_sql, watch_sql
from oee_daemon.store.database import LONG_S, open_database

PAIRS = 50
#: Orders that are made in one statement.
AT_ONCE = 10_000
#: Every limit waits 1 to 2 % away from this, every stop 5 to 6 %.
PRICE = Decimal(100)
_FILL = """
INSERT INTO orders (id, network, type, side, pair, input_mint, output_mint, amount, swap_mode, slippage_bps,
    valid_for_s, status, next_run_at, target_price, limit_price, arm_rule, arm_price, min_receive)
SELECT gen_random_uuid(), 'simulated', CASE WHEN n % 4 < 2 THEN 'limit' ELSE 'stop' END,
    CASE WHEN n % 4 IN (0, 3) THEN 'buy' ELSE 'sell' END, 'base' || n / 4 % 50 || '/quote', 'a', 'b', 1000,
    'ExactIn', 50, 300, 'waiting', NULL, p, p, rule, p, 1
FROM (SELECT n, n % 4 AS rule, 100 + (CASE n % 4 WHEN 0 THEN -1 WHEN 1 THEN 1 WHEN 2 THEN -5 ELSE 5 END)
    * (1 + random()::numeric(6, 5) / 5) AS p FROM generate_series(CAST(:first AS int), :last) n) w
"""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=60)


def ms(times: int, work: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append((time.perf_counter() - begun) * 1000)
    return found


def measured(base: bench.Base, name: str, most: int, times: int) -> dict[str, list[float]]:
    db = open_database(
        base.database(name).replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=2,
        statement_s=LONG_S,
    )
    migrations.migrate(db)
    try:
        with db.connect() as conn:
            for first in range(0, most, AT_ONCE):
                conn.execute(text(_FILL), {"first": first, "last": min(first + AT_ONCE, most) - 1})
            conn.execute(text("VACUUM ANALYZE orders"))
            return of(conn, times)
    finally:
        db.dispose()


def of(conn: Connection, times: int) -> dict[str, list[float]]:
    pairs = [f"base{n}/quote" for n in range(PAIRS)]
    still: dict[str, Any] = {"pairs": pairs, "bids": [PRICE] * PAIRS, "asks": [PRICE] * PAIRS}
    lease = {"owner": "one", "lease": timedelta(seconds=600), "may": True}
    beat: Any = watch_sql.BEAT.first(conn, lease)
    due: dict[str, Any] = {"network": "simulated", "owner": "one", "busy": [], "limit": 10}
    count = {"stuck": 300, "faulty": 3, "most": 10}
    found = {
        "tick that fires none, all pairs": ms(times, lambda: watch_sql.PROBE.all(conn, still)),
        "nearest prices, once a second": ms(times, lambda: watch_sql.POSTS.all(conn)),
        "beat, once a second": ms(times, lambda: watch_sql.BEAT.first(conn, lease)),
        "beat of recovery": ms(times, lambda: leases.due(conn, **due)),
        "count of live orders": ms(max(3, times // 10), lambda: overview_sql.COUNT.all(conn, count)),
    }
    ids = [row[0] for row in conn.execute(text("SELECT id FROM orders WHERE arm_rule = 0 LIMIT 1100"))]
    by_pair: dict[str, list[UUID]] = {}
    for row in conn.execute(text("SELECT id, pair FROM orders WHERE arm_rule = 0 LIMIT :n"), {"n": len(ids)}):
        by_pair.setdefault(row.pair, []).append(row.id)
    one = iter([ids for ids in by_pair.values() if len(ids) > 2][:times])
    found["fire one"] = ms(min(20, len(by_pair)), lambda: fire(conn, next(one)[:1], beat.fence))
    hundred = [order_id for ids in by_pair.values() for order_id in ids[1:]][:100]
    found["fire a hundred"] = ms(1, lambda: fire(conn, hundred, beat.fence))
    return found


def fire(conn: Connection, ids: list[UUID], fence: int) -> None:
    values: dict[str, Any] = {"fence": fence, "price_at": datetime.now(UTC), "max_age": timedelta(seconds=60)}
    values |= {"bid": Decimal(90), "ask": Decimal(90), "ids": ids, "triggers": [Jsonb({})] * len(ids)}
    values |= dict.fromkeys(("limits", "receives", "spends"), [None] * len(ids))
    values["fences"] = [0] * len(ids)
    assert len(watch_sql.FIRE.all(conn, values)) == len(ids)


#: What was promised: milliseconds at most.
PROMISED = {"tick that fires none, all pairs": 1.5, "fire one": 1.0}


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        few = measured(base, "few", told.few, told.times)
        many = measured(base, "many", told.most, told.times)
    lines = []
    for name, values in many.items():
        here, there = statistics.median(values), statistics.median(few[name])
        most = PROMISED.get(name)
        lines.append(
            figures.Figure(
                f"{name}, {told.most:,} waiting against {told.few:,}",
                f"{there:.2f} ms",
                f"{here:.2f} ms",
                f"{here / there:.2f} x",
                "" if most is None else f"at most {most:g} ms",
                None if most is None else here <= most,
            )
        )
    return lines


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__ or ""))
