"""`oee drill`: the promise, checked on the user's own machine.

In a home of its own, on the simulated network or on localnet, many orders run while everything they depend on
is killed, frozen, emptied and lied to. Then `drill_verdict` holds what the engine says against the chain's
own ledger. A seed repeats the faults and the orders; when exactly they meet is up to the machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from oee_cli.api.handshake import home_tag
from oee_cli.api.http_transport import UnixTransport, httpx
from oee_cli.api.resident_daemon import Resident
from oee_cli.drill import drill_verdict
from oee_cli.drill.drill_faults import FaultInjector, died_at, failpoints, is_outage, plan
from oee_cli.drill.drill_processes import Crew
from oee_cli.drill.drill_stage import SimulatedStage, Stage
from oee_cli.drill.localnet_stage import LocalnetStage
from oee_cli.errors import Unreachable
from oee_cli.settings.load_settings import Settings
from oee_daemon.contract.protocol import HOME_HEADER, KEY_HEADER, MAX_PAGE

#: Threads that place orders, as so many impatient clients.
CLIENTS = 4
#: Seconds without any progress after which orders count as lost. A swap that never landed needs 60 s
#: to be known dead.
PATIENCE_S = 180.0
#: Between two looks, seconds.
_BEAT = 0.1

#: The networks that a drill knows.
STAGES: Mapping[str, Callable[[Path, int], Stage]] = {
    "simulated": SimulatedStage,
    "localnet": LocalnetStage,
}


@dataclass
class DrillProgress:
    """What is known of a drill while it runs."""

    orders: int
    faults: int
    seed: int
    workers: int = 1
    network: str = "simulated"
    accepted: list[str] = field(default_factory=list)
    live: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    moments: list[float] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> int:
        return max(0, len(self.accepted) - self.live)


class Drill:
    """One drill, from a bare home to a verdict."""

    def __init__(
        self, orders: int, faults: int, seed: int, workers: int = 1, network: str = "simulated"
    ) -> None:
        self.progress = DrillProgress(orders, faults, seed, workers, network)
        self.home = Path(tempfile.mkdtemp(prefix="oee-drill-", dir="/tmp"))
        # As root the servers' unprivileged account passes through it.
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self._stage = STAGES[network](self.home, seed)
        self._plan = plan(faults, seed, self._stage.weights, workers)
        self._named = self._plan.count("failpoint")
        self._crew = Crew(self.home, self._environ(), workers, network)
        self._known: dict[str, int] = {}
        self._injector = FaultInjector(self._stage, seed, lambda: self._known, self._crew)
        self._next = 0
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self) -> Iterator[DrillProgress]:
        """Yields the drill's progress; ends when every order has ended, or nothing moves any more."""
        clients = [threading.Thread(target=self._place_all, daemon=True) for _ in range(CLIENTS)]
        self._keep_alive()
        self._tune()
        for client in clients:
            client.start()
        strikes = [f for f in self._plan if f != "failpoint"]
        moved, last = time.monotonic(), -1
        while True:
            self._keep_alive()
            self._poll()
            p = self.progress
            if p.ended + len(p.accepted) != last:
                moved, last = time.monotonic(), p.ended + len(p.accepted)
            done = len(p.accepted) == p.orders and p.live == 0
            struck = sum(p.struck.values())
            due = struck < len(strikes) and (done or p.ended >= (struck + 1) * p.orders // (len(strikes) + 1))
            if due and self._injector.strike(strikes[struck]):
                p.struck[strikes[struck]] += 1
                if is_outage(strikes[struck]):
                    p.moments.append(time.time())
            yield p
            if (done and struck >= len(strikes)) or time.monotonic() - moved > PATIENCE_S:
                return
            time.sleep(_BEAT)

    def judge(self) -> tuple[drill_verdict.Verdict, list[dict[str, Any]]]:
        """Reads everything back, stops the daemon, and judges by the ledger's file."""
        self._over.set()
        self._keep_alive()
        self._stage.settle()
        with _client(self.home, 30) as client:
            decimals = {t["symbol"]: t["decimals"] for t in _get_json(client, "/api/tokens")["tokens"]}
            orders = list(_all_orders(client))
            held = _get_json(client, "/api/status")["worker"]["running"]
        self.stop()
        found = drill_verdict.judge(self.progress.accepted, orders, self._stage.landings(), decimals)
        if held:
            found.lost.append(f"{held} orders are still held")
        named = died_at(self.home)
        if named:
            self.progress.struck["failpoint"] = named
        return found, orders

    def recoveries(self, orders: list[dict[str, Any]]) -> list[float]:
        """Seconds from each outage until the next order was submitted or ended."""
        moves = sorted(
            _seconds(e["at"])
            for o in orders
            for e in o["events"]
            if e["status"] in ("submitted", "confirmed", "failed")
        )
        waits = [next((m - t for m in moves if m > t + 0.05), None) for t in self.progress.moments]
        return sorted(w for w in waits if w is not None)

    @staticmethod
    def longest(orders: list[dict[str, Any]]) -> float:
        """Seconds from acceptance to the end of the order that took longest."""
        moments = ((o["createdAt"], o["finishedAt"]) for o in orders if o["finishedAt"])
        return max((_seconds(end) - _seconds(begun) for begun, end in moments), default=0.0)

    def stop(self) -> None:
        self._over.set()
        self._crew.stop()
        self._stage.stop()

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        p = self.progress
        account = {k: v for k, v in os.environ.items() if k == "OEE_SERVICE_USER"}
        return account | {
            "OEE_PORT": "0",
            "OEE_FAILPOINTS": failpoints(self._named, p.seed),
            **self._stage.environ(),
        }

    def _keep_alive(self) -> None:
        """Starts what is gone again, as a service manager would: the daemon, the other workers, a chain."""
        self._stage.keep()
        for _ in range(5):
            daemon = self._crew.daemon
            if daemon is None or daemon.poll() is not None:
                daemon = self._crew.start_daemon()
            deadline = time.monotonic() + 60
            while daemon.poll() is None and time.monotonic() < deadline:
                # Its own word, not its predecessor's.
                if _read_daemon_file(self.home).get("pid") == daemon.pid:
                    self._crew.keep_others()
                    return
                time.sleep(0.02)
        log_file = self.home / "run.log"
        raise Unreachable(f"The drill's daemon can't be started. Its log: {log_file}")

    def _tune(self) -> None:
        """Sets what people tune Postgres by and what would lose orders, if the engine believed in it."""
        with self._crew.database() as db:
            db.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")

    def _poll(self) -> None:
        """Asks how far the orders are; a daemon that does not answer is asked again in the next beat."""
        with suppress(httpx.HTTPError, KeyError, ValueError), _client(self.home, 2) as client:
            status = _get_json(client, "/api/status")
            self._known = {
                name: pid
                for name, pid in (
                    ("daemon", status["pid"]),
                    ("worker", status["worker"]["pid"]),
                    ("postgres", status["postgres"]["pid"]),
                    ("valkey", status["queue"]["pid"]),
                )
                if pid
            }
            figures = client.get("/metrics").text.splitlines()
            live = [int(line.rsplit(" ", 1)[1]) for line in figures if line.startswith("oee_orders_live{")]
            if live:
                self.progress.live = sum(live)

    def _place_all(self) -> None:
        while not self._over.is_set():
            if len(self.progress.accepted) - self.progress.ended >= self._stage.in_flight:
                self._over.wait(_BEAT / 4)
                continue
            with self._lock:
                number, self._next = self._next, self._next + 1
            if number >= self.progress.orders:
                return
            self._place(number)

    def _place(self, number: int) -> None:
        """Places one order, repeated with its key until the daemon has answered for it."""
        body = self._stage.bodies[number % len(self._stage.bodies)]
        headers = {KEY_HEADER: f"drill-{self.progress.seed}-{number}"}
        while not self._over.is_set():
            with suppress(httpx.HTTPError, KeyError, ValueError), _client(self.home, 5) as client:
                answer = client.post("/api/orders/execute", json=body, headers=headers)
                if answer.status_code in (200, 202):
                    order_id = answer.json()["orderId"]
                    with self._lock:
                        self.progress.accepted.append(order_id)
                        self.progress.live += 1
                    return
            self._over.wait(_BEAT)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _read_daemon_file(home: Path) -> dict[str, Any]:
    return Resident(Settings(home=home)).running()


@contextmanager
def _client(home: Path, timeout: float) -> Iterator[Any]:
    """A client over the drill's own socket. Raises `KeyError` where no daemon has said where it is."""
    transport = UnixTransport(_read_daemon_file(home)["socket"])
    headers = {HOME_HEADER: home_tag(home)}
    with httpx.Client(
        transport=transport, base_url="http://localhost", timeout=timeout, headers=headers
    ) as client:
        yield client


def _get_json(client: Any, path: str) -> Any:
    answer = client.get(path)
    answer.raise_for_status()
    return answer.json()


def _all_orders(client: Any) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = client.get(
            "/api/orders", params={"limit": MAX_PAGE} | ({"cursor": cursor} if cursor else {})
        ).json()
        for order in page["orders"]:
            yield _get_json(client, f"/api/orders/{order['orderId']}")
        cursor = page["nextCursor"]
        if cursor is None:
            return
