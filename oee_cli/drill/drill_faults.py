"""What the drill does to an engine: kill, freeze and silence its parts, spoil its queue and its chain.

Each fault is one call; what it hits is found by the process ids that the daemon itself tells and by what its
Postgres tells of its backends; what a network takes besides is its stage's. Nothing outside the drill's own
home is ever touched.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from oee_cli.api.client_processes import descends
from oee_cli.drill.drill_hands import HAND_WEIGHTS, Hands
from oee_cli.drill.drill_processes import Crew
from oee_cli.drill.drill_stage import PARTS, Stage
from oee_cli.drill.drill_watch_faults import LEADER_FROZEN_S, PRICE_FAULTS, WATCH_WEIGHTS, WatchFaults
from oee_daemon.contract.planned_faults import DRILLED

#: Those that need a worker beside the daemon's own.
CREW_WEIGHTS = {"another worker killed": 3, "another worker frozen": 2, "another worker silenced": 4}

#: What empties the queue or makes it answer with errors, and what ends that again.
_QUEUE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "queue emptied": (("FLUSHALL",), ()),
    "queue full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "queue read-only": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
}

#: How those end that are a signal to a process.
_SIGNALS = (" killed", " frozen")
#: The part of the places after a commit that lose its answer instead of dying.
LOSES = 0.3
#: Seconds that a frozen process, and a queue or database that refuses, stays so.
FREEZE_S = (0.5, 4.0)
#: Seconds that one frozen backend, or another worker, stays so: past every bound and lease of the engine.
LONG_S = (4.0, 25.0)
#: By fault, seconds that what it freezes stays so where that is not `FREEZE_S`.
_FROZEN_S = {
    "backend frozen": LONG_S, "another worker frozen": LONG_S, "leader frozen": LEADER_FROZEN_S,
}  # fmt: skip
#: Milliseconds until the engine has come back from what was done to its parts.
BACK_MS = 6000


def plan(count: int, seed: int, network: Mapping[str, int], workers: int, *, waits: bool) -> list[str]:
    """`count` faults in the order in which they come; the same for the same seed, network (its faults and
    how often each is drawn) and number of workers. `waits`: orders wait for prices, which have faults too,
    and for a user who halts the engine and cancels many at once."""
    draw = random.Random(seed)  # noqa: S311
    weights = {
        **network,
        **(CREW_WEIGHTS if workers > 1 else {}),
        **(WATCH_WEIGHTS | HAND_WEIGHTS if waits else {}),
    }
    return draw.choices(list(weights), weights=list(weights.values()), k=count)


def is_outage(fault: str) -> bool:
    """Whether it takes a part of the engine away: how long that takes to come back is worth knowing."""
    return fault.endswith(_SIGNALS) and not fault.startswith("another")


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


@dataclass(eq=False)
class FaultInjector:
    """Strikes the drill's processes. `pids` tells the processes by name, as far as they are known; `watch`:
    what goes wrong with prices, where any are watched; `hands`: what a user does."""

    stage: Stage
    seed: int
    pids: Callable[[], dict[str, int]]
    crew: Crew
    watch: WatchFaults | None
    hands: Hands

    def __post_init__(self) -> None:
        self._draw = random.Random(f"{self.seed} details")  # noqa: S311
        self._drawn_s = 0.0
        #: When parts of the engine were gone or frozen, in ms since the epoch.
        self.away: list[tuple[float, float]] = []

    def strike(self, fault: str) -> bool:
        """Injects one fault. Returns False where what it is meant for is not there right now."""
        begun_ms, self._drawn_s = time.time() * 1000, 0.0
        if self.watch is not None and fault in PRICE_FAULTS:
            return self.watch.strike(fault, self._draw, self._later)
        if fault in HAND_WEIGHTS:
            return self.hands.halt(self._draw) if fault == "halted" else self.hands.sweep(self._draw)
        struck = self._strike_part(fault)
        if struck and (fault not in self.stage.weights or fault in PARTS):
            self.away.append((begun_ms, time.time() * 1000 + self._drawn_s * 1000 + BACK_MS))
        return struck

    def _strike_part(self, fault: str) -> bool:
        if fault in _QUEUE:
            return self._disturb_queue(fault)
        if fault == "postgres read-only":
            return self._make_read_only()
        if fault == "another worker silenced":
            other = self.crew.any_other(self._draw)
            if other is not None:
                other.silence()
            return other is not None
        if fault.endswith(_SIGNALS):
            return self._signal(fault)
        return self.stage.spoil(fault, self._draw, self._newest() if fault == "swap lapsed" else None)

    def _signal(self, fault: str) -> bool:
        killed = fault.endswith("killed")
        # Its own, still: what was told a moment ago may have ended, and its number be somebody else's.
        found = [pid for pid in self._targets(fault) if descends(pid, os.getpid())]
        _signal_all(found, signal.SIGKILL if killed else signal.SIGSTOP)
        if found and not killed:
            self._later(_FROZEN_S.get(fault, FREEZE_S), lambda: _signal_all(found, signal.SIGCONT))
        return bool(found)

    def _targets(self, fault: str) -> Sequence[int]:
        pids = self.pids() | self.stage.pids()
        if fault.startswith("another worker"):
            other = self.crew.any_other(self._draw)
            return [] if other is None or other.process is None else [other.process.pid]
        if fault.startswith("leader"):
            # The worker that watches the prices, by the name under which it leads.
            rows = self.crew.ask("SELECT owner FROM watch WHERE lease_until > clock_timestamp()")
            return [int(owner.split(":")[-2]) for (owner,) in rows]
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
        asked = f"SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which} ORDER BY pid"  # noqa: S608
        return [int(pid) for (pid,) in self.crew.ask(asked)]

    def _make_read_only(self) -> bool:
        import psycopg

        try:
            self._set_read_only(True)
        except psycopg.Error:
            return False
        self._later(FREEZE_S, lambda: self._until_done(lambda: self._set_read_only(False)))
        return True

    def _set_read_only(self, on: bool) -> None:
        with self.crew.database() as db:
            db.execute("SET default_transaction_read_only = off")
            db.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
            db.execute("SELECT pg_reload_conf()")

    def _disturb_queue(self, fault: str) -> bool:
        import redis

        begin, end = _QUEUE[fault]
        try:
            self._tell_queue(begin)
        except redis.RedisError:
            return False
        if end:
            self._later(FREEZE_S, lambda: self._until_done(lambda: self._tell_queue(end)))
        return True

    def _tell_queue(self, command: tuple[str, ...]) -> None:
        import redis

        with redis.Redis(unix_socket_path=str(self.crew.queue_socket), socket_timeout=1) as client:
            client.execute_command(*command)

    def _newest(self) -> int | None:
        """The number of the newest order; none where Postgres does not answer. Numbers are Postgres's: after
        a crash it leaves some out."""
        rows = self.crew.ask("SELECT last_value FROM order_numbers")
        return int(rows[0][0]) if rows else None

    def _later(self, between_s: tuple[float, float], what: Callable[[], object]) -> None:
        self._drawn_s = self._draw.uniform(*between_s)
        timer = threading.Timer(self._drawn_s, what)
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


def died_at(home: Path) -> list[float]:
    """When named places were died at, in ms since the epoch, by the daemon's processes and by other
    workers."""
    return [mark.stat().st_mtime * 1000 for mark in home.glob("**/failpoints/*")]


def _signal_all(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
