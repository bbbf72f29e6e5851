"""Two hundred WebSocket clients on busy orders: how long an event takes from its commit to a client.

Half of them watch every order, half one order each, and are replaced as their orders end. Delays are from an
event's `at` to its last byte, for events that happened after the client was let in; one machine, one clock.
Then once more with one reader besides that has stopped reading, which must cost the others nothing. The
floor is a bare FastAPI hub that passes on what is published on Valkey, to as many clients that watch all.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime

import redis

from benchmarks import bench, figures
from benchmarks.floors import HubFloor
from benchmarks.memory import pss
from benchmarks.sockets import Reader, Readers

STREAM = "/api/orders/stream"
#: Orders that live long enough for somebody to watch: milliseconds, and as many at once as are wanted.
BUSY = {
    "OEE_SIM_LATENCY_MS": "200",
    "OEE_SIM_CONFIRM_MS": "1500",
    "OEE_SIM_FAILURE_RATE": "0",
    "OEE_WORKER_THREADS": "40",
    "OEE_MAX_ACTIVE": "40",
}
#: Seconds that an order lives by these, and events that it has.
LIFE_S, EVENTS = 1.75, 5
#: Promised to the others where one reader stops: nothing. More than this is more than the rounds differ.
STOPPED_TIMES = 1.25


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=3.0, help="orders a second")
    parser.add_argument("--orders", type=int, default=30, help="a run; there are four")


@dataclass(slots=True)
class Watched:
    """One run: milliseconds of those on every order and on one; messages; the daemon's megabytes."""

    every: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    memory: float = 0.0


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        settings = BUSY | {"OEE_DATABASE_URL": base.database("ours"), "OEE_REDIS_URL": base.redis(1)}
        with HubFloor(home, base.redis(2)) as hub:
            bare = _bare(hub, told)
        with bench.Daemon(home / "home", **settings) as daemon:
            _watched(daemon, told, clients=2, orders=10, stopped=False)
            before = pss(daemon.pids()["daemon"])["all"]
            runs = {False: Watched(), True: Watched()}
            for stopped in (False, True, True, False):
                found = _watched(daemon, told, clients=told.clients, orders=told.orders, stopped=stopped)
                runs[stopped].every += found.every
                runs[stopped].one += found.one
                runs[stopped].memory = max(runs[stopped].memory, found.memory)
    return _figures(bare, runs[False], runs[True], before, told.clients)


def _figures(
    bare: list[float], usual: Watched, stopped: Watched, before: float, clients: int
) -> list[figures.Figure]:
    found = []
    for what, values, other in (
        (f"{clients // 2} clients on every order", usual.every, stopped.every),
        (f"{clients // 2} on one order each", usual.one, stopped.one),
    ):
        found += [
            figures.limit(f"delay, {what}, p50", figures.median(values), "ms", None, figures.median(bare)),
            figures.limit(f"delay, {what}, p99", _p99(values), "ms", None, _p99(bare)),
            figures.ratio(
                "the same, p50, with a reader that stopped (floor: without)", [figures.median(values)],
                [figures.median(other)], "ms", at_most=STOPPED_TIMES,
            ),
        ]  # fmt: skip
    growth = usual.memory - before
    return [
        *found,
        figures.limit(f"memory of the daemon for {clients} clients", growth, "MB", None, before),
        figures.limit("the same with a reader that stopped", stopped.memory - before, "MB", None, before),
    ]


def _p99(values: list[float]) -> float:
    return figures.percentile(values, 99)


def _watched(
    daemon: bench.Daemon, told: argparse.Namespace, *, clients: int, orders: int, stopped: bool
) -> Watched:
    """Places orders at a steady rate before so many clients."""
    path, pid, found = daemon.facts["socket"], daemon.pids()["daemon"], Watched()
    # As many on each order as makes half of the clients at any time.
    each = max(1, round(clients / 2 / (told.rate * LIFE_S)))
    still = Reader(path, STREAM) if stopped else None
    if still is not None:
        still.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with Readers() as readers, daemon.client() as client:
        every = [Reader(path, STREAM) for _ in range(clients // 2)]
        for reader in every:
            readers.add(reader)
        begun, singles = time.monotonic(), []
        for number in range(orders):
            order_id = client.post(bench.EXECUTE, bench.ORDER)["orderId"]
            for _ in range(each):
                singles.append(Reader(path, f"{bench.EXECUTE}?orderId={order_id}"))
                readers.add(singles[-1])
            if number == orders // 2:
                found.memory = pss(pid)["all"]
            time.sleep(max(0.0, begun + (number + 1) / told.rate - time.monotonic()))
        # What is late is waited for: leaving it out would flatter.
        _quiet(readers)
    if still is not None:
        still.socket.close()
    _account_for(every, orders)
    found.every = [delay for reader in every for delay in _delays(reader)]
    found.one = [delay for reader in singles for delay in _delays(reader)]
    words = " and one that stopped reading" if stopped else ""
    figures.say(
        f"{clients} clients{words}: every order {figures.median(found.every):.1f} ms,"
        f" one order {figures.median(found.one):.1f} ms"
    )
    return found


def _account_for(every: list[Reader], orders: int) -> None:
    """Says what did not come, if anything did not: a delay that never ended is in no median."""
    missing = lagged = 0
    for reader in every:
        messages = [message for _, message in reader.messages()]
        missing += orders * EVENTS - sum("seq" in message for message in messages)
        lagged += sum("lagged" in message for message in messages)
    closed = sum(reader.closed for reader in every)
    if missing or lagged or closed:
        figures.say(f"{missing} messages did not come; {lagged} times lagged; {closed} clients were closed")


def _quiet(readers: Readers) -> None:
    """Until nothing has come for longer than an order lives, 30 s at most."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        last = max(reader.last for reader in readers.all)
        if time.time() - last > LIFE_S + 1:
            return
        time.sleep(0.1)


def _delays(reader: Reader) -> list[float]:
    """Milliseconds of each event that happened after the client was let in."""
    found = []
    for came, message in reader.messages():
        if "at" in message:
            at = datetime.fromisoformat(message["at"]).timestamp()
            if at > reader.since:
                found.append(1000 * (came - at))
    return found


def _bare(hub: HubFloor, told: argparse.Namespace) -> list[float]:
    """The floor's delays: as many messages, of the same size, to as many clients."""
    pause = 1 / (told.rate * EVENTS)
    with Readers() as readers, redis.Redis.from_url(hub.redis_url) as feed:
        for _ in range(told.clients // 2):
            readers.add(Reader(hub.socket, "/stream"))
        bench.until(lambda: feed.publish("moved", "{}"), 10, "the hub's subscription")
        for number in range(told.orders * EVENTS):
            now = datetime.now().astimezone().isoformat()
            feed.publish("moved", json.dumps({"seq": number, "at": now, "data": {"signature": "4" * 200}}))
            time.sleep(pause)
        time.sleep(1)
    found = [delay for reader in readers.all for delay in _delays(reader)]
    figures.say(f"floor: {figures.spread(found, 'ms')}")
    return found


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
