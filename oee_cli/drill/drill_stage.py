"""What a drill plays on: a network's settings, what is traded, the faults that it takes, its ledger.

`SimulatedStage` is the simulated network, its ledger in a file of the drill's home; `drill_localnet_stage` is
the other one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oee_cli.drill.drill_ledger import write_ledger
from oee_cli.drill.drill_verdict import Landing, landings
from oee_daemon.contract.planned_faults import ORDER_FAULT

#: How often each fault of what every network needs is drawn, relative to the others.
PARTS = {
    "worker killed": 6, "daemon killed": 3, "postgres killed": 3, "postgres wholly killed": 3,
    "valkey killed": 3, "worker frozen": 2, "daemon frozen": 1, "postgres frozen": 2, "backend frozen": 3,
    "valkey frozen": 2, "queue emptied": 3, "queue full": 2, "queue read-only": 1, "postgres read-only": 1,
}  # fmt: skip


class Stage:
    """A network in a drill's home, which runs nothing itself unless it says so. `weights`: its faults, as
    `PARTS`; `bodies`: the orders, in turn; `in_flight`: how many may be on their way at once. `ledger`: the
    file by which orders that wait are judged, none where none can wait."""

    in_flight: int
    weights: Mapping[str, int]
    bodies: Sequence[Mapping[str, Any]]
    ledger: Path | None = None

    def environ(self) -> dict[str, str]:
        """The settings of every process."""
        raise NotImplementedError

    def keep(self) -> None:
        """Starts what the network itself runs and is gone."""

    def pids(self) -> dict[str, int]:
        """What of the network can be killed and frozen, by name."""
        return {}

    def spoil(self, fault: str, draw: random.Random, newest: int | None) -> bool:
        """Orders a fault of the network, if it is one. `newest`: the number of the newest order."""
        raise NotImplementedError

    def settle(self) -> None:
        """Returns once nothing can land any more but what the ledger has with its time."""

    def landings(self) -> list[Landing]:
        """What has moved money, by the chain's own ledger; nothing runs any more."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends what it runs."""


#: The faults of the simulated network, as rows of its table; `remaining` is drawn.
_ROWS: dict[str, dict[str, Any]] = {
    "chain refused": {"target": "chain", "kind": "refuse"},
    "chain hung": {"target": "chain", "kind": "hang"},
    "answers lost": {"target": "chain", "kind": "lose"},
    "never landed": {"target": "chain", "kind": "drop"},
    "chain mute": {"target": "chain", "kind": "mute"},
    "chain lagged": {"target": "chain", "kind": "lag", "ms": 3000},
    "landed late": {"target": "chain", "kind": "late", "ms": 5000},
    "fork lost": {"target": "chain", "kind": "fork", "ms": 5000},
    "node stale": {"target": "node 1", "kind": "stale", "ms": 60_000},
    "node forgot": {"target": "node 2", "kind": "forget", "ms": 1000},
    "venue refused": {"target": "raydium", "kind": "refuse"},
    "venue hung": {"target": "meteora", "kind": "hang"},
}
#: Sends of one swap that are dropped: more than there are while it can land.
LAPSES = 40


class SimulatedStage(Stage):
    """The simulated network: the engine itself makes its chain move."""

    in_flight = 60
    weights: Mapping[str, int] = PARTS | {
        "chain refused": 2, "chain hung": 2, "answers lost": 4, "never landed": 2, "chain mute": 2,
        "chain lagged": 2, "landed late": 2, "fork lost": 2, "node stale": 2, "node forgot": 2,
        "swap lapsed": 1, "venue refused": 1, "venue hung": 1, "failpoint": 9,
    }  # fmt: skip
    bodies: Sequence[Mapping[str, Any]] = (
        {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"},
        {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.5", "swapMode": "ExactOut"},
        {"inputToken": "JUP", "outputToken": "USDT", "amount": "800"},
        {"inputToken": "SOL", "outputToken": "BONK", "amount": "9000000", "swapMode": "ExactOut"},
    )

    def __init__(self, home: Path, seed: int) -> None:
        self.ledger: Path = home / "ledger.sqlite"
        self._seed = seed

    def environ(self) -> dict[str, str]:
        return {
            "OEE_SIM_SEED": str(self._seed),
            "OEE_SIM_LATENCY_MS": "20",
            "OEE_SIM_CONFIRM_MS": "40",
            "OEE_SIM_LEDGER_FILE": str(self.ledger),
        }

    def spoil(self, fault: str, draw: random.Random, newest: int | None) -> bool:
        if fault == "swap lapsed":
            if newest is None:
                return False
            # Every send of one order's first swap that is still to come is dropped, until it can't land.
            self._order({"target": "chain", "kind": "drop", "number": newest + 3}, LAPSES)
            return True
        self._order(_ROWS[fault], draw.randint(1, 4))
        return True

    def _order(self, row: dict[str, Any], remaining: int) -> None:
        values = {"ms": None, "number": None, **row, "remaining": remaining, "percent": 100}
        write_ledger(self.ledger, ORDER_FAULT, values)

    def landings(self) -> list[Landing]:
        return landings(self.ledger)
