"""What a hundred thousand waiting orders cost while they wait, each figure beside the same at a thousand.

Fifty pairs, half of the orders limits and half stops, both sides. Statements are those of the engine, on a
connection like its own; the market is not asked, prices are given. The floor of each line is the same
statement over the smaller number, measured in turn with it. `waiting_engine` has what takes a whole engine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, text

from benchmarks import bench, figures, waiting_engine
from oee_daemon.reads.reads_engine import Overviews
from oee_daemon.store import lease_sql, migrations, overview_sql, watch_sql
from oee_daemon.store.database import LONG_S, open_database
from oee_daemon.store.sql_statement import Statement

PAIRS = 50
#: Orders that are made in one statement, and that one statement fires.
AT_ONCE, FIRED_AT_ONCE = 10_000, 100
#: The price, and what orders wait for by each rule: limits about 1 % away from it, stops about 5 %.
PRICE, NEAR = Decimal(100), [Decimal(99), Decimal(101), Decimal(95), Decimal(105)]
FILL = """
INSERT INTO orders (id, network, type, side, pair, input_mint, output_mint, amount, swap_mode, slippage_bps,
    valid_for_s, status, next_run_at, target_price, limit_price, arm_rule, arm_price, min_receive)
SELECT gen_random_uuid(), 'simulated', CASE WHEN n % 4 < 2 THEN 'limit' ELSE 'stop' END,
    CASE WHEN n % 4 IN (0, 3) THEN 'buy' ELSE 'sell' END, (CAST(:pairs AS text[]))[1 + n / 4 % 50], 'a', 'b',
    1000, 'ExactIn', 50, 300, 'waiting', NULL, p, p, rule, p, 1
FROM (SELECT n, n % 4 AS rule,
        (CAST(:prices AS numeric[]))[1 + n % 4] * (1 + random()::numeric(6, 5) / 500) AS p
    FROM generate_series(CAST(:first AS int), :last) n) w
"""
#: Trailing stops of one pair, each at its peak.
_TRAIL = """
INSERT INTO orders (id, network, type, side, pair, input_mint, output_mint, amount, swap_mode, slippage_bps,
    valid_for_s, status, next_run_at, trail_bps, peak, arm_rule, arm_price)
SELECT gen_random_uuid(), 'simulated', 'stop', 'sell', 'trailed/quote', 'a', 'b', 1000, 'ExactIn', 50, 300,
    'waiting', NULL, 500, 100, 2, 95 FROM generate_series(1, CAST(:count AS int))
"""
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
#: What a beat asks of these, each by itself.
_MOMENTS = Statement("""
    SELECT (SELECT min(expires_at) FROM orders
            WHERE finished_at IS NULL AND next_run_at IS NULL AND expires_at IS NOT NULL),
        (SELECT min(launch_at) FROM orders WHERE arm_rule = 4)
