"""What an order on localnet costs: requests to RPC endpoints and venues, and the worker's processor.

`python -m benchmarks.localnet_orders [--orders 40] [--root CHECKOUT] [--slot-ms 214]`. Two endpoints, calm,
one order after another; the chain is of this checkout and of this process, which counts what it is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import Counter
from pathlib import Path

from benchmarks import bench
from oee_daemon.networks.localnet.litesvm_chain import Chain, Rules
from oee_daemon.networks.localnet.localnet_http_door import Answer, Door, House
from oee_daemon.networks.localnet.localnet_sqlite import Ledger

SOL_USDC = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}


class CountingHouse(House):
    """As localnet answers, and how often."""

    def __init__(self, chain: Chain, venue_ms: int) -> None:
        super().__init__(chain, venue_ms)
        self.asked: Counter[str] = Counter()

    def answer(self, verb: str, target: str, body: bytes) -> Answer:
        first = target.lstrip("/").partition("/")[0]
        self.asked["rpc" if first in ("", "node") else first] += 1
        return super().answer(verb, target, body)


def serve(file: Path, slot_ms: int, venue_ms: int) -> tuple[str, CountingHouse]:
    """The address of a chain that this process runs until it ends."""
    ready = threading.Event()
    made: list[tuple[str, CountingHouse]] = []

    async def run() -> None:
        ledger = Ledger(file)
        rules = Rules(slippage=0, slot_ms=slot_ms)
        house = CountingHouse(Chain(ledger, rules, lambda: time.time_ns() // 10**6), venue_ms)
        door = Door(house)
        server = await asyncio.get_running_loop().create_server(door.connection, "127.0.0.1", 0)
        door.wake()
        made.append((f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", house))
        ready.set()
        await server.serve_forever()

    threading.Thread(target=asyncio.run, args=(run(),), daemon=True).start()
    ready.wait(30)
    return made[0]


def main() -> None:
    read = argparse.ArgumentParser(prog="python -m benchmarks.localnet_orders", description=__doc__)
    read.add_argument("--orders", type=int, default=40)
    read.add_argument("--root", type=Path, default=bench.ROOT, help="the checkout whose engine trades")
    read.add_argument("--slot-ms", type=int, default=214)
    read.add_argument("--venue-ms", type=int, default=50)
    read.add_argument("--venues", default="raydium,meteora,orca,jupiter,cpmm")
    told = read.parse_args()
    with bench.folder() as home:
        address, house = serve(home / "chain.db", told.slot_ms, told.venue_ms)
        settings = {
            "OEE_NETWORK": "localnet",
            # Two nodes of two names; the second is the chain's main one, too.
            "OEE_RPC_URLS": f"{address},{address}/node/main",
            "OEE_VENUES": told.venues,
        }
        with bench.Daemon(home / "home", told.root, **settings) as daemon:
            costs(daemon, house, told.orders)


def costs(daemon: bench.Daemon, house: CountingHouse, orders: int) -> None:
    worker = daemon.pids()["worker"]
    took: list[float] = []
    venues: Counter[str] = Counter()
    with daemon.client() as client:
        for number in range(orders + 5):
            if number == 5:
                # The first ones fill caches.
                house.asked.clear()
                begun_s, begun = bench.cpu_s(worker), time.monotonic()
            started = time.monotonic()
            placed = client.post(bench.EXECUTE, SOL_USDC)

            def ended(order_id: str = placed["orderId"]) -> dict[str, str] | None:
                order: dict[str, str] = client.get(f"/api/orders/{order_id}")
                return order if order["status"] in ("confirmed", "failed") else None

            order = bench.until(ended, 30, "an order's end")
            if number >= 5:
                took.append(time.monotonic() - started)
                venues[f"{order['status']} on {order['venue']}"] += 1
    spent_s, passed_s = bench.cpu_s(worker) - begun_s, time.monotonic() - begun
    asked = {name: round(count / orders, 1) for name, count in sorted(house.asked.items())}
    print(f"requests an order    {asked}")
    print(f"worker, an order     {1000 * spent_s / orders:8.1f} ms CPU")
    median_ms = 1000 * sorted(took)[len(took) // 2]
    print(f"an order             {median_ms:8.0f} ms, {orders / passed_s:.2f} a second")
    print(f"ended                {dict(venues)}")


if __name__ == "__main__":
    main()
