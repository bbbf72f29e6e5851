"""What a long history costs: the same questions to a daemon with many past orders and to one with 1,000.

Both run on the same servers, their workers frozen, and are asked in turn; every page has the same number of
rows on both sides. 100,000 orders by default; `--orders 1000000` is what was promised, and takes some
minutes to generate: with `--keep FOLDER` that is done once.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg

from benchmarks import bench, figures, load
from benchmarks.generate import generate
from oee_daemon.store import lease_sql
from oee_daemon.store.database import open_database

#: Promised, against the same with `SMALL` orders.
TIMES = 1.5
SMALL = 1_000
#: What a beat of recovery asks for: twice the threads of a worker.
BEAT = 20

#: What each listing is called, and its query; `{...}` is filled in from the history that is asked.
LISTINGS = (
    ("everything", "limit=20"),
    ("everything, 1,000 a page", "limit=999"),
    ("status=confirmed", "limit=20&status=confirmed"),
    ("status=failed", "limit=20&status=failed"),
    ("status=expired", "limit=20&status=expired"),
    ("status=submitted, of which there is none", "limit=20&status=submitted"),
    ("pair=SOL/USDC", "limit=20&pair=SOL/USDC"),
    ("pair=MET/USDC, 2 %", "limit=10&pair=MET/USDC"),
    ("pair=WIF/USDT, never traded", "limit=20&pair=WIF/USDT"),
    ("token=SOL", "limit=20&token=SOL"),
    ("token=MET, 2 %", "limit=10&token=MET"),
    ("side=sell", "limit=20&side=sell"),
    ("type=market", "limit=20&type=market"),
    ("since a month ago", "limit=20&since={month}"),
    ("until a month ago", "limit=20&until={month}"),
    ("a month, half a year ago", "limit=20&since={half_year}&until={five_months}"),
    ("pair, side and status", "limit=5&pair=SOL/USDC&side=sell&status=failed"),
    ("a page in the middle", "limit=20&cursor={middle}"),
    ("the last page", "limit=20&cursor=21"),
    ("the last page of status=failed", "limit=10&status=failed&cursor={failed}"),
)

WORDS = """
SELECT to_char(now() AT TIME ZONE 'UTC' - days * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM unnest(ARRAY[30, 180, 150]) AS days
UNION ALL SELECT (max(number) / 2)::text FROM orders
UNION ALL SELECT (max(number) + 1)::text FROM (
    SELECT number FROM orders WHERE status = 'failed' ORDER BY number LIMIT 10) AS first
"""

#: Two hundred orders, spread over all of the history.
SAMPLE = "SELECT id::text FROM orders WHERE number % (SELECT greatest(1, max(number) / 200) FROM orders) = 0"

#: A question: asks once.
Ask = Callable[[], object]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=30, help="how often each question is asked, a side")
    parser.add_argument("--keep", type=Path, help="a folder for the servers' data, used again if it is there")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as folder, contextlib.ExitStack() as stack:
        base = stack.enter_context(bench.Base(told.keep or folder / "servers"))
        databases = {orders: base.database(f"history_{orders}") for orders in (SMALL, told.orders)}
        daemons = []
        for number, (orders, database_url) in enumerate(databases.items(), 1):
            _fill(database_url, orders)
            settings = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": base.redis(number)}
            daemon = bench.Daemon(folder / f"home{number}", **settings | bench.NO_WAITS)
            stack.enter_context(daemon)
            stack.enter_context(bench.frozen(daemon.pids()["worker"]))
            daemons.append((daemon, database_url))
        # Last: an idle connection is closed after a while.
        sides = [_questions(daemon, database_url, stack) for daemon, database_url in daemons]
        small, large = sides
        return [_compared(what, small[what], large[what], told) for what in small]


def _fill(database_url: str, orders: int) -> None:
    """Generates the history if the database has none, and lets Postgres write it out."""
    with psycopg.connect(bench.plain(database_url), autocommit=True) as conn:
        if conn.execute("SELECT to_regclass('orders')").fetchone() != (None,):
            row = conn.execute("SELECT count(*) FROM orders").fetchone()
            if row is not None and row[0] >= orders:
                return
    begun = time.monotonic()
    events = generate(database_url, orders, say=figures.say if orders > SMALL else lambda _: None)
    with psycopg.connect(bench.plain(database_url), autocommit=True) as conn:
        conn.execute("CHECKPOINT")
    figures.say(f"{orders:,} orders, {events:,} events made in {time.monotonic() - begun:.0f} s")


def _questions(daemon: bench.Daemon, database_url: str, stack: contextlib.ExitStack) -> dict[str, Ask]:
    """Everything that is asked of one history; in this order, since accepting adds to it."""
    client = stack.enter_context(daemon.client())
    db = open_database(database_url, pool_size=1)
    stack.callback(db.dispose)
    with psycopg.connect(bench.plain(database_url), autocommit=True) as conn:
        row = [found[0] for found in conn.execute(WORDS.encode()).fetchall()]
        ids = [found[0] for found in conn.execute(SAMPLE.encode()).fetchall()]
    names = ("month", "half_year", "five_months", "middle", "failed")
    words = {name: quote(text) for name, text in zip(names, row, strict=True)}
    draw = random.Random(7)

    def beat() -> None:
        with db.connect() as conn:
            lease_sql.due(conn, network="simulated", owner="benchmark", busy=[], limit=BEAT)

    def get(path: str) -> Ask:
        sent = load.request("GET", path)
        return lambda: _answered(client, sent)

    asked: dict[str, Ask] = {
        f"list, {what}": get("/api/orders?" + query.format(**words)) for what, query in LISTINGS
    }
    asked["one order with its events"] = lambda: client.get(f"/api/orders/{draw.choice(ids)}")
    asked["one order by 8 characters"] = lambda: client.get(f"/api/orders/{draw.choice(ids)[:8]}")
    asked["fills, the newest"] = get("/api/fills?limit=20")
    asked["fills of an order"] = lambda: client.get(f"/api/fills?orderId={draw.choice(ids)}")
    asked["status of the daemon"] = get("/api/status")
    asked["a beat of recovery"] = beat
    asked["accept"] = lambda: client.post(bench.EXECUTE, bench.ORDER)
    return asked


def _answered(client: load.Client, sent: bytes) -> None:
    status, body = client.exchange(sent)
    if status != 200:
        raise RuntimeError(f"{status} {body[:300]!r}")


def _compared(what: str, small: Ask, large: Ask, told: argparse.Namespace) -> figures.Figure:
    """In turn, so that both have the same machine. The first three of each fill caches."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(told.times + 3):
        for ask, column in zip((small, large), took, strict=True):
            begun = time.perf_counter()
            ask()
            if number >= 3:
                column.append(1000 * (time.perf_counter() - begun))
    bare, ours = figures.median(took[0]), figures.median(took[1])
    figures.say(f"{what}: {bare:.2f} and {ours:.2f} ms")
    return figures.Figure(
        f"{what}: 1,000 and {told.orders:,} orders", f"{bare:.2f} ms", f"{ours:.2f} ms",
        f"{ours / bare:.2f} x", f"at most {TIMES:g} x", ours <= TIMES * bare,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
