"""`oee drill`: the promise, checked on the user's own machine.

In a home of its own, on the simulated network or on localnet, many orders run while everything they depend on
is killed, frozen, emptied and lied to. Then `drill_verdict` holds what the engine says against the chain's
own ledger. A seed repeats the faults and the orders; when exactly they meet is up to the machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from oee_cli.api.client_transport import httpx
from oee_cli.cli_errors import Unreachable
from oee_cli.drill import drill_verdict
from oee_cli.drill.drill_clients import Clients
from oee_cli.drill.drill_faults import BACK_MS, FaultInjector, died_at, failpoints, is_outage, plan
from oee_cli.drill.drill_hands import Hands
from oee_cli.drill.drill_localnet_stage import LocalnetStage
from oee_cli.drill.drill_orders import DrillOrders
from oee_cli.drill.drill_processes import Crew
from oee_cli.drill.drill_progress import DrillProgress
from oee_cli.drill.drill_socket import client_of, read_daemon_file
from oee_cli.drill.drill_stage import SimulatedStage, Stage
from oee_cli.drill.drill_watch import Watch
from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.contract.status import RUNNABLE

#: Seconds without any progress after which orders count as lost. A swap that never landed needs 60 s
#: to be known dead.
PATIENCE_S = 180.0
#: Between two looks, seconds.
_BEAT = 0.1

#: What shows that orders go on.
_MOVES = ("submitted", "confirmed", "failed")
#: Basis points that a price moves in a slot where orders wait for it: twice the usual.
VOLATILITY = 25
#: The networks that a drill knows.
STAGES: Mapping[str, Callable[[Path, int], Stage]] = {
    "simulated": SimulatedStage,
    "localnet": LocalnetStage,
}


class Drill:
    """One drill, from a bare home to a verdict."""

    def __init__(self, progress: DrillProgress) -> None:
        self.progress = p = progress
        self.home = Path(tempfile.mkdtemp(prefix="oee-drill-", dir="/tmp"))
        # As root the servers' unprivileged account passes through it.
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self._stage = STAGES[p.network](self.home, p.seed)
        self._plan = plan(p.faults, p.seed, self._stage.weights, p.workers, waits=p.waiting > 0)
        environ = self._environ()
        self._crew = Crew(self.home, environ, p.workers, p.network)
        self._known: dict[str, int] = {}
        ledger = self._stage.ledger
        self._watch = Watch(ledger, p.seed, VOLATILITY, self._crew) if ledger and p.waiting else None
        of_prices = None if self._watch is None else self._watch.faults
        self._hands = Hands(self.home, ledger or self.home, self._crew, environ)
        self._injector = FaultInjector(
            self._stage, p.seed, lambda: self._known, self._crew, of_prices, self._hands
        )
        asked = DrillOrders(p.orders, self._stage.bodies, p.seed, p.waiting, VOLATILITY)
        self._clients = Clients(self.home, asked, p, self._stage.in_flight, self._hands)

    def run(self) -> Iterator[DrillProgress]:
        """Yields the drill's progress; ends when every order has ended, or nothing moves any more."""
        self._keep_alive()
        with self._crew.database() as db:
            # What people tune Postgres by, and would lose orders, if the engine believed in it.
            db.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        self._clients.start()
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
            over = done and struck >= len(strikes) and not self._hands.halts
            if over or time.monotonic() - moved > PATIENCE_S:
                return
            time.sleep(_BEAT)

    def judge(self) -> tuple[drill_verdict.Verdict, list[dict[str, Any]]]:
        """Reads everything back, stops the daemon, and judges by the ledger's file."""
        self._clients.stop()
        self._keep_alive()
        self._stage.settle()
        with client_of(self.home, 30) as client:
            decimals = {t["symbol"]: t["decimals"] for t in _get_json(client, "/api/tokens")["tokens"]}
            orders = list(_all_orders(client))
            held = _get_json(client, "/api/status")["worker"]["running"]
        self.stop()
        found = drill_verdict.judge(self.progress.accepted, orders, self._stage.landings(), decimals)
        died = died_at(self.home)
        if self._watch is not None:
            away = [*self._injector.away, *((at, at + BACK_MS) for at in died)]
            told = self._clients.placed, self._hands.asked
            self.progress.watched = self._watch.judge(found, orders, *told, away)
        if held:
            found.lost.append(f"{held} orders are still held")
        if died:
            self.progress.struck["failpoint"] = len(died)
        return found, orders

    def recoveries(self, orders: list[dict[str, Any]]) -> list[float]:
        """Seconds from each outage that met an order in execution until the next was submitted or ended."""
        told = [[(_seconds(e["at"]), e["status"]) for e in o["events"]] for o in orders]
        moves = sorted(at for events in told for at, status in events if status in _MOVES)
        # Where nothing was to be done nothing tells when the engine was back.
        met = [t for t in self.progress.moments if any(_status(events, t) in RUNNABLE for events in told)]
        waits = [next((m - t for m in moves if m > t + 0.05), None) for t in met]
        return sorted(w for w in waits if w is not None)

    @staticmethod
    def longest(orders: list[dict[str, Any]]) -> float:
        """Seconds from acceptance to the end of the order that took longest."""
        moments = ((o["createdAt"], o["finishedAt"]) for o in orders if o["finishedAt"])
        return max((_seconds(end) - _seconds(begun) for begun, end in moments), default=0.0)

    def stop(self) -> None:
        self._clients.stop()
        self._crew.stop()
        self._stage.stop()

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        p = self.progress
        account = {k: v for k, v in os.environ.items() if k == "OEE_SERVICE_USER"}
        return account | {
            "OEE_PORT": "0",
            # The user's settings are not the drill's: a limit would refuse its orders, a phone would ring.
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "OEE_FAILPOINTS": failpoints(self._plan.count("failpoint"), p.seed),
            **({"OEE_SIM_VOLATILITY": str(VOLATILITY)} if p.waiting else {}),
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
                if read_daemon_file(self.home).get("pid") == daemon.pid:
                    self._crew.keep_others()
                    return
                time.sleep(0.02)
        log_file = self.home / "run.log"
        raise Unreachable(f"The drill's daemon can't be started. Its log: {log_file}")

    def _poll(self) -> None:
        """Asks how far the orders are; a daemon that does not answer is asked again in the next beat."""
        with suppress(httpx.HTTPError, KeyError, ValueError), client_of(self.home, 2) as client:
            status = _get_json(client, "/api/status")
            parts = {"daemon": status, "valkey": status["queue"]}
            parts |= {name: status[name] for name in ("worker", "postgres")}
            self._known = {name: part["pid"] for name, part in parts.items() if part["pid"]}
            figures = client.get("/metrics").text.splitlines()
            live = {
                line.split('"')[1]: int(line.rsplit(" ", 1)[1])
                for line in figures
                if line.startswith("oee_orders_live{")
            }
            if live:
                self.progress.live, self.progress.waits = sum(live.values()), live.get("waiting", 0)
        if self._watch is not None:
            self._watch.look()


def _status(events: list[tuple[float, str]], moment: float) -> str | None:
    """An order's status at a moment, by its events (oldest first); None before it was accepted."""
    return next((status for at, status in reversed(events) if at <= moment), None)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


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
