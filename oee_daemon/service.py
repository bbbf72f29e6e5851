"""The daemon once its servers answer: migrates, hands the worker its settings, opens the doors, keeps what
runs alive, and takes it all down in order; each line with its reason.

It runs on the main thread: on Linux a child dies with the thread that made it, which is how nothing
outlives the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from datetime import UTC, datetime

from oee_daemon import __version__, garbage, migrations
from oee_daemon.api import PROTOCOL, app
from oee_daemon.api.auth import token_of
from oee_daemon.api.doors import Doors
from oee_daemon.broker import open_broker
from oee_daemon.database import open_database
from oee_daemon.embedded import Servers
from oee_daemon.feed import Feed
from oee_daemon.home import Home
from oee_daemon.networks import open_network
from oee_daemon.settings import Settings
from oee_daemon.supervisor import STOP_S, WorkerProcess

log = logging.getLogger(__name__)

#: Seconds between two looks at the children.
BEAT_S = 0.2
#: Connections of the API: as many as requests that can wait on Postgres at once.
API_CONNECTIONS = 20


class Service:
    """What runs in the event loop of the main thread."""

    def __init__(self, settings: Settings, home: Home, servers: Servers, worker: WorkerProcess) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        self._home = home
        self._servers = servers
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._db = open_database(settings.database_url, pool_size=API_CONNECTIONS)
        # Before anything reads a table.
        migrations.migrate(self._db)
        home.phase("schema")
        self._worker = worker
        self._worker.hand(settings)
        self._feed = Feed(settings.redis_url)
        self._broker = open_broker(settings.redis_url)
        self._socket_path = home.socket_path()
        around = app.Surroundings(
            started_at=self._started_at,
            socket_path=self._socket_path,
            http=lambda: self._doors.http(),
            servers=servers.describe,
            worker_pid=lambda: self._worker.pid,
        )
        network = open_network(settings, settings.database_url)
        self._app = app.build(settings, self._db, self._broker, self._feed, network, around)
        self._doors = Doors(
            self._app,
            path=self._socket_path,
            host=settings.host,
            port=settings.port,
            token=token_of(home.path / "token"),
            home=home.path,
            tag=home.tag(),
        )

    async def run(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        hints = asyncio.create_task(self._app.state.hub.run())
        try:
            await self._doors.open()
            self._home.phase("worker")
            self._announce()
            garbage.started()
            log.info("daemon ready", extra={"pid": os.getpid(), "http": self._doors.http()["url"]})
            await self._watch(stop)
            self._home.stopped(asked=True)
        finally:
            await self._stop(hints)

    def _announce(self) -> None:
        http = self._doors.http()
        self._home.announce(
            {
                "pid": os.getpid(),
                "socket": str(self._socket_path),
                "http": http["url"],
                "version": __version__,
                "protocol": PROTOCOL,
                "startedAt": self._started_at,
            }
        )
        self._home.phase("ready")

    async def _watch(self, stop: asyncio.Event) -> None:
        """Replaces what dies until told to stop."""
        listening = self._doors.http()["listening"]
        while not stop.is_set():
            for name in self._servers.check():
                log.warning("restarted", extra={"server": name})
            self._worker.check()
            if self._doors.http()["listening"] != listening:
                # The port was taken at the start and is ours now.
                listening = not listening
                self._announce()
            try:
                await asyncio.wait_for(stop.wait(), BEAT_S)
            except TimeoutError:
                continue

    async def _stop(self, hints: asyncio.Task[None]) -> None:
        log.info("stopping")
        # Nothing new is accepted, but those who watch see how what runs ends.
        self._app.state.draining = True
        self._worker.ask_to_stop()
        deadline = asyncio.get_running_loop().time() + STOP_S
        while not self._worker.stopped() and asyncio.get_running_loop().time() < deadline:
            self._servers.check()
            await asyncio.sleep(0.02)
        self._worker.kill()
        # Clients that look from now on find no daemon, instead of one that is going away.
        self._home.announce(None)
        await self._doors.close()
        hints.cancel()
        self._broker.close()
        self._feed.close()
        self._db.dispose()
        log.info("stopped")
