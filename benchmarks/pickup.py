"""How long an idle engine takes to notice an order, and what being idle costs the processor.

From event 1's `at` to that of `routing`, both Postgres's clock, orders one by one with pauses in between
that are drawn, so that no timer is in step with them. The floor is a list of Valkey's that blocks and one
UPDATE, on the same servers. Processor time is that of the idle engine, its servers included.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from functools import partial
from uuid import uuid4

import psycopg
import redis

from benchmarks import bench, events, figures, floor
from benchmarks.floors import BellFloor

#: Promised, milliseconds and percent of a core.
P50_MS, P99_MS, WORKER_PERCENT, ALL_PERCENT = 3.0, 15.0, 1.0, 3.0
#: Seconds for what orders left behind (a flush, a beat) before idleness is measured.
SETTLE_S = 3.0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two orders, on average")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds over which processor time is taken")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        settings = {"OEE_DATABASE_URL": base.database("ours"), "OEE_REDIS_URL": base.redis(1)}
        with (
            BellFloor(home, base.database("floor"), base.redis(2)) as bell,
            bench.Daemon(home / "home", **settings | bench.NO_WAITS) as daemon,
        ):
            own = daemon.pids()
            bare, ours = _pickups(bell, daemon, list(own.values()), told)
            with bench.frozen(*bell.pids):
                cpu = _idle(own | base.pids(), told.idle)
    return [
        figures.limit("idle pick-up, p50", figures.median(ours), "ms", P50_MS, figures.median(bare)),
        figures.limit(
            "idle pick-up, p90", figures.percentile(ours, 90), "ms", None, figures.percentile(bare, 90)
        ),
        figures.limit(
            "idle pick-up, p99", figures.percentile(ours, 99), "ms", P99_MS, figures.percentile(bare, 99)
        ),
        figures.limit("idle, the worker", cpu["worker"], "% of a core", WORKER_PERCENT),
        *[
            figures.limit(f"idle, {name}", used, "% of a core")
            for name, used in cpu.items()
            if name != "worker"
        ],
        figures.limit("idle, all processes", sum(cpu.values()), "% of a core", ALL_PERCENT),
    ]


def _pickups(
    bell: BellFloor, daemon: bench.Daemon, own: list[int], told: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """Milliseconds of the floor's and of ours."""
    bare: list[float] = []
    ours: list[float] = []
    each = max(1, told.orders // told.rounds)
    with (
        psycopg.connect(bell.database_url, autocommit=True, prepare_threshold=0) as conn,
        redis.Redis.from_url(bell.redis_url) as queue,
        daemon.client() as client,
    ):
        # The first of each makes connections and prepares statements.
        client.post(bench.EXECUTE, bench.ORDER)
        _ring(conn, queue)
        time.sleep(SETTLE_S)
        for number in range(told.rounds):
            with bench.frozen(*own):
                placed = []
                for _ in range(max(1, each // 2)):
                    placed.append(_ring(conn, queue))
                    time.sleep(random.uniform(0.5, 1.5) * told.every / 2)
                bare += [
                    bench.until(partial(_picked_up, conn, order_id), 10, "a pick-up") for order_id in placed
                ]
            with bench.frozen(*bell.pids):
                time.sleep(1)
                placed = []
                for _ in range(each):
                    placed.append(client.post(bench.EXECUTE, bench.ORDER)["orderId"])
                    time.sleep(random.uniform(0.5, 1.5) * told.every)
                times = [events.times(client, order_id) for order_id in placed]
                ours += [events.between(moments, "routing") for moments in times]
            figures.say(
                f"round {number + 1}: floor {figures.spread(bare, 'ms')}, oee {figures.spread(ours, 'ms')}"
            )
    return bare, ours


def _ring(conn: psycopg.Connection, queue: redis.Redis) -> str:
    order_id = str(uuid4())
    conn.execute(floor.ACCEPT, (order_id, "SOL", "USDC", 1_500_000_000))
    queue.rpush("bell", order_id)
    return order_id


def _picked_up(conn: psycopg.Connection, order_id: str) -> float | None:
    found = conn.execute(
        """SELECT extract(epoch FROM updated_at - created_at)::float8 * 1000 FROM orders
        WHERE id = %s AND status = 'routing'""",
        (order_id,),
    ).fetchone()
    return None if found is None else float(found[0])


def _idle(parts: dict[str, int], seconds: float) -> dict[str, float]:
    """Percent of a core by part, over `seconds` in which nothing is asked."""
    time.sleep(SETTLE_S)
    before = {name: bench.cpu_s(pid, family=name == "postgres") for name, pid in parts.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    taken = time.monotonic() - begun
    return {
        name: 100 * (bench.cpu_s(pid, family=name == "postgres") - before[name]) / taken
        for name, pid in parts.items()
    }


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
