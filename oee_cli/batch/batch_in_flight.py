"""Orders that were placed and have not ended, all asked about together, a page in a request.

Asking is what scales here: an order passes five events, each of which a stream would have to read from the
database for us, while one request tells what has become of hundreds. Nothing is missed, so nothing has to be
made up for after a drop. What is held is bounded by what may be on its way at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from oee_cli.api.client_http import Client
from oee_cli.api.client_order_lookup import find_orders
from oee_cli.batch.batch_reader import Row
from oee_cli.cli_errors import CliError, HomeLost, OutcomeUnknown, Stopped
from oee_daemon.contract.shapes import Order

#: Orders asked for in one request.
PAGE = 200
#: Seconds for which a daemon that went away is waited for, or brought back again and again.
PATIENCE = 30.0
#: Seconds between two looks: while some end, and at most. Of the time, a look may take one part in five.
_SOON, _LATE, _REST = 0.03, 0.15, 4


@dataclass(frozen=True, slots=True)
class Placed:
    """A line's order as its placing was answered, and when its wait is over."""

    row: Row
    order: Order
    replayed: bool
    deadline: float


#: Of each: its order as it is now, and what keeps that from being known, if anything does.
Told = tuple[Placed, Order, "CliError | None"]
OnEnded = Callable[[Placed, Order, "CliError | None"], None]


class InFlightPoller:
    """Asks about the orders on their way. `on_ended` is called once for each, on the thread that asks."""

    def __init__(self, client: Client, on_ended: OnEnded) -> None:
        self._client = client
        self._on_ended = on_ended
        self._orders: dict[int, Placed] = {}
        self._some = threading.Condition()
        self._closed = threading.Event()

    def add(self, placed: Placed) -> None:
        with self._some:
            self._orders[placed.row.line] = placed
            self._some.notify()

    def close(self) -> None:
        """Ends `follow`."""
        self._closed.set()
        with self._some:
            self._some.notify()

    def follow(self) -> None:
        """Asks until closed."""
        pause, lost_since = _SOON, None
        while placed_orders := self._wait_for_some():
            began = time.monotonic()
            ended: list[Told] = []
            try:
                # Who waits least hears in time that nobody answers.
                until = min(p.deadline for p in placed_orders)
                with self._client.patience.waiting(until, asks_again=True):
                    self._poll(placed_orders, began, ended)
                lost_since = None
            except Exception as e:
                lost_since = lost_since or began
                given_up = isinstance(e, Stopped) or time.monotonic() - lost_since > PATIENCE
                told = {p.row.line for p, *_ in ended}
                left = [p for p in placed_orders if p.row.line not in told]
                # While others are waited for, what is over may still be told.
                if given_up or all(p.deadline <= time.monotonic() for p in left):
                    ended += [(p, p.order, _unknown_outcome(e)) for p in left]
            with self._some:
                for placed, *_ in ended:
                    del self._orders[placed.row.line]
            for found in ended:
                self._on_ended(*found)
            pause = _SOON if ended else min(_LATE, pause * 2)
            self._closed.wait(max(pause, min(1.0, (time.monotonic() - began) * _REST)))

    def _wait_for_some(self) -> list[Placed]:
        """Waits for orders. Returns all of them; none when closed."""
        with self._some:
            while not self._orders and not self._closed.is_set():
                self._some.wait()
            return [] if self._closed.is_set() else list(self._orders.values())

    def _poll(self, placed_orders: list[Placed], now: float, told: list[Told]) -> None:
        """Tells the orders that have ended, or whose wait has. Raises where the daemon can't say, after what
        it has said."""
        self._fetch(placed_orders, told, ended=True)
        known = {p.row.line for p, *_ in told}
        late = [p for p in placed_orders if p.deadline <= now and p.row.line not in known]
        self._fetch(late, told, ended=False)
        known |= {p.row.line for p, *_ in told}
        told += [(p, p.order, None) for p in late if p.row.line not in known]

    def _fetch(self, placed: list[Placed], told: list[Told], *, ended: bool) -> None:
        # Two lines with one key of their own are one order.
        lines: dict[str, list[Placed]] = {}
        for p in placed:
            lines.setdefault(p.order["orderId"], []).append(p)
        ids = list(lines)
        for at in range(0, len(ids), PAGE):
            for order in find_orders(self._client, orderIds=ids[at : at + PAGE], ended=ended):
                told += [(p, order, None) for p in lines[order["orderId"]]]


def _unknown_outcome(e: Exception) -> CliError:
    why = e.message if isinstance(e, CliError) else str(e) or type(e).__name__
    hint = e.hint if isinstance(e, HomeLost) else "Once the daemon is back the same batch tells."
    error = OutcomeUnknown(f"Not known how the order ended: {why}", hint=hint)
    error.__cause__ = e
    return error
