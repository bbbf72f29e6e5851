"""How long what can't wait is held up: a stop by ten market orders that wait for the chain, from `pending` to
`routing`, and the last of many launches of one moment by those before it, from that moment to `pending`.

Both by Postgres's clock. The first floor is a stop that fires on an idle engine.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks import bench, events, figures
from benchmarks.load import Client

#: Promised, milliseconds: as a sniper that is busy, and one beat.
HELD_P99_MS, LAST_MS = 50.0, 1000.0
#: Market orders that wait for the chain meanwhile, and milliseconds for which each does.
RUNNING, CONFIRM_MS = 10, 4000
#: Seconds from placing to the moment of the launches.
AHEAD_S = 8.0


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--launches", type=int, default=1000)


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Base(home / "servers") as base:
        url = base.database("ours")
        settings = {"OEE_DATABASE_URL": url, "OEE_REDIS_URL": base.redis(1)}
        settings |= bench.SURE | {"OEE_SIM_CONFIRM_MS": str(CONFIRM_MS), "OEE_SIM_VOLATILITY": "0"}
        with bench.Daemon(home / "home", **settings) as daemon, daemon.client() as client:
            idle = [_stop(client, url, running=0) for _ in range(told.stops)]
            held = [_stop(client, url, running=RUNNING) for _ in range(told.stops)]
            late = _launches(client, url, told.launches)
    return [
        figures.limit("a stop fires, pending to routing, idle, p50", figures.median(idle), "ms"),
        figures.limit("… while ten market orders wait, p50", figures.median(held), "ms"),
        figures.limit("… the worst", max(held), "ms", HELD_P99_MS),
        figures.limit(f"{told.launches} launches of one moment, half fired", figures.median(late), "ms"),
        figures.limit("… the last fired", max(late), "ms", LAST_MS),
    ]


def _stop(client: Client, url: str, running: int) -> float:
    """Milliseconds until a stop that fires while so many wait for the chain is begun."""
    _gap(url, 0)
    order = bench.ORDER | {"type": "stop", "trailBps": 300, "confirmMs": 1}
    stop = client.post(bench.EXECUTE, order)["orderId"]
    market = [client.post(bench.EXECUTE, bench.ORDER)["orderId"] for _ in range(running)]
    for other in market:
        bench.until(lambda: "submitted" in events.times(client, other), 30, "a swap", 0.05)  # noqa: B023
    _gap(url, -600)
    bench.until(lambda: "end" in events.times(client, stop), 60, "the stop's end", 0.1)
    for other in market:
        bench.until(lambda: "end" in events.times(client, other), 60, "an order's end", 0.1)  # noqa: B023
    return events.between(events.times(client, stop), "routing")


def _gap(url: str, bps: int) -> None:
    with psycopg.connect(bench.plain(url), autocommit=True) as conn:
        conn.execute("DELETE FROM sim_faults WHERE target = 'market' AND kind = 'gap'")
        conn.execute("INSERT INTO sim_faults (target, kind, ms) VALUES ('market', 'gap', %s)", [bps])


def _launches(client: Client, url: str, many: int) -> list[float]:
    """By how many milliseconds each fired late."""
    at = datetime.now(UTC) + timedelta(seconds=AHEAD_S + many / 25)
    for _ in range(many):
        client.post(bench.EXECUTE, bench.ORDER | {"launchTime": at.isoformat()})
    asked = "SELECT extract(epoch FROM fired_at - launch_at)::float8 * 1000 FROM orders WHERE launch_at = %s"
    with psycopg.connect(bench.plain(url), autocommit=True) as conn:
        wanted = "SELECT count(*) = %s FROM orders WHERE launch_at = %s AND fired_at IS NOT NULL"

        def all_fired() -> bool:
            row = conn.execute(wanted, [many, at]).fetchone()
            return row is not None and bool(row[0])

        bench.until(all_fired, 120, "the last launch", 0.2)
        return [row[0] for row in conn.execute(asked, [at])]


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