""")
_DUE: dict[str, Any] = {"network": "simulated", "owner": "one", "busy": [], "limit": 10}
_COUNT = {"stuck": 300, "faulty": 3, "most": 10}
_LEASE: dict[str, Any] = {"owner": "one", "lease": timedelta(seconds=100), "may": True}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument(
        "--idle", type=float, default=15.0, help="seconds for which an idle worker is watched"
    )
    parser.add_argument("--fired", type=int, default=30, help="orders that fire one by one")


def fill(conn: Connection, count: int, pairs: Sequence[str], prices: Sequence[Decimal]) -> None:
    """Makes `count` orders wait; `prices`: what for, by rule."""
    for first in range(0, count, AT_ONCE):
        last = min(first + AT_ONCE, count) - 1
        values = {"first": first, "last": last, "pairs": [*pairs], "prices": [*prices]}
        conn.execute(text(FILL), values)
    conn.execute(text("VACUUM ANALYZE orders"))


class Waiting:
    """A database in which so many wait."""

    def __init__(self, base: bench.Base, name: str, count: int) -> None:
        url = base.database(name).replace("postgresql://", "postgresql+psycopg://", 1)
        self.db: Engine = open_database(url, pool_size=4, statement_s=LONG_S)
        migrations.migrate(self.db)
        self.conn = self.db.connect().__enter__()
        fill(self.conn, count, [f"base{n}/quote" for n in range(PAIRS)], NEAR)
        self.lead()
        self.overviews = Overviews(self.db)

    def close(self) -> None:
        self.conn.close()
        self.db.dispose()

    def lead(self) -> None:
        beat: Any = watch_sql.BEAT.first(self.conn, _LEASE)
        self.fence = beat.fence

    def tick(self) -> object:
        pairs = [f"base{n}/quote" for n in range(PAIRS)]
        return watch_sql.PROBE.all(
            self.conn, {"pairs": pairs, "bids": [PRICE] * PAIRS, "asks": [PRICE] * PAIRS}
        )

    def wal(self, work: Callable[[], object]) -> int:
        """Bytes that Postgres writes for it."""
        before = self.conn.execute(text(_WAL)).scalar_one()
        work()
        return int(self.conn.execute(text(_WAL)).scalar_one() - before)

    def ids(self, count: int) -> list[UUID]:
        found = self.conn.execute(text("SELECT id FROM orders WHERE arm_rule = 0 LIMIT :n"), {"n": count})
        return [row[0] for row in found]

    def fire(self, ids: Sequence[UUID]) -> None:
        values: dict[str, Any] = {"fence": self.fence, "price_at": datetime.now(UTC), "ids": [*ids]}
        values |= {"max_age": timedelta(seconds=60), "bid": Decimal(90), "ask": Decimal(90)}
        values |= {"triggers": [Jsonb({})] * len(ids), "fences": [0] * len(ids)}
        values |= dict.fromkeys(("limits", "receives", "spends"), [None] * len(ids))
        assert len(watch_sql.FIRE.all(self.conn, values)) == len(ids)

    def new_high(self, price: Decimal) -> None:
        values = {"bid": price, "ask": price, "pair": "trailed/quote", "fence": self.fence}
        values |= {"price_at": datetime.now(UTC), "max_age": timedelta(seconds=60)}
        watch_sql.PEAKS.run(self.conn, values)

    @contextmanager
    def old_snapshot(self) -> Iterator[None]:
        """As a backup has while it runs."""
        with self.db.connect() as conn:
            conn.execute(text("BEGIN ISOLATION LEVEL REPEATABLE READ"))
            conn.execute(text("SELECT count(*) FROM watch"))
            yield
            conn.execute(text("ROLLBACK"))


#: What is asked again and again, and how often it may be dearer than with the smaller number, at most.
ASKED: dict[str, tuple[Callable[[Waiting], object], float | None]] = {
    "tick that fires none, 50 pairs": (lambda w: w.tick(), 1.3),
    "nearest price of each pair and rule, once a second": (lambda w: watch_sql.POSTS.all(w.conn), None),
    "the leader's beat, once a second": (lambda w: watch_sql.BEAT.first(w.conn, _LEASE), None),
    "next expiry and next launch": (lambda w: _MOMENTS.first(w.conn), None),
    "beat of recovery": (lambda w: lease_sql.due(w.conn, **_DUE), 1.1),
    "count of `oee top`": (lambda w: w.overviews.count(w.conn), 1.3),
    "… of those that wait, once in 10 s": (lambda w: overview_sql.WAITS.first(w.conn), None),
}


def ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def asked(few: Waiting, many: Waiting, times: int) -> list[figures.Figure]:
    """In turn, so that a machine that is slow for a while is slow for both."""
    found = []
    for name, (work, most) in ASKED.items():
        pairs = [(ms(lambda: work(few)), ms(lambda: work(many))) for _ in range(times)]  # noqa: B023
        floor, ours = ([pair[n] for pair in pairs] for n in (0, 1))
        here, there = figures.median(ours), figures.median(floor)
        found.append(
            figures.Figure(
                name, f"{there:.2f} ms", f"{here:.2f} ms",
                f"{here / there:.2f} x (best: {min(ours) / min(floor):.2f} x, {min(ours):.2f} ms)",
                "" if most is None else f"at most {most:g} x", None if most is None else here <= there * most,
            )
        )  # fmt: skip
        if "tick" in name:
            found.append(figures.limit("… p50", here, "ms", 1.5))
            found.append(figures.limit("… best", min(ours), "ms", 1.5))
            found.append(figures.limit("… p99", figures.percentile(ours, 99), "ms", 8))
    written = min(many.wal(many.tick) for _ in range(5))
    return [*found, figures.limit("… writes", written, "bytes of WAL", 0)]


def fired(few: Waiting, many: Waiting, times: int) -> list[figures.Figure]:
    """One by one, a thousand in tens, and what a tick costs after nine thousand, not vacuumed."""

    def tick() -> tuple[float, float]:
        """And the same where nothing has fired, by which a machine that is slow for a while is known."""
        pairs = [(ms(many.tick), ms(few.tick)) for _ in range(times)]
        return figures.median([ours for ours, _ in pairs]), figures.median([bare for _, bare in pairs])

    quiet = tick()
    many.lead()
    ids = many.ids(9_030)
    one = [ms(lambda: many.fire([order_id])) for order_id in ids[:30]]  # noqa: B023
    with many.old_snapshot():
        parts = [ids[n : n + FIRED_AT_ONCE] for n in range(30, len(ids), FIRED_AT_ONCE)]
        took = [ms(lambda: many.fire(part)) for part in parts]  # noqa: B023
        held = tick()
    found = [
        figures.limit("fire one", figures.median(one), "ms", 1),
        figures.limit("… best", min(one), "ms", 1),
        figures.limit("fire a thousand, in tens of a hundred", 10 * figures.median(took), "ms", 150),
        figures.limit("… each statement", figures.median(took), "ms", 20),
        figures.limit("… best", min(took), "ms", 20),
    ]
    for name, (ours, bare) in (("under an old snapshot", held), ("not vacuumed", tick())):
        worse = ours / quiet[0] / (bare / quiet[1])
        found.append(
            figures.Figure(
                f"tick after 9,000 fired, {name}", f"{quiet[0]:.2f} ms", f"{ours:.2f} ms",
                f"{worse:.2f} x", "at most 1.5 x", worse <= 1.5,
            )
        )  # fmt: skip
    return found


def trailed(many: Waiting) -> list[figures.Figure]:
    many.lead()
    found = []
    price = PRICE
    for count, more, most in ((100, 100, 10), (1_000, 900, 60)):
        many.conn.execute(text(_TRAIL), {"count": more})
        took = []
        for _ in range(15):
            price *= Decimal("1.01")
            took.append(ms(lambda: many.new_high(price)))  # noqa: B023
        found.append(
            figures.limit(f"a new high for {count:,} trailing stops", figures.median(took), "ms", most)
        )
        found.append(figures.limit("… best", min(took), "ms", most))
    return found


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        few, many = Waiting(base, "few", told.few), Waiting(base, "many", told.most)
        try:
            lines = [*asked(few, many, told.times), *fired(few, many, told.times), *trailed(many)]
        finally:
            few.close()
            many.close()
    return [*lines, *waiting_engine.measure(told, fill)]


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__ or ""))
