"""How long an idle engine takes to notice an order, and what being idle costs the processor.

From event 1's `at` to that of `routing`, both Postgres's clock, orders one by one with pauses in between
that are drawn, so that no timer is in step with them. The floor is a list of Valkey's that blocks and one
UPDATE, on the same servers. Processor time is that of the idle engine, its servers included. `--against` asks
another checkout as well, round by round.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping
from functools import partial
from itertools import chain
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
    bench.option_against(parser)


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with (
        bench.folder() as home,
        bench.Base(home / "servers") as base,
        BellFloor(home, base.database("floor"), base.redis(1)) as bell,
        bench.daemons(home, base, told.against, **bench.NO_WAITS) as daemons,
    ):
        pids = {name: daemon.pids() for name, daemon in daemons.items()} | {"floor": {"bell": bell.pids[0]}}
        rounds: dict[str, list[list[float]]] = {name: [] for name in pids}
        own = pids["oee"]
        others = {pid for each in pids.values() for pid in each.values()} - set(own.values())
        _pickups(bell, daemons, pids, rounds, told)
        with bench.frozen(*others):
            cpu = _idle(own | base.pids(), told.idle)
    ours, bare = (list(chain(*rounds[name])) for name in ("oee", "floor"))
    against = []
    if told.against is not None:
        then, now = ([figures.median(each) for each in rounds[n]] for n in (str(told.against), "oee"))
        against.append(figures.ratio(f"idle pick-up, p50, floor: {told.against}", then, now, "ms"))
    return [
        figures.limit("idle pick-up, p50", figures.median(ours), "ms", P50_MS, figures.median(bare)),
        *[
            figures.limit(
                f"idle pick-up, p{n}", figures.percentile(ours, n), "ms", most, figures.percentile(bare, n)
            )
            for n, most in ((90, None), (99, P99_MS))
        ],
        *against,
        figures.limit("idle, the worker", cpu["worker"], "% of a core", WORKER_PERCENT),
        *[
            figures.limit(f"idle, {name}", used, "% of a core")
            for name, used in cpu.items()
            if name != "worker"
        ],
        figures.limit("idle, all processes", sum(cpu.values()), "% of a core", ALL_PERCENT),
    ]


def _pickups(
    bell: BellFloor,
    daemons: Mapping[str, bench.Daemon],
    pids: Mapping[str, Mapping[str, int]],
    rounds: dict[str, list[list[float]]],
    told: argparse.Namespace,
) -> None:
    """Fills `rounds`: milliseconds by side and round."""
    each = max(1, told.orders // told.rounds)
    with (
        psycopg.connect(bell.database_url, autocommit=True, prepare_threshold=0) as conn,
        redis.Redis.from_url(bell.redis_url) as queue,
    ):
        # The first of each makes connections and prepares statements.
        for daemon in daemons.values():
            _ours(daemon, 1, told)
        _ring(conn, queue)
        time.sleep(SETTLE_S)
        for number in range(told.rounds):
            for name, own in pids.items():
                others = {pid for each in pids.values() for pid in each.values()} - set(own.values())
                with bench.frozen(*others):
                    time.sleep(1)
                    if name == "floor":
                        rounds[name].append(_bare(conn, queue, each, told))
                    else:
                        rounds[name].append(_ours(daemons[name], each, told))
            said = [f"{name} {figures.spread(found[-1], 'ms')}" for name, found in rounds.items()]
            figures.say(f"round {number + 1}: {', '.join(said)}")


def _ours(daemon: bench.Daemon, orders: int, told: argparse.Namespace) -> list[float]:
    placed = []
    with daemon.client() as client:
        for _ in range(orders):
            placed.append(client.post(bench.EXECUTE, bench.ORDER)["orderId"])
            time.sleep(random.uniform(0.5, 1.5) * told.every)
        return [events.between(events.times(client, order_id), "routing") for order_id in placed]


def _bare(conn: psycopg.Connection, queue: redis.Redis, orders: int, told: argparse.Namespace) -> list[float]:
    placed = []
    for _ in range(max(1, orders // 2)):
        placed.append(_ring(conn, queue))
        time.sleep(random.uniform(0.5, 1.5) * told.every / 2)
    return [bench.until(partial(_picked_up, conn, order_id), 10, "a pick-up") for order_id in placed]


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
