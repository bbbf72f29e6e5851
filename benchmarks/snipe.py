"""How late a sniper is: from the millisecond that it was asked for to its event `routing`.

Both by Postgres's clock. Once on an idle engine, and once while market orders hold all ten of their places,
and others wait for one. Each sniper has a moment of its own, and no more run at once than have places. Never
before its moment is no figure: a sniper that begins early ends the run.
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
#: Market orders that are in execution meanwhile, and seconds from one to the next: each takes 0.6 s.
RUNNING, EVERY_S = 10, 0.055
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
            running = threading.Thread(target=_keep_running, args=(daemon, stop))
            running.start()
            try:
                with daemon.client() as client:
                    busy = _late(client, told)
            finally:
                stop.set()
                running.join()
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
        # A third one within 0.6 s would find both places of snipers taken, and wait for one.
        at += timedelta(seconds=random.uniform(0.9, 1.1) * told.every)
    late = []
    for moment, order_id in placed:
        bench.until(lambda: "end" in events.times(client, order_id), 120, "a sniper's end", 0.2)  # noqa: B023
        begun = events.times(client, order_id)["routing"]
        if begun < moment:
            raise RuntimeError(f"sniper {order_id} began {moment - begun} before its moment")
        late.append((begun - moment).total_seconds() * 1000)
    return late


def _keep_running(daemon: bench.Daemon, stop: threading.Event) -> None:
    """Market orders, a little faster than they end. Nobody asks how they are, which would cost more than they
    do."""
    with daemon.client() as client:
        for _ in range(RUNNING):
            client.post(bench.EXECUTE, bench.ORDER)
        while not stop.wait(EVERY_S):
            client.post(bench.EXECUTE, bench.ORDER)


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
