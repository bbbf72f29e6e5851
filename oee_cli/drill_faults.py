"""What the drill does to a daemon: kill and freeze its processes, empty its queue, spoil its chain.

Each fault is one call; what it hit is found by the process ids that the daemon itself tells, and by the
chain's fault table in the drill's ledger file. Nothing outside the drill's own home is ever touched.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from oee_cli.checks.processes import descends

#: How often each fault is drawn, relative to the others.
WEIGHTS = {
    "worker killed": 6, "daemon killed": 3, "postgres killed": 4, "valkey killed": 3,
    "worker frozen": 2, "daemon frozen": 1, "postgres frozen": 1, "valkey frozen": 2, "queue emptied": 3,
    "chain refused": 2, "chain hung": 2, "answers lost": 4, "never landed": 2, "chain mute": 2,
    "chain lagged": 2, "venue refused": 1, "venue hung": 1, "failpoint": 9,
}  # fmt: skip

#: What takes a part of the engine away: how long it takes to come back is worth knowing.
OUTAGES = frozenset(f for f in WEIGHTS if f.endswith((" killed", " frozen")) and f.split()[0] != "chain")

#: The faults of the simulated network, as rows of its table; `remaining` is drawn.
_ROWS: dict[str, dict[str, Any]] = {
    "chain refused": {"target": "chain", "kind": "refuse"},
    "chain hung": {"target": "chain", "kind": "hang"},
    "answers lost": {"target": "chain", "kind": "lose"},
    "never landed": {"target": "chain", "kind": "drop"},
    "chain mute": {"target": "chain", "kind": "mute"},
    "chain lagged": {"target": "chain", "kind": "lag", "ms": 3000},
    "venue refused": {"target": "raydium", "kind": "refuse"},
    "venue hung": {"target": "meteora", "kind": "hang"},
}

#: The engine's named places to die; armed from the start, each dies where its turn comes.
PLACES = (
    "accepted", "rung", "claimed", "after_routing", "before_building", "after_building",
    "signed", "before_submitted", "after_submitted", "sent", "landed", "before_confirmed", "after_confirmed",
    "before_pending", "after_pending",
)  # fmt: skip

#: The part of the places after a commit that lose its answer instead of dying.
LOSES = 0.3
#: Seconds that a frozen process stays so.
FREEZE_S = (0.5, 4.0)


def plan(count: int, seed: int) -> list[str]:
    """`count` faults in the order in which they come; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311
    return draw.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=count)


def failpoints(count: int, seed: int) -> str:
    """The setting that arms `count` of the engine's named places, each to die at a chance of 3 in 100
    passes; places repeat where there are more faults than places."""
    draw = random.Random(f"{seed} places")  # noqa: S311
    names = [PLACES[n % len(PLACES)] for n in range(count)]
    draw.shuffle(names)
    rules = {name: names.count(name) for name in names}
    return ",".join(
        # Some only lose the answer of what they did.
        f"{name}={'lose' if draw.random() < LOSES and name.startswith('after') else 'kill'}*{times}%3"
        for name, times in rules.items()
    )


class Faults:
    """Strikes. `pids` tells the processes by name, as far as they are known."""

    def __init__(self, home: Path, seed: int, pids: Callable[[], dict[str, int]]) -> None:
        self._home = home
        self._draw = random.Random(f"{seed} details")  # noqa: S311
        self._pids = pids

    def strike(self, fault: str) -> bool:
        """Does it. False: what it was meant for is not there right now."""
        if fault in _ROWS:
            return self._spoil(_ROWS[fault])
        if fault == "queue emptied":
            return self._empty()
        name, how = fault.split()
        pid = self._pids().get(name)
        # Its own, still: what was told a moment ago may have ended, and its number be somebody else's.
        if pid is None or not descends(pid, os.getpid()):
            return False
        try:
            os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        except ProcessLookupError:
            return False
        if how == "frozen":
            timer = threading.Timer(self._draw.uniform(*FREEZE_S), _wake, [pid])
            timer.daemon = True
            timer.start()
        return True

    def _spoil(self, row: dict[str, Any]) -> bool:
        values = row | {"remaining": self._draw.randint(1, 4), "percent": 100}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with sqlite3.connect(self._home / "ledger.sqlite", timeout=30) as db:
            db.execute(f"INSERT INTO sim_faults ({names}) VALUES ({marks})", values)  # noqa: S608
        db.close()
        return True

    def _empty(self) -> bool:
        import redis

        sockets = list(self._home.glob("sockets/valkey.sock"))
        try:
            with redis.Redis(unix_socket_path=str(sockets[0]), socket_timeout=1) as client:
                client.flushall()
        except (redis.RedisError, IndexError):
            return False
        return True


def died_at(home: Path) -> int:
    """How many named places were died at."""
    marks = home / "failpoints"
    return len(list(marks.iterdir())) if marks.is_dir() else 0


def _wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
