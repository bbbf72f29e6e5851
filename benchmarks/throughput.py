"""Orders a second from accept to `confirmed`, waits at 0, and what an order costs each process.

    python -m benchmarks.throughput                     beside a floor of the same shape
    python -m benchmarks.throughput --against ../other  also beside a checkout with its own `.venv`

The floor (see `floor`) is bare FastAPI, Dramatiq and psycopg on the same servers. All sides are up all the
time and in turn; while one is measured the others are frozen, so that their idle work takes nothing away. On
a machine that others use as well, processor time an order says most, and orders a second least.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psycopg

from benchmarks import bench, figures, load
from benchmarks.floors import Floor

#: Promised: this part of the floor's orders a second.
PROMISED = 0.7
#: Orders that warm a side up: statements are prepared, connections made.
WARM = 200

#: Worded as the partial indexes are, ours and the floor's: asking often must not cost anything.
LEFT = """SELECT count(*) FROM orders WHERE finished_at IS NULL
    AND NOT status IN ('cancelled', 'confirmed', 'expired', 'failed')"""
LAST = "SELECT extract(epoch FROM max(finished_at))::float8 FROM orders WHERE created_at >= to_timestamp(%s)"
ENDED = "SELECT count(*) FROM orders WHERE created_at >= to_timestamp(%s) AND status = 'confirmed'"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of a side gave. Milliseconds, but for `a_second`; `cost` is of the processor, an order,
    by process."""

    a_second: float
    p50: float
    p99: float
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Side:
    """One that is measured: where it listens, where its orders are, and its processes by their names."""

    name: str
    socket: str
    database_url: str
    pids: Mapping[str, int]
    rounds: list[Round] = field(default_factory=list)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=1000, help="a round and side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--key", action="store_true", help="send an Idempotency-Key to ours, as the CLI does")
    bench.option_against(parser)
    parser.add_argument("--no-floor", action="store_true", help="only what --against names, and ours")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base, contextlib.ExitStack() as stack:
        sides = []
        if not told.no_floor:
            floor = stack.enter_context(Floor(home, base.database("floor"), base.redis(1), worker=True))
            pids = dict(zip(("daemon", "worker"), floor.pids, strict=True))
            sides.append(Side("floor", floor.socket, floor.database_url, pids))
        daemons = stack.enter_context(bench.daemons(home, base, told.against, **bench.NO_WAITS))
        for name, daemon in daemons.items():
            sides.append(Side(name, daemon.facts["socket"], daemon.database_url, daemon.pids()))
        _measure_rounds(sides, base.pids(), told)
    *others, ours = sides
    return [figure for other in others for figure in _figures(other, ours)]


def _measure_rounds(sides: list[Side], servers: Mapping[str, int], told: argparse.Namespace) -> None:
    for number in range(told.rounds + 1):
        for side in sides:
            others = [pid for other in sides if other is not side for pid in other.pids.values()]
            with bench.frozen(*others):
                key = told.key and side.name != "floor"
                found = _drain(side, servers, told.orders if number else WARM, told.clients, key)
            if number:
                side.rounds.append(found)
                cost = ", ".join(f"{name} {ms:.2f}" for name, ms in found.cost.items())
                figures.say(
                    f"round {number}: {side.name} {found.a_second:.0f} orders a second, accepted in"
                    f" {found.p50:.0f} / {found.p99:.0f} ms (p50 / p99); processor, ms an order: {cost}"
                )


def _drain(side: Side, servers: Mapping[str, int], orders: int, clients: int, key: bool) -> Round:
    """From the first POST to the last `confirmed`."""

    def make(number: int) -> bytes:
        headers = {"idempotency-key": f"throughput-{time.time_ns()}-{number}"} if key else None
        return load.request("POST", bench.EXECUTE, bench.ORDER, headers)

    before, mine = _spent(side, servers), time.process_time()
    stormed = load.storm(side.socket, make, total=orders, connections=clients)
    mine = time.process_time() - mine
    with psycopg.connect(bench.plain(side.database_url), autocommit=True) as conn:
        bench.until(lambda: one(conn, LEFT) == 0, 120, "the last order's end", pause=0.05)
        last = one(conn, LAST, stormed.begun)
        ended = one(conn, ENDED, stormed.begun)
    if ended != orders:
        raise RuntimeError(f"{side.name}: {ended} of {orders} orders confirmed")
    spent = {"client": mine} | {name: now - before[name] for name, now in _spent(side, servers).items()}
    return Round(
        a_second=orders / (last - stormed.begun),
        p50=1000 * figures.percentile(stormed.seconds, 50),
        p99=1000 * figures.percentile(stormed.seconds, 99),
        cost={name: 1000 * seconds / orders for name, seconds in spent.items()},
    )


def _spent(side: Side, servers: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds so far: of the daemon, its worker, and each server with its helpers."""
    found = {name: bench.cpu_s(pid) for name, pid in side.pids.items()}
    return found | {name: bench.cpu_s(pid, family=True) for name, pid in servers.items()}


def _figures(bare: Side, ours: Side) -> list[figures.Figure]:
    beside = "" if bare.name == "floor" else f", floor: {bare.name}"

    def row(what: str, of: Callable[[Round], float], unit: str = "ms") -> figures.Figure:
        floor, project = ([of(each) for each in side.rounds] for side in (bare, ours))
        at_least = PROMISED if unit == "orders/s" and not beside else None
        return figures.ratio(what + beside, floor, project, unit, at_least=at_least)

    return [
        row("orders a second", lambda r: r.a_second, "orders/s"),
        row("accept p50", lambda r: r.p50),
        row("accept p99", lambda r: r.p99),
        row("processor time an order, all processes", lambda r: sum(r.cost.values())),
        *(row(f"processor time an order, {n}", lambda r, n=n: r.cost[n]) for n in ours.rounds[0].cost),
    ]


def one(conn: psycopg.Connection, query: str, *values: object) -> float:
    """The one number that the query gives."""
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return float(row[0])


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
