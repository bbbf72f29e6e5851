"""An order's own cost: from event 1 to its final event, less the simulated waits; alone and ten at once.

Once with the waits at 0, and once at their defaults, which are then taken off. The floor is the bare
application with stock Dramatiq (see `floor`), whose worker looks at its queue every 20 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain

import psycopg

from benchmarks import bench, events, figures, load
from benchmarks.floors import Floor

#: Promised, milliseconds.
ALONE_MS, TEN_MS = 8.0, 25.0
#: The simulated waits at their defaults, milliseconds: one quote, one confirmation.
WAITS_MS = 200 + 400
#: Orders at once.
TEN = 10


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alone", type=int, default=100, help="orders one by one, waits at 0")
    parser.add_argument("--batches", type=int, default=20, help="ten at once, waits at 0")
    parser.add_argument("--rounds", type=int, default=2)
    bench.option_against(parser)
    parser.add_argument("--no-defaults", action="store_true", help="leave out the waits at their defaults")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        with (
            Floor(home, base.database("floor"), base.redis(1), worker=True) as floor,
            bench.daemons(home, base, told.against, **bench.NO_WAITS) as daemons,
        ):
            found = _without_waits(floor, daemons, told)
        if not told.no_defaults:
            with bench.daemons(home, base, None, **bench.SURE) as daemons:
                found += _with_waits(daemons["oee"], told)
    return found


def _without_waits(
    floor: Floor, daemons: Mapping[str, bench.Daemon], told: argparse.Namespace
) -> list[figures.Figure]:
    sides = {"floor": (floor.socket, _ends_of_floor(floor), floor.pids)}
    for name, daemon in daemons.items():
        sides[name] = daemon.facts["socket"], _ends_of_ours(daemon), tuple(daemon.pids().values())
    # Of each round, since two side by side had the same machine.
    costs: dict[tuple[str, int], list[list[float]]] = {}
    for number in range(told.rounds + 1):
        # The first round warms up.
        rounds = ((1, told.alone), (TEN, told.batches)) if number else ((1, 10), (TEN, 4))
        for at_once, batches in rounds:
            for name, (socket, ends, own) in sides.items():
                others = {pid for _, _, pids in sides.values() for pid in pids} - set(own)
                with bench.frozen(*others):
                    took = _costs(socket, ends, at_once, max(1, batches // max(1, told.rounds)))
                if number:
                    costs.setdefault((name, at_once), []).append(took)
    found = []
    for at_once, words, promised in ((1, "alone", ALONE_MS), (TEN, "ten at once", TEN_MS)):
        each = {name: list(chain(*costs[name, at_once])) for name in sides}
        for name, values in each.items():
            figures.say(f"{name}, {words}: {figures.spread(values, 'ms')}")
        found += _lines(f"own cost {words}, waits at 0", each["oee"], promised, each["floor"])
        if told.against is not None:
            bare, ours = (
                [figures.median(took) for took in costs[n, at_once]] for n in (str(told.against), "oee")
            )
            found.append(figures.ratio(f"own cost {words}, p50, floor: {told.against}", bare, ours, "ms"))
    return found


def _with_waits(daemon: bench.Daemon, told: argparse.Namespace) -> list[figures.Figure]:
    socket, ends = daemon.facts["socket"], _ends_of_ours(daemon)
    _costs(socket, ends, TEN, 2, WAITS_MS)
    alone = _costs(socket, ends, 1, max(10, told.alone // 5), WAITS_MS)
    ten = _costs(socket, ends, TEN, max(5, told.batches // 2), WAITS_MS)
    return [
        *_lines("own cost alone, waits at their defaults", alone, ALONE_MS),
        *_lines("own cost ten at once, waits at their defaults", ten, TEN_MS),
    ]


def _lines(
    what: str, ours: list[float], promised: float, bare: list[float] | None = None
) -> list[figures.Figure]:
    return [
        figures.limit(
            f"{what}, p50", figures.median(ours), "ms", promised, figures.median(bare) if bare else None
        ),
        figures.limit(
            f"{what}, p99",
            figures.percentile(ours, 99),
            "ms",
            None,
            figures.percentile(bare, 99) if bare else None,
        ),
    ]


def _costs(
    socket: str, ends: Callable[[list[str]], list[float]], at_once: int, batches: int, waits_ms: int = 0
) -> list[float]:
    """Milliseconds each, `batches` times `at_once` orders posted together."""
    placed: list[str] = []
    for _ in range(batches):
        stormed = load.storm(socket, _order, total=at_once, connections=at_once)
        placed += [json.loads(body)["orderId"] for body in stormed.bodies]
        # Nobody asks meanwhile: that would be a part of what is measured.
        time.sleep((waits_ms + 60 + 20 * at_once) / 1000)
    return [took - waits_ms for took in ends(placed)]


def _order(_number: int) -> bytes:
    return load.request("POST", bench.EXECUTE, bench.ORDER)


def _ends_of_ours(daemon: bench.Daemon) -> Callable[[list[str]], list[float]]:
    def ends(placed: list[str]) -> list[float]:
        with daemon.client() as client:

            def took(order_id: str) -> float | None:
                moments = events.times(client, order_id)
                return events.between(moments, "confirmed") if "end" in moments else None

            return [bench.until(partial(took, order_id), 20, "an order's end") for order_id in placed]

    return ends


def _ends_of_floor(floor: Floor) -> Callable[[list[str]], list[float]]:
    def ends(placed: list[str]) -> list[float]:
        query = """SELECT extract(epoch FROM finished_at - created_at)::float8 * 1000 FROM orders
            WHERE id = ANY(%s::uuid[]) AND status = 'confirmed'"""
        with psycopg.connect(floor.database_url, autocommit=True) as conn:

            def all_of_them() -> list[float] | None:
                rows = conn.execute(query, (placed,)).fetchall()
                return [float(row[0]) for row in rows] if len(rows) == len(placed) else None

            return bench.until(all_of_them, 20, "the floor's orders' end")

    return ends


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
