"""Starts and stops what `floor` has: the bare application, worker, bell and hub.

On servers that run already, in a database of its own; each is ready when it is returned.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

from benchmarks import bench, floor


class Floor:
    """The floor's processes: the application, and where asked for the worker."""

    def __init__(self, home: Path, database_url: str, redis_url: str, *, worker: bool) -> None:
        self.database_url = bench.plain(database_url)
        self.redis_url = redis_url
        self.socket = str(home / "floor.sock")
        self.log = home / "floor.log"
        told = ["-m", "benchmarks.floor"]
        self._app = bench.Process(
            [*told, "app", self.socket, self.database_url, redis_url], bench.environ(), self.log
        )
        self._worker = None
        if worker:
            arguments = [*told, "worker", self.database_url, redis_url]
            self._worker = bench.Process(arguments, bench.environ(), home / "floor-worker.log")

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._app.pid, *([self._worker.pid] if self._worker else []))

    def __enter__(self) -> Floor:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            conn.execute(floor.SCHEMA)
        self._app.start()
        bench.until(lambda: self._app.pid and Path(self.socket).exists(), 30, "the floor's start")
        if self._worker:
            self._worker.start()
            log = self._worker.log
            bench.until(
                lambda: self._worker and self._worker.pid and "worker ready" in log.read_text(),
                30,
                "the floor's worker",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._app.stop()
        if self._worker:
            self._worker.stop()


class BellFloor:
    """As little as can be between an order and its first move: a list that blocks, and one UPDATE."""

    def __init__(self, home: Path, database_url: str, redis_url: str) -> None:
        self.database_url = bench.plain(database_url)
        self.redis_url = redis_url
        arguments = ["-m", "benchmarks.floor", "bell", self.database_url, redis_url]
        self._bell = bench.Process(arguments, bench.environ(), home / "floor-bell.log")

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._bell.pid,)

    def __enter__(self) -> BellFloor:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            conn.execute(floor.SCHEMA)
        self._bell.start()
        log = self._bell.log
        bench.until(lambda: self._bell.pid and "ready" in log.read_text(), 30, "the bell's start")
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.stop()


class HubFloor:
    """A bare hub: what is published on Valkey goes to every client."""

    def __init__(self, home: Path, redis_url: str) -> None:
        self.redis_url = redis_url
        self.socket = str(home / "hub.sock")
        arguments = ["-m", "benchmarks.floor", "hub", self.socket, redis_url]
        self._hub = bench.Process(arguments, bench.environ(), home / "floor-hub.log")

    def __enter__(self) -> HubFloor:
        self._hub.start()
        bench.until(lambda: self._hub.pid and Path(self.socket).exists(), 30, "the hub's start")
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.stop()
