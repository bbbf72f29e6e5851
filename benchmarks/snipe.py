"""How late a sniper is: from the millisecond that it was asked for to its event `routing`.

Both by Postgres's clock. Once on an idle engine, and once while ten market orders are in execution all the
time, which hold all places and threads that they can. Each sniper has a moment of its own. Never before its
moment is no figure: a sniper that begins early ends the run.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
from datetime import UTC, datetime, timedelta

from benchmarks import bench, events, figures
from benchmarks.load import Client

#: Promised, milliseconds.
IDLE_P50_MS, IDLE_P99_MS, BUSY_P99_MS = 3.0, 20.0, 50.0
#: Market orders that are in execution meanwhile.
RUNNING = 10
#: Seconds from placing to the first moment: whoever prepares has the time that a person gives.
AHEAD_S = 5.0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--every", type=float, default=0.4, help="seconds between two moments, on average")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        settings = {"OEE_DATABASE_URL": base.database("ours"), "OEE_REDIS_URL": base.redis(1)}
        with bench.Daemon(home / "home", **settings | bench.SURE) as daemon:
            with daemon.client() as client:
                idle = _late(client, told)
            figures.say(f"idle: {figures.spread(idle, 'ms')}")
            stop = threading.Event()
            running = [threading.Thread(target=_keep_running, args=(daemon, stop)) for _ in range(RUNNING)]
            for thread in running:
                thread.start()
            try:
                with daemon.client() as client:
                    busy = _late(client, told)
            finally:
                stop.set()
                for thread in running:
                    thread.join()
            figures.say(f"ten orders running: {figures.spread(busy, 'ms')}")
    return [
        figures.limit("snipe, moment to routing, idle, p50", figures.median(idle), "ms", IDLE_P50_MS),
        figures.limit("… p99", figures.percentile(idle, 99), "ms", IDLE_P99_MS),
        figures.limit("snipe, ten orders running, p50", figures.median(busy), "ms"),
        figures.limit("… p99", figures.percentile(busy, 99), "ms", BUSY_P99_MS),
    ]


def _late(client: Client, told: argparse.Namespace) -> list[float]:
    """By how many milliseconds each was late."""
    at = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
    placed = []
    for _ in range(told.runs):
        order = {"type": "sniper", "inputToken": "USDC", "outputToken": "JUP", "amount": 100}
        placed.append((at, client.post(bench.EXECUTE, order | {"launchTime": at.isoformat()})["orderId"]))
        at += timedelta(seconds=random.uniform(0.5, 1.5) * told.every)
    late = []
    for moment, order_id in placed:
        bench.until(lambda: "end" in events.times(client, order_id), 120, "a sniper's end", 0.2)  # noqa: B023
        begun = events.times(client, order_id)["routing"]
        if begun < moment:
            raise RuntimeError(f"sniper {order_id} began {moment - begun} before its moment")
        late.append((begun - moment).total_seconds() * 1000)
    return late


def _keep_running(daemon: bench.Daemon, stop: threading.Event) -> None:
    """One market order after the other."""
    with daemon.client() as client:
        while not stop.is_set():
            order_id = client.post(bench.EXECUTE, bench.ORDER)["orderId"]
            bench.until(lambda: "end" in events.times(client, order_id), 60, "an order's end", 0.05)  # noqa: B023


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
