"""What a worker's processor time for an order is spent on, by subsystem and by function.

    python -m benchmarks.profile_worker --orders 600

A worker runs in this process on real servers, waits at 0, with orders that were accepted before. Once as
it is, for the true cost of an order and its threads' shares; then under cProfile in every thread with the
thread's own processor clock, so that waiting counts nothing. A profile makes small functions look dearer
than they are: read the shares, and take the cost from the first run. Built-in functions count for the
module that calls them, so psycopg's and Redis's parsers in C count for psycopg and Redis.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import os
import pstats
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import bench, figures
from benchmarks.throughput import LEFT
from oee_daemon import logs
from oee_daemon.engine import engine_worker
from oee_daemon.settings import Settings, load

#: What a path belongs to, the first that is found in it.
SUBSYSTEMS = (
    ("sqlalchemy", "sqlalchemy"), ("psycopg", "psycopg"), ("redis", "/redis/"), ("dramatiq", "dramatiq"),
    ("json", "/json/"), ("logging, ours", "oee_daemon/logs.py"), ("logging", "logging/__init__"),
    ("signing", "oee_daemon/networks/wallet/"), ("signing", "solders"),
    ("ours: the simulated network", "oee_daemon/networks/simulated"),
    ("ours: quotes", "oee_daemon/engine/engine_quotes.py"), ("ours: SQL", "oee_daemon/store"),
    ("ours: the queue", "oee_daemon/queue"), ("ours: execution", "oee_daemon/engine"),
    ("ours: the rest", "oee_daemon/"), ("thread pools", "concurrent/futures"),
    ("threads and queues", "threading.py"), ("threads and queues", "queue.py"),
    ("enum, dataclasses, uuid, decimal", "/enum.py"), ("enum, dataclasses, uuid, decimal", "dataclasses.py"),
    ("enum, dataclasses, uuid, decimal", "/uuid.py"), ("enum, dataclasses, uuid, decimal", "fractions.py"),
)  # fmt: skip


class Profiles:
    """One profile for each thread that begins while it is on."""

    def __init__(self) -> None:
        self._all: list[cProfile.Profile] = []

    def __enter__(self) -> Profiles:
        threading.setprofile(self._begin)
        return self

    def _begin(self, *_: Any) -> None:
        profile = cProfile.Profile(time.thread_time, builtins=False)
        self._all.append(profile)
        # From here on this thread's events go to it instead.
        profile.enable()

    def __exit__(self, *_: object) -> None:
        threading.setprofile(None)

    def stats(self) -> dict[tuple[str, int, str], Any]:
        """Own seconds and calls of each function, all threads together."""
        found: pstats.Stats | None = None
        for profile in self._all:
            profile.create_stats()
            if profile.stats:
                found = pstats.Stats(profile) if found is None else found.add(profile)
        return {} if found is None else found.stats  # type: ignore[attr-defined]


class Run:
    """A worker that drains what was accepted before; its cost and its threads'."""

    def __init__(self, settings: Settings, orders: int) -> None:
        self._settings = settings
        self._orders = orders
        self.cost_ms = 0.0
        self.system_ms = 0.0
        self.a_second = 0.0
        self.threads: dict[str, float] = {}

    def drain(self) -> None:
        assert self._settings.database_url is not None
        working = engine_worker.Worker(self._settings, owner=f"profile:{time.time_ns()}")
        before, wall, idle = os.times(), time.monotonic(), _by_thread()
        working.start()
        with psycopg.connect(bench.plain(self._settings.database_url), autocommit=True) as conn:
            bench.until(lambda: _left(conn) == 0, 300, "the last order's end", pause=0.1)
        after, taken = os.times(), time.monotonic() - wall
        self.threads = {k: s - idle.get(k, 0.0) for k, s in _by_thread().items()}
        working.stop()
        self.cost_ms = 1000 * (after.user - before.user + after.system - before.system) / self._orders
        self.system_ms = 1000 * (after.system - before.system) / self._orders
        self.a_second = self._orders / taken


