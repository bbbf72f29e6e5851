"""Orders a second from accept to `confirmed`, waits at 0, beside a floor of the same shape.

The floor (see `floor`) is bare FastAPI, Dramatiq and psycopg on the same servers. Both sides are up all the
time and in turn; while one is measured the other is frozen, so that its idle work takes nothing away.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import psycopg

from benchmarks import bench, figures, load
from benchmarks.floors import Floor

#: Promised: this part of the floor's orders a second.
PROMISED = 0.7

#: Worded as the partial indexes are, ours and the floor's: asking often must not cost anything.
LEFT = """SELECT count(*) FROM orders WHERE finished_at IS NULL
    AND NOT status IN ('cancelled', 'confirmed', 'expired', 'failed')"""
LAST = "SELECT extract(epoch FROM max(finished_at))::float8 FROM orders WHERE created_at >= to_timestamp(%s)"
ENDED = "SELECT count(*) FROM orders WHERE created_at >= to_timestamp(%s) AND status = 'confirmed'"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: where it listens, where its orders are, and its processes."""

    name: str
    socket: str
    database_url: str
    pids: tuple[int, ...]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=2000, help="a round and side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--key", action="store_true", help="send an Idempotency-Key to ours, as the CLI does")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        database_url, redis_url = base.database("ours"), base.redis(1)
        settings = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": redis_url} | bench.NO_WAITS
        with (
            Floor(home, base.database("floor"), base.redis(2), worker=True) as floor,
            bench.Daemon(home / "home", **settings) as daemon,
        ):
            bare = Side("floor", floor.socket, floor.database_url, floor.pids)
            ours = Side("oee", daemon.facts["socket"], database_url, tuple(daemon.pids().values()))
            return _rounds(bare, ours, list(base.pids().values()), told)


def _rounds(bare: Side, ours: Side, servers: list[int], told: argparse.Namespace) -> list[figures.Figure]:
    found: dict[str, list[float]] = {"floor": [], "oee": []}
    for number in range(told.rounds + 1):
        for side, other in ((bare, ours), (ours, bare)):
            # The first round warms both up: statements are prepared, connections made.
            orders = told.orders if number else 200
            with bench.frozen(*other.pids):
                a_second, cpu = _drain(side, servers, orders, told.connections, told.key and side is ours)
            if number:
                found[side.name].append(a_second)
                figures.say(f"round {number}: {side.name} {a_second:.0f} orders a second ({cpu})")
    return [
        figures.ratio(
            "orders a second, waits at 0", found["floor"], found["oee"], "orders/s", at_least=PROMISED
        )
    ]


def _drain(side: Side, servers: list[int], orders: int, connections: int, key: bool) -> tuple[float, str]:
    """From the first POST to the last `confirmed`: orders a second, and what it cost the processor."""

    def make(number: int) -> bytes:
        headers = {"idempotency-key": f"throughput-{time.time_ns()}-{number}"} if key else None
        return load.request("POST", bench.EXECUTE, bench.ORDER, headers)

    before = _spent(side, servers)
    stormed = load.storm(side.socket, make, total=orders, connections=connections)
    with psycopg.connect(bench.plain(side.database_url), autocommit=True) as conn:
        bench.until(lambda: one(conn, LEFT) == 0, 120, "the last order's end", pause=0.05)
        last = one(conn, LAST, stormed.begun)
        ended = one(conn, ENDED, stormed.begun)
    if ended != orders:
        raise RuntimeError(f"{side.name}: {ended} of {orders} orders confirmed")
    spent = [now - then for now, then in zip(_spent(side, servers), before, strict=True)]
    each = " + ".join(f"{1000 * s / orders:.2f}" for s in spent)
    return orders / (last - stormed.begun), f"processor {each} ms an order"


def _spent(side: Side, servers: list[int]) -> list[float]:
    """Processor seconds so far: of the application, the worker and each server with its helpers."""
    return [bench.cpu_s(pid) for pid in side.pids] + [bench.cpu_s(pid, family=True) for pid in servers]


def one(conn: psycopg.Connection, query: str, *values: object) -> float:
    """The one number that the query gives."""
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return float(row[0])


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
