"""The clients of a drill: impatient ones that place its orders, each repeated with its key until the daemon
has answered for it, and change and cancel some of those that wait."""

from __future__ import annotations

import sched
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from oee_cli.api.client_transport import httpx
from oee_cli.drill.drill_hands import Hands
from oee_cli.drill.drill_orders import DrillOrders, Pair, Placed, Wait
from oee_cli.drill.drill_progress import DrillProgress
from oee_cli.drill.drill_socket import client_of
from oee_daemon.contract.protocol import KEY_HEADER

#: Threads that place orders.
CLIENTS = 4
#: Seconds between two tries.
AGAIN_S = 0.1
#: Orders that wait at once for a price.
MOST_WAITING = 250


class Clients:
    """Place all of `progress.orders`, at most `in_flight` of them on their way at once."""

    def __init__(
        self, home: Path, orders: DrillOrders, progress: DrillProgress, in_flight: int, hands: Hands
    ) -> None:
        self._home = home
        self._hands = hands
        self._orders = orders
        self._progress = progress
        self._in_flight = in_flight
        self._next = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._place_all, daemon=True) for _ in range(CLIENTS)]
        #: What is to be done to orders that wait, and when.
        self._due = sched.scheduler()
        #: Those that wait, by id.
        self.placed: dict[str, Placed] = {}

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()

    def _place_all(self) -> None:
        p = self._progress
        while not self._over.is_set():
            self._due.run(blocking=False)
            if p.live - p.waits >= self._in_flight or p.waits >= MOST_WAITING:
                self._over.wait(AGAIN_S / 4)
                continue
            with self._lock:
                number, self._next = self._next, self._next + 1
            if number < p.orders:
                self._place(number)
            elif len(p.accepted) == p.orders and self._due.empty():
                return
            else:
                self._over.wait(AGAIN_S)

    def _place(self, number: int) -> None:
        asked = self._orders.draw(number)
        if asked is None:
            return
        path = f"/api/orders/{'group' if isinstance(asked, Pair) else 'execute'}"
        key = f"drill-{self._progress.seed}-{number}"
        body = _stamp_times(asked)
        while not self._over.is_set():
            with suppress(httpx.HTTPError, KeyError, ValueError), client_of(self._home, 5) as client:
                answer = client.post(path, json=body, headers={KEY_HEADER: key})
                if answer.status_code in (200, 202):
                    told = answer.json()
                    if isinstance(asked, Pair):
                        one, two = (str(order["orderId"]) for order in told["orders"])
                        if asked.cancel_s is not None:
                            group = str(told["groupId"])
                            self._later(asked.cancel_s, partial(self._hands.cancel_group, group, (one, two)))
                        self._note(one, asked.legs[0], body["orders"][0], two)
                        self._note(two, asked.legs[1], body["orders"][1], one)
                    else:
                        self._note(str(told["orderId"]), asked, body)
                    return
                if answer.status_code == 422:
                    # Its time was over before the daemon was there to take it: it is asked for anew.
                    key, body = f"{key}-anew", _stamp_times(asked)
            self._over.wait(AGAIN_S)

    def _note(
        self,
        order_id: str,
        asked: Wait | Mapping[str, Any],
        body: Mapping[str, Any],
        other: str | None = None,
    ) -> None:
        p = self._progress
        with self._lock:
            if isinstance(asked, Wait):
                self.placed[order_id] = Placed.read(asked, body, other)
                p.waits += 1
            p.accepted.append(order_id)
            p.live += 1
        if not isinstance(asked, Wait):
            return
        if asked.cancel_s is not None:
            self._later(asked.cancel_s, partial(self._hands.cancel, order_id))
        if asked.edit is not None:
            self._later(asked.edit.after_s, partial(self._hands.edit, order_id, self.placed[order_id]))

    def _later(self, away_s: float, what: Callable[[], bool]) -> None:
        self._due.enter(away_s, 0, self._do, (what,))

    def _do(self, what: Callable[[], bool]) -> None:
        """Does it, again until it has been answered."""
        if not what():
            self._later(AGAIN_S, what)


def _stamp_times(asked: Wait | Pair | Mapping[str, Any]) -> Mapping[str, Any]:
    return asked.body(datetime.now(UTC)) if isinstance(asked, Wait | Pair) else asked
