"""How long a POST takes to come back with a durable order: alone, and under 32 clients.

The floor is the bare FastAPI application of `floor` on the same servers. No worker runs on either side:
ours is frozen, the floor has none, so that accepting alone is measured. Ours is asked without an
Idempotency-Key, which is the request that the floor answers too, and with one, as the command line does.
`--against` asks another checkout as well, without one, round by round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from uuid import uuid4

from benchmarks import bench, figures, load
from benchmarks.floors import Floor

#: Promised: p50 against the floor's, and p99 under many clients against the p50 there.
P50_TIMES, P99_TIMES = 1.3, 3.0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alone", type=int, default=150, help="requests one by one, a round and side")
    parser.add_argument("--many", type=int, default=800, help="requests under many clients, a round and side")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    bench.option_against(parser)


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with (
        bench.folder() as home,
        bench.Base(home / "servers") as base,
        Floor(home, base.database("floor"), base.redis(1), worker=False) as floor,
        bench.daemons(home, base, told.against, **bench.NO_WAITS) as daemons,
    ):
        pids = {name: daemon.pids() for name, daemon in daemons.items()}
        sides = {"floor": (floor.socket, floor.pids)}
        sides |= {name: (daemons[name].facts["socket"], (pids[name]["daemon"],)) for name in daemons}
        sides |= {"oee with a key": sides["oee"]}
        with bench.frozen(*(each["worker"] for each in pids.values())):
            return _rounds(sides, told)


def _rounds(
    sides: Mapping[str, tuple[str, tuple[int, ...]]], told: argparse.Namespace
) -> list[figures.Figure]:
    """`sides`: the socket of each, and who answers there."""
    found = {kind: Rounds() for kind in sides}
    for number in range(told.rounds + 1):
        for kind, (socket, own) in sides.items():
            others = {pid for _, pids in sides.values() for pid in pids} - set(own)
            make = _with_key if kind == "oee with a key" else _order
            with bench.frozen(*others):
                # The first round warms up.
                one = load.storm(socket, make, total=told.alone if number else 100, connections=1)
                all_ = load.storm(socket, make, total=told.many if number else 200, connections=told.clients)
            if number:
                found[kind].add(one, all_)
        if number:
            figures.say(f"round {number}: " + ", ".join(f"{k} {found[k].alone[-1]:.2f} ms" for k in sides))
    floor = found.pop("floor")
    other = found.pop(str(told.against), None)
    against = [] if other is None else _figures("oee", other, found["oee"], told, f", floor: {told.against}")
    return [figure for kind in found for figure in _figures(kind, floor, found[kind], told)] + against


class Rounds:
    """One side's rounds: milliseconds, and orders a second."""

    def __init__(self) -> None:
        self.alone: list[float] = []
        self.p50: list[float] = []
        self.p99: list[float] = []
        self.rate: list[float] = []

    def add(self, one: load.Storm, many: load.Storm) -> None:
        self.alone.append(1000 * figures.median(one.seconds))
        self.p50.append(1000 * figures.median(many.seconds))
        self.p99.append(1000 * figures.percentile(many.seconds, 99))
        self.rate.append(len(many.seconds) / (many.ended - many.begun))

    @property
    def tail(self) -> float:
        return figures.median([p99 / p50 for p50, p99 in zip(self.p50, self.p99, strict=True)])


def _figures(
    kind: str, bare: Rounds, ours: Rounds, told: argparse.Namespace, beside: str = ""
) -> list[figures.Figure]:
    many = f"{kind}, {told.clients} clients{beside}"
    return [
        figures.ratio(f"accept, {kind}, alone{beside}, p50", bare.alone, ours.alone, "ms", at_most=P50_TIMES),
        figures.ratio(f"accept, {many}, p50", bare.p50, ours.p50, "ms", at_most=P50_TIMES),
        figures.Figure(
            f"accept, {many}, p99 against its own p50",
            f"{bare.tail:.2f} x",
            f"{ours.tail:.2f} x",
            f"{ours.tail:.2f} x",
            f"at most {P99_TIMES:g} x",
            ours.tail <= P99_TIMES,
        ),
        figures.ratio(f"accepted a second, {many}", bare.rate, ours.rate, "orders/s"),
    ]


def _order(_number: int) -> bytes:
    return load.request("POST", bench.EXECUTE, bench.ORDER)


def _with_key(_number: int) -> bytes:
    return load.request("POST", bench.EXECUTE, bench.ORDER, {"idempotency-key": str(uuid4())})


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
