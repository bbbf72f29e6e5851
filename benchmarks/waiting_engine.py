"""What a whole engine costs while a hundred thousand orders wait in it: the worker's processor and memory,
from a firing to execution, what an order that waits costs to accept, and the time until another leads.

Fifty pairs of the simulated network's tokens, whose prices move because somebody waits for them.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
from sqlalchemy import Connection, text

from benchmarks import bench, events, figures
from benchmarks.load import Client
from benchmarks.memory import pss
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.database import LONG_S, open_database

#: Seconds until what was new to the engine is not.
SETTLE_S = 5.0
PAIRS = [f"{a.mint}/{b.mint}" for a, b in itertools.combinations(TOKENS.values(), 2)][:50]
#: What is waited for by each rule: no price comes so far.
FAR = [Decimal(10) ** -15, Decimal(10) ** 15] * 2
_BODY = {"inputToken": "USDC", "outputToken": "SOL", "amount": "1", "swapMode": "ExactOut"}
#: Of a worker that is gone another takes over, seconds.
TAKE_OVER_S = 3.5
_LEADS = "SELECT owner, fence FROM watch WHERE lease_until > clock_timestamp()"


def measure(told: argparse.Namespace, fill: Callable[..., None]) -> list[figures.Figure]:
    """The figures of this part; `fill` makes orders wait."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        url = base.database("ours")
        settings = {"OEE_DATABASE_URL": url, "OEE_REDIS_URL": base.redis(1)}
        db = open_database(
            url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=2, statement_s=LONG_S
        )
        with bench.Daemon(home / "home", **settings | bench.NO_WAITS) as daemon:
            worker = daemon.pids()["worker"]
            found, before = [], 0.0
            for count in (told.few, told.most):
                with db.connect() as conn:
                    _only(conn, count, fill)
                time.sleep(SETTLE_S)
                begun, at = bench.cpu_s(worker), time.monotonic()
                time.sleep(told.idle)
                share = 100 * (bench.cpu_s(worker) - begun) / (time.monotonic() - at)
                held, most = pss(worker)["all"], 1.5 if count == told.most else None
                found.append(
                    figures.limit(f"idle, the worker, {count:,} waiting", share, "% of a core", most)
                )
                if before:
                    found.append(figures.limit("memory, the worker, more", max(0.0, held - before), "MB", 10))
                before = held
            with daemon.client() as client:
                found += [*_accepted(client, told.fired), *_fired(client, told.fired)]
            found.append(_taken_over(url, daemon, settings))
        db.dispose()
    return found


def _only(conn: Connection, count: int, fill: Callable[..., None]) -> None:
    conn.execute(text("DELETE FROM orders"))
    fill(conn, count, PAIRS, FAR)


def _accepted(client: Client, times: int) -> list[figures.Figure]:
    """In turn: one that trades at once, and one that waits."""
    waits = {"type": "limit", "targetPrice": "100"}
    took: dict[str, list[float]] = {"at once": [], "waits": []}
    for _ in range(times):
        for name, more in (("at once", {}), ("waits", waits)):
            begun = time.perf_counter()
            order: dict[str, Any] = client.post(bench.EXECUTE, _BODY | more)
            took[name].append((time.perf_counter() - begun) * 1000)
            if name == "at once":
                bench.until(lambda: "end" in events.times(client, order["orderId"]), 60, "an end", 0.01)  # noqa: B023
    return [figures.ratio("accept an order that waits", took["at once"], took["waits"], "ms", at_most=1.1)]


def _fired(client: Client, times: int) -> list[figures.Figure]:
    """From the commit that fires an order to the one in which venues are asked."""
    late = []
    for _ in range(times):
        body = _BODY | {"type": "limit", "targetPrice": "1000", "far": True}
        order_id = client.post(bench.EXECUTE, body)["orderId"]
        bench.until(lambda: "end" in events.times(client, order_id), 60, "a firing", 0.1)  # noqa: B023
        late.append(events.between(events.times(client, order_id), "routing"))
    return [
        figures.limit("fired to routing, p50", figures.median(late), "ms", 8),
        figures.limit("… p99", figures.percentile(late, 99), "ms", 30),
    ]


def _taken_over(url: str, daemon: bench.Daemon, settings: dict[str, str], times: int = 6) -> figures.Figure:
    """One of two workers is frozen while it leads."""
    home = daemon.home.with_name("second")
    home.mkdir(mode=0o700)
    shutil.copytree(daemon.home / "wallets", home / "wallets")
    told = bench.environ(**settings | bench.NO_WAITS | {"OEE_HOME": str(home)})
    second = bench.Process(["-P", "-m", "oee_daemon", "worker"], told, home.with_name("second.log"))
    second.start()
    took = []
    try:
        bench.until(lambda: "worker ready" in second.log.read_text(), 60, "the second worker")
        with psycopg.connect(bench.plain(url), autocommit=True) as conn:
            for _ in range(times):
                time.sleep(random.uniform(1.5, 2.5))
                owner, fence = bench.until(lambda: conn.execute(_LEADS).fetchone(), 10, "a leader")
                with bench.frozen(int(owner.split(":")[-2])):
                    begun = time.monotonic()
                    bench.until(lambda: _newer(conn, fence), 10, "another leader", 0.01)  # noqa: B023
                    took.append(time.monotonic() - begun)
    finally:
        second.stop()
    return figures.limit("another leads after the leader froze, longest", max(took), "s", TAKE_OVER_S)


def _newer(conn: psycopg.Connection[Any], fence: int) -> bool:
    row = conn.execute(_LEADS).fetchone()
    return row is not None and row[1] > fence
