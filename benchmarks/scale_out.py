"""Two workers against one, and four: orders a second with the simulated waits at their defaults.

Each worker has 10 threads, and the wallet-wide limit of active executions is as many as all of them can
hold. The first worker is the daemon's own; the others are `python -m oee_daemon worker`, which is what
`oee worker` runs, started before each of their rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

import psycopg

from benchmarks import bench, figures, load
from benchmarks.throughput import ENDED, LAST, LEFT, one

#: Promised, two workers against one.
TIMES = 1.9
THREADS = 10


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=200, help="a round; best a multiple of 40")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--four", action=argparse.BooleanOptionalAction, default=True, help="four workers, too"
    )


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        alone, two = _compared(home, base, 2, told.orders, told.rounds)
        found = [
            figures.ratio(
                "two workers, floor: one; OEE_MAX_ACTIVE=20, waits at their defaults",
                alone, two, "orders/s", at_least=TIMES,
            )
        ]  # fmt: skip
        if told.four:
            alone, four = _compared(home, base, 4, told.orders, max(1, told.rounds // 2))
            what = "four workers, floor: one; OEE_MAX_ACTIVE=40"
            found.append(figures.ratio(what, alone, four, "orders/s"))
    return found


def _compared(
    home: Path, base: bench.Base, workers: int, orders: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Orders a second of one worker and of `workers`, in turn."""
    settings = bench.SURE | {
        "OEE_DATABASE_URL": base.database(f"out_{workers}"),
        "OEE_REDIS_URL": base.redis(workers),
        "OEE_WORKER_THREADS": str(THREADS),
        "OEE_MAX_ACTIVE": str(THREADS * workers),
    }
    alone: list[float] = []
    together: list[float] = []
    with bench.Daemon(home / f"home{workers}", **settings) as daemon:
        # Warms the daemon and its worker up.
        _drain(daemon, settings, 2 * THREADS)
        for number in range(rounds):
            alone.append(_drain(daemon, settings, orders))
            with contextlib.ExitStack() as stack:
                for place in range(1, workers):
                    own = home / f"worker{workers}-{number}-{place}"
                    shutil.copytree(home / f"home{workers}" / "wallets", own / "wallets")
                    stack.enter_context(_Worker(own, settings))
                _drain(daemon, settings, 2 * THREADS * workers)
                together.append(_drain(daemon, settings, orders))
            figures.say(
                f"round {number + 1}: one {alone[-1]:.1f}, {workers} workers {together[-1]:.1f} a second"
            )
    return alone, together


class _Worker(bench.Process):
    """One more worker, with a home of its own as on another host."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        told = bench.environ(**(settings | {"OEE_HOME": str(home)}))
        super().__init__(["-P", "-m", "oee_daemon", "worker"], told, home.with_name(home.name + ".log"))

    def __enter__(self) -> _Worker:
        self.start()
        bench.until(lambda: self.pid and "worker ready" in self.log.read_text(), 60, "a worker's start")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _drain(daemon: bench.Daemon, settings: dict[str, str], orders: int) -> float:
    """Orders a second from the first POST to the last `confirmed`."""
    placed = load.storm(
        daemon.facts["socket"],
        lambda _: load.request("POST", bench.EXECUTE, bench.ORDER),
        total=orders,
        connections=8,
    )
    with psycopg.connect(bench.plain(settings["OEE_DATABASE_URL"]), autocommit=True) as conn:
        bench.until(lambda: one(conn, LEFT) == 0, 180, "the last order's end", pause=0.05)
        last, ended = one(conn, LAST, placed.begun), one(conn, ENDED, placed.begun)
    if ended != orders:
        raise RuntimeError(f"{ended} of {orders} orders confirmed")
    return orders / (last - placed.begun)


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
