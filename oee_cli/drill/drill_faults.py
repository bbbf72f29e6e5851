"""What the drill does to an engine: kill, freeze and silence its parts, spoil its queue and its chain.

Each fault is one call; what it hits is found by the process ids that the daemon itself tells, by what its
Postgres tells of its backends, and by the chain's fault table in the drill's ledger file. Nothing outside the
drill's own home is ever touched.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oee_cli.api.processes import descends
from oee_cli.drill.drill_processes import Crew
from oee_daemon.contract.simulated import DRILLED, ORDER_FAULT

#: How often each fault is drawn, relative to the others.
WEIGHTS = {
    "worker killed": 6, "daemon killed": 3, "postgres killed": 3, "postgres wholly killed": 3,
    "valkey killed": 3, "worker frozen": 2, "daemon frozen": 1, "postgres frozen": 2, "backend frozen": 3,
    "valkey frozen": 2, "queue emptied": 3, "queue full": 2, "queue read-only": 1, "postgres read-only": 1,
    "chain refused": 2, "chain hung": 2, "answers lost": 4, "never landed": 2, "chain mute": 2,
    "chain lagged": 2, "landed late": 2, "fork lost": 2, "node stale": 2, "node forgot": 2, "swap lapsed": 1,
    "venue refused": 1, "venue hung": 1, "failpoint": 9,
}  # fmt: skip

#: Those that need a worker beside the daemon's own.
CREW_WEIGHTS = {"another worker killed": 3, "another worker frozen": 2, "another worker silenced": 4}

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
    "landed late": {"target": "chain", "kind": "late", "ms": 5000},
    "fork lost": {"target": "chain", "kind": "fork", "ms": 5000},
    "node stale": {"target": "node 1", "kind": "stale", "ms": 60_000},
    "node forgot": {"target": "node 2", "kind": "forget", "ms": 1000},
    "venue refused": {"target": "raydium", "kind": "refuse"},
    "venue hung": {"target": "meteora", "kind": "hang"},
}

#: What makes the queue answer with errors, and what ends it again.
_QUEUE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "queue full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "queue read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}

#: The part of the places after a commit that lose its answer instead of dying.
LOSES = 0.3
#: Sends of one swap that are dropped: more than there are while it can land.
LAPSES = 40
#: Seconds that a frozen process, and a queue or database that refuses, stays so.
FREEZE_S = (0.5, 4.0)
#: Seconds that one frozen backend, or another worker, stays so: past every bound and lease of the engine.
LONG_S = (4.0, 25.0)


def plan(count: int, seed: int, workers: int = 1) -> list[str]:
    """`count` faults in the order in which they come; the same for the same seed and number of workers."""
    draw = random.Random(seed)  # noqa: S311
    weights = WEIGHTS | (CREW_WEIGHTS if workers > 1 else {})
    return draw.choices(list(weights), weights=list(weights.values()), k=count)


def failpoints(count: int, seed: int) -> str:
    """The setting that arms `count` of the engine's named places, each to die at a chance of 3 in 100
    passes; places repeat where there are more faults than places."""
    draw = random.Random(f"{seed} places")  # noqa: S311
    names = [DRILLED[n % len(DRILLED)] for n in range(count)]
    draw.shuffle(names)
    rules = {name: names.count(name) for name in names}
    return ",".join(
        # Some only lose the answer of what they did.
        f"{name}={'lose' if draw.random() < LOSES and name.startswith('after') else 'kill'}*{times}%3"
        for name, times in rules.items()
    )


class FaultInjector:
    """Strikes the drill's processes. `pids` tells the processes by name, as far as they are known."""

    def __init__(self, home: Path, seed: int, pids: Callable[[], dict[str, int]], crew: Crew) -> None:
        self._home = home
        self._draw = random.Random(f"{seed} details")  # noqa: S311
        self._pids = pids
        self._crew = crew

    def strike(self, fault: str) -> bool:
        """Injects one fault. Returns False where what it is meant for is not there right now."""
        if fault in _ROWS:
            return self._spoil(_ROWS[fault])
        if fault == "swap lapsed":
            return self._let_lapse()
        if fault in _QUEUE or fault == "queue emptied":
            return self._disturb_queue(fault)
        if fault == "postgres read-only":
            return self._make_read_only()
        if fault == "another worker silenced":
            return self._crew.silence(self._draw)
        return self._signal(fault)

    def _signal(self, fault: str) -> bool:
        killed = fault.endswith("killed")
        # Its own, still: what was told a moment ago may have ended, and its number be somebody else's.
        found = [pid for pid in self._targets(fault) if descends(pid, os.getpid())]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if killed else signal.SIGSTOP)
        if found and not killed:
            long = fault in ("backend frozen", "another worker frozen")
            self._later(LONG_S if long else FREEZE_S, lambda: _wake(found))
        return bool(found)

    def _targets(self, fault: str) -> Sequence[int]:
        pids = self._pids()
        if fault.startswith("another worker"):
            return self._crew.any_worker(self._draw)
        if fault in ("postgres wholly killed", "postgres frozen"):
            # The first is asked to start what is missing: it has to go, or to stop, before the others.
            own = [pids["postgres"]] if "postgres" in pids else []
            return own + self._backends("TRUE") if own else []
        if fault == "backend frozen":
            found = self._backends("application_name = 'oee' AND backend_type = 'client backend'")
            return [self._draw.choice(found)] if found else []
        name = fault.split()[0]
        return [pids[name]] if name in pids else []

    def _backends(self, which: str) -> list[int]:
        """Process ids that Postgres tells of itself; none where it does not answer."""
        import psycopg

        with suppress(psycopg.Error), self._crew.database() as db:
            found = db.execute(
                f"SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which} ORDER BY pid"  # noqa: S608
            ).fetchall()
            return [int(pid) for (pid,) in found]
        return []

    def _make_read_only(self) -> bool:
        import psycopg

        try:
            self._set_read_only(True)
        except psycopg.Error:
            return False
        self._later(FREEZE_S, lambda: self._until_done(lambda: self._set_read_only(False)))
        return True

    def _set_read_only(self, on: bool) -> None:
        with self._crew.database() as db:
            db.execute("SET default_transaction_read_only = off")
            db.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
            db.execute("SELECT pg_reload_conf()")

    def _disturb_queue(self, fault: str) -> bool:
        import redis

        try:
            with self._queue() as queue:
                if fault == "queue emptied":
                    queue.flushall()
                    return True
                begin, end = _QUEUE[fault]
                queue.execute_command(*begin)
        except redis.RedisError:
            return False
        self._later(FREEZE_S, lambda: self._until_done(lambda: self._tell_queue(end)))
        return True

    def _tell_queue(self, command: tuple[str, ...]) -> None:
        with self._queue() as queue:
            queue.execute_command(*command)

    @contextmanager
    def _queue(self) -> Iterator[Any]:
        import redis

        with redis.Redis(unix_socket_path=str(self._crew.queue_socket), socket_timeout=1) as client:
            yield client

    def _let_lapse(self) -> bool:
        """Every send of one order's first swap that is still to come is dropped, until it can't land any
        more. Numbers are Postgres's: after a crash it leaves some out."""
        import psycopg

        with suppress(psycopg.Error), self._crew.database() as db:
            (number,) = db.execute("SELECT last_value FROM order_numbers").fetchone()
            return self._spoil({"target": "chain", "kind": "drop", "number": number + 3}, LAPSES)
        return False

    def _spoil(self, row: dict[str, Any], remaining: int | None = None) -> bool:
        count = remaining or self._draw.randint(1, 4)
        values = {"ms": None, "number": None, **row, "remaining": count, "percent": 100}
        with sqlite3.connect(self._home / "ledger.sqlite", timeout=30) as db:
            db.execute(ORDER_FAULT, values)
        db.close()
        return True

    def _later(self, between_s: tuple[float, float], what: Callable[[], object]) -> None:
        timer = threading.Timer(self._draw.uniform(*between_s), what)
        timer.daemon = True
        timer.start()

    @staticmethod
    def _until_done(what: Callable[[], object]) -> None:
        """What a server was told for a while has to be taken back, however often it dies meanwhile."""
        import psycopg
        import redis

        for _ in range(600):
            try:
                what()
                return
            except (psycopg.Error, redis.RedisError):
                threading.Event().wait(0.2)


def died_at(home: Path) -> int:
    """How many named places were died at, by the daemon's processes and by other workers."""
    return sum(1 for _ in home.glob("**/failpoints/*"))


def _wake(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
