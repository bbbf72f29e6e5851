"""Faults of the prices that orders wait for: venues that spike, markets that gap, a feed that repeats, lags
or says nothing. Each is a row in the simulated network's table that stands for a while.

When each stood is kept: by that the judge knows what prices may have been seen.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oee_cli.drill.drill_ledger import write_ledger
from oee_cli.drill.drill_market import Shift

#: How often each is drawn, relative to the other faults; the leader is the worker that watches the prices.
WATCH_WEIGHTS = {
    "leader frozen": 6, "leader killed": 3, "venue spiked": 6, "market gapped": 8, "prices repeated": 4,
    "prices blind": 4, "prices late": 3,
}  # fmt: skip
#: Seconds for which each stands; a leader is frozen for longer than its lease of 3 s.
STANDS_S, LEADER_FROZEN_S = (3.0, 14.0), (3.5, 9.0)
#: By fault: the row's target and kind; whether it moves prices; between which `ms` is drawn, either way.
PRICE_FAULTS: dict[str, tuple[str, str, tuple[int, int]]] = {
    "venue spiked": ("", "spike", (200, 900)),
    "market gapped": ("market", "gap", (100, 600)),
    "prices repeated": ("feed", "freeze", (0, 0)),
    "prices blind": ("feed", "blind", (0, 0)),
    "prices late": ("feed", "lag", (1000, 9000)),
}
_MOVES = ("spike", "gap")
_ORDER = "INSERT INTO sim_faults (target, kind, ms, percent) VALUES (?, ?, ?, 100) RETURNING id"


@dataclass(slots=True)
class Stood(Shift):
    """One fault. Where it moves no price, `bps` is what else it is drawn by."""

    kind: str


class WatchFaults:
    """On the ledger's file."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._open: dict[int, Stood] = {}
        self.stood: list[Stood] = []

    def strike(
        self, fault: str, draw: random.Random, later: Callable[[tuple[float, float], Any], None]
    ) -> bool:
        """False: such a fault stands already. `later`: calls something after a while drawn."""
        target, kind, (least, most) = PRICE_FAULTS[fault]
        ms = draw.randint(least, most)
        if kind in _MOVES:
            target = target or draw.choice(("raydium", "meteora"))
            ms *= draw.choice((1, -1))
        with self._lock:
            if any(stood.target == target for stood in self._open.values()):
                return False
            begun = time.time() * 1000
            (number,) = write_ledger(self._ledger, _ORDER, (target, kind, ms))
            now = time.time() * 1000
            stood = self._open[number] = Stood(target, ms, begun, float("inf"), (now, now), kind)
            self.stood.append(stood)
        later(STANDS_S, lambda: self._end(number))
        return True

    def _end(self, number: int) -> None:
        with self._lock:
            stood = self._open.pop(number, None)
            if stood is None:
                return
            stood.sure_ms = (stood.sure_ms[0], time.time() * 1000)
            write_ledger(self._ledger, "DELETE FROM sim_faults WHERE id = ?", (number,))
            stood.ended_ms = time.time() * 1000

    def end_all(self) -> None:
        for number in list(self._open):
            self._end(number)

    def shifts(self) -> Sequence[Shift]:
        return [stood for stood in self.stood if stood.kind in _MOVES]

    def blind(self) -> list[tuple[float, float]]:
        """When no price can have been seen."""
        return [s.sure_ms for s in self.stood if s.kind == "blind"]

    def hidden(self) -> list[tuple[float, float]]:
        """When the prices of now may not have been seen."""
        return [(s.begun_ms, s.ended_ms) for s in self.stood if s.kind not in _MOVES]