def _left(conn: psycopg.Connection) -> int:
    row = conn.execute(LEFT.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _by_thread() -> dict[str, float]:
    """Processor seconds of the living threads, by the kind that their name or class tells."""
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        if thread.ident is not None:
            kind = type(thread).__name__ if thread.name.startswith("Thread-") else thread.name
            kind = kind.rstrip("0123456789").rstrip("-_")
            clock = time.pthread_getcpuclockid(thread.ident)
            found[kind] = found.get(kind, 0.0) + time.clock_gettime(clock)
    return found


def _accept(daemon_home: Path, settings: dict[str, str], orders: int) -> None:
    """Places the orders by a daemon whose worker is frozen, then ends both."""
    from benchmarks import load as http

    with bench.Daemon(daemon_home, **settings) as daemon:
        pids = daemon.pids()
        with bench.frozen(pids["worker"]):
            http.storm(
                daemon.facts["socket"],
                lambda _: http.request("POST", bench.EXECUTE, bench.ORDER),
                total=orders,
                connections=8,
            )
            os.kill(pids["daemon"], 9)
            os.kill(pids["worker"], 9)


def subsystem(path: str) -> str:
    for name, part in SUBSYSTEMS:
        if part in path:
            return name
    return "the rest of Python"


def report(stats: dict[tuple[str, int, str], Any], plain: Run, orders: int, top: int) -> str:
    own: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for (path, line, name), (_, count, seconds, *_rest) in stats.items():
        own[subsystem(path)] += seconds
        short = f"{'/'.join(Path(path).parts[-2:])}:{line} {name}"
        functions[short] += seconds
        calls[short] += count
    total = sum(own.values())
    lines = [
        f"{plain.a_second:.0f} orders a second, {plain.cost_ms:.2f} ms of processor an order"
        f" ({plain.system_ms:.2f} ms of it in the kernel); under the profile {1000 * total / orders:.2f} ms",
        "",
        "| subsystem | share | ms an order |",
        "|---|--:|--:|",
    ]
    for name, seconds in _most(own):
        lines.append(f"| {name} | {100 * seconds / total:.1f} % | {plain.cost_ms * seconds / total:.2f} |")
    lines += ["", "| thread | ms of processor an order |", "|---|--:|"]
    lines += [f"| {name} | {1000 * s / orders:.2f} |" for name, s in _most(plain.threads)[:8]]
    lines += ["", "| function | share | calls an order |", "|---|--:|--:|"]
    for name, seconds in _most(functions)[:top]:
        lines.append(f"| `{name}` | {100 * seconds / total:.1f} % | {calls[name] / orders:.1f} |")
    return "\n".join(lines)


def _most(found: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(found.items(), key=lambda item: -item[1])


def _run(
    home: Path, base: bench.Base, number: int, told: argparse.Namespace
) -> tuple[Run, dict[tuple[str, int, str], Any]]:
    """One worker's run on a database of its own; the second one under the profile."""
    given = {"OEE_DATABASE_URL": base.database(home.name), "OEE_REDIS_URL": base.redis(number)}
    given |= bench.NO_WAITS | {"OEE_WORKER_THREADS": str(told.threads), "OEE_HOME": str(home)}
    _accept(home, given, told.orders)
    run = Run(load(given, Path(os.devnull)), told.orders)
    if number == 1:
        run.drain()
        return run, {}
    with Profiles() as profiles:
        run.drain()
    return run, profiles.stats()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--orders", type=int, default=600)
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--top", type=int, default=30, help="functions that are listed")
    told = parser.parse_args()
    with (
        Path(os.devnull).open("w") as nowhere,
        bench.folder() as home,
        bench.Base(home / "servers") as base,
    ):
        # Log lines are made as ever, and cost what they cost; nobody reads them.
        logs.configure("info", nowhere)
        plain, _ = _run(home / "plain", base, 1, told)
        profiled, stats = _run(home / "profiled", base, 2, told)
        figures.say(f"under the profile {profiled.cost_ms:.2f} ms an order")
        logging.getLogger().handlers.clear()
    print(report(stats, plain, told.orders, told.top))
    return 0


if __name__ == "__main__":
    sys.exit(main())
