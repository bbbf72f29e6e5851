"""The drill's localnet: a chain of 50 ms slots and forks, its nodes that mislead, and its faults by rows.

The drill runs the process itself and kills it like the others, because the daemon's own would have one
endpoint. All of it lies in the drill's home, and everything is ordered by rows in the chain's one file.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oee_cli.cli_errors import Unreachable
from oee_cli.drill.drill_ledger import write_ledger
from oee_cli.drill.drill_localnet_ledger import are_due, localnet_landings
from oee_cli.drill.drill_processes import end_process
from oee_cli.drill.drill_stage import PARTS, Stage
from oee_cli.drill.drill_verdict import Landing

#: Milliseconds, and slots after which a block is final: long enough for a fork to take landings back.
SLOT_MS, CONFIRM, FINAL = 50, 2, 32
#: Blocks for which a swap can land, with the margin that the engine leaves, and every twentieth slot empty.
LAPSE_SLOTS = 190
#: Seconds for localnet to answer, and to end.
START_S, STOP_S = 30.0, 10.0
#: Nodes beside the one that is right about everything; `mixed` gives each request to the next of its own.
NODES: Sequence[Mapping[str, Any]] = (
    {"name": "behind", "lag": 40},
    {"name": "none", "history": "none"},
    {"name": "pruned", "history": "pruned"},
    {"name": "ghost", "ghost": 1},
    {"name": "liar", "height_is_slot": 1},
    {"name": "mixed", "members": "main,none,pruned,ghost,liar,behind"},
)
#: The endpoints that the engine is told of.
ENDPOINTS = ("", "node/behind", "node/mixed")

#: The faults, as rows of localnet's table; `remaining` is drawn up to the number.
_ROWS: dict[str, tuple[dict[str, Any], int]] = {
    "sends dropped": ({"target": "send", "kind": "drop"}, 8),
    "sends refused": ({"target": "send", "kind": "429"}, 8),
    "answers lost": ({"target": "send", "kind": "cut", "landed": 1}, 8),
    "sends hung": ({"target": "send", "kind": "hang", "landed": 1}, 3),
    "reads emptied": ({"target": "read", "kind": "null"}, 20),
    "reads refused": ({"target": "read", "kind": "503"}, 20),
    "reads limited": ({"target": "read", "kind": "429"}, 6),
    "reads hung": ({"target": "read", "kind": "hang"}, 3),
    "reads in html": ({"target": "read", "kind": "html"}, 10),
    "nodes unhealthy": ({"target": "read", "kind": "unhealthy", "blocks": 200}, 10),
    "never landed": ({"target": "fate", "kind": "never"}, 3),
    "landed late": ({"target": "fate", "kind": "late", "blocks": 1}, 3),
    "landed delayed": ({"target": "fate", "kind": "delayed", "ms": 2000}, 4),
    "fork lost": ({"target": "chain", "kind": "fork", "blocks": 20}, 2),
    "raydium refused": ({"target": "raydium", "kind": "503"}, 6),
    "raydium hung": ({"target": "raydium", "kind": "hang"}, 2),
    "raydium lied": ({"target": "raydium", "kind": "wrong_mint"}, 4),
    "jupiter lied": ({"target": "jupiter", "kind": "wrong_amount"}, 4),
    "jupiter limited": ({"target": "jupiter", "kind": "429"}, 4),
}


class LocalnetStage(Stage):
    """Localnet in the home of a drill."""

    #: Each order takes seconds of the chain's time here: more would wait for a place, and not for the chain.
    in_flight = 20
    weights: Mapping[str, int] = (
        PARTS | {"localnet killed": 12, "localnet frozen": 2, "failpoint": 6} | dict.fromkeys(_ROWS, 2)
    )
    # Both ways in turn: what one takes out of a pool the next one brings back.
    bodies: Sequence[Mapping[str, Any]] = (
        {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.15"},
        {"inputToken": "USDC", "outputToken": "SOL", "amount": "0.15", "swapMode": "ExactOut"},
        {"inputToken": "JUP", "outputToken": "USDT", "amount": "80"},
        {"inputToken": "USDT", "outputToken": "JUP", "amount": "80", "swapMode": "ExactOut"},
        {"inputToken": "SOL", "outputToken": "BONK", "amount": "9000", "swapMode": "ExactOut"},
        {"inputToken": "BONK", "outputToken": "SOL", "amount": "9000"},
    )

    def __init__(self, home: Path, seed: int) -> None:
        self.file = home / "localnet.db"
        self._socket = home / "localnet.sock"
        self._log = home / "localnet.log"
        self._seed = seed
        self._process: subprocess.Popen[bytes] | None = None

    def environ(self) -> dict[str, str]:
        address = f"http+unix://{quote(str(self._socket), safe='')}"
        return {
            "OEE_NETWORK": "localnet",
            "OEE_RPC_URLS": ",".join(f"{address}/{node}".rstrip("/") for node in ENDPOINTS),
            # A fault costs an order an attempt, and is no reason to give it up.
            "OEE_MAX_ATTEMPTS": "20",
        }

    def keep(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        new = not self.file.exists()
        command = [
            sys.executable, "-P", "-m", "oee_daemon.networks.localnet", str(self.file),
            "--listen", str(self._socket), "--seed", str(self._seed + 1), "--slot-ms", str(SLOT_MS),
            "--confirm", str(CONFIRM), "--final", str(FINAL), "--venue-ms", "20",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        # It says so once it answers.
        with self._process.stdout as said:
            if not said.readline().startswith(b"ready"):
                raise Unreachable(f"The drill's localnet can't be started. Its log: {self._log}")
        if new:
            for row in NODES:
                self._write("nodes", row)

    def pids(self) -> dict[str, int]:
        alive = self._process is not None and self._process.poll() is None
        return {"localnet": self._process.pid} if alive and self._process is not None else {}

    def spoil(self, fault: str, draw: random.Random, newest: int | None) -> bool:
        row, most = _ROWS[fault]
        self._write("faults", row | {"remaining": draw.randint(1, most)})
        return True

    def _write(self, table: str, row: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(row))
        statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608
        write_ledger(self.file, statement, list(row.values()))

    def settle(self) -> None:
        """Until every blockhash that was ever signed on is too old; what is due by then has landed."""
        self.keep()
        until = time.monotonic() + LAPSE_SLOTS * SLOT_MS / 1000
        while time.monotonic() < until or are_due(self.file):
            threading.Event().wait(0.2)
            if time.monotonic() > until + START_S:
                raise Unreachable("The drill's localnet does not land what it has to land.")

    def landings(self) -> list[Landing]:
        return localnet_landings(self.file)

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process, STOP_S)
