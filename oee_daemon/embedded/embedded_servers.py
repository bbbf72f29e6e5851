"""The servers the daemon runs itself: PostgreSQL and Valkey, from the wheels that carry them, and localnet.

All listen on Unix sockets only, work in folders of their own under the home, and end with the daemon.
The caller holds the home's lock for as long as they run: that is what makes cleaning up after a killed
daemon safe. Nothing here knows what is stored in them.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from oee_daemon.contract import home_files
from oee_daemon.embedded import embedded_account, embedded_folders
from oee_daemon.embedded.embedded_localnet import Localnet
from oee_daemon.embedded.embedded_postgres import PORT, ROLE, Postgres, forget_variables
from oee_daemon.embedded.embedded_supervision import Server, Watch
from oee_daemon.embedded.embedded_valkey import Valkey
from oee_daemon.start_errors import HomeLost, StartFailed

#: Between two looks at a starting or stopping server, seconds.
_POLL = 0.002
#: How long a start may take, seconds; crash recovery replays a gigabyte of log at most.
START_LIMIT = 120.0
#: How long a stop may take before it is no longer asked for in order, and at all, seconds.
STOP_PATIENCE, STOP_LIMIT = 8.0, 10.0
#: Connections that PostgreSQL has at least, and those past what is asked for: a backup's, a person's.
LEAST_CONNECTIONS, MORE_CONNECTIONS = 100, 20
#: The network whose database is named without it: there was no other in 0.1.0.
FIRST_NETWORK = "simulated"

_log = logging.getLogger(__name__)


class Servers:
    """The servers of one home. Everything but the addresses belongs to the main thread."""

    def __init__(
        self,
        home: Path,
        *,
        postgres: bool,
        valkey: bool,
        localnet: bool = False,
        listing_slots: int = 0,
        network: str = FIRST_NETWORK,
        service_user: str | None = None,
        connections: int = 0,
        must_be_held: Callable[[], None] = lambda: None,
    ) -> None:
        """Touches no file. `service_user` is the account to run them under where we are root; `connections`
        how many to PostgreSQL its users may hold; `network`: whose orders are meant, since each has its own
        database; `listing_slots`: on localnet, from one new token to the next; `must_be_held` raises
        `HomeLost` where the home at that path is no longer the caller's: nothing is started then."""
        if postgres:
            forget_variables()
        self._connections = max(LEAST_CONNECTIONS, connections + MORE_CONNECTIONS)
        self._database = "oee" if network == FIRST_NETWORK else f"oee_{network}"
        self._home = home.absolute()
        self._must_be_held = must_be_held
        self._listing_slots = listing_slots
        self._wanted = {"valkey": valkey, "postgres": postgres, "localnet": localnet}
        self._service_user = service_user
        self._watches: list[Watch] = []

    @cached_property
    def _account(self) -> embedded_account.Account:
        return embedded_account.choose(self._service_user)

    @property
    def database_url(self) -> str:
        """For SQLAlchemy and this process's account. Raises `StartFailed` where no account could run them."""
        # The port is part of the socket's name; left out it would be taken from PGPORT.
        sockets = quote(str(embedded_folders.sockets(self._home, self._account)), safe="/")
        return f"postgresql+psycopg://{ROLE}@/{self._database}?host={sockets}&port={PORT}"

    @property
    def redis_url(self) -> str:
        """For redis-py. Raises `StartFailed` where no account could run them."""
        socket = embedded_folders.sockets(self._home, self._account) / home_files.VALKEY_SOCKET
        return f"unix://{quote(str(socket), safe='/')}"

    def start(self, ready: Callable[[str], None] = lambda name: None) -> None:
        """Returns once all answer a request; calls `ready` with the phase of each as it does.

        Raises `StartFailed`, with nothing left running. Must be called on the main thread: the servers end
        with the thread that started them.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the servers must be started from the main thread")
        if not any(self._wanted.values()):
            return
        try:
            embedded_folders.make_home(self._home, self._account)
            self._watches = [Watch(server) for server in self._servers()]
            self._advance_until_ready(ready)
        except BaseException:
            self.stop()
            raise

    def check(self) -> list[str]:
        """Restarts what has died or lost its socket, with a pause of 0.1 s that doubles up to 5 s until it
        answers.

        Takes some milliseconds; returns the names of those that answer again since this call. Raises
        `HomeLost`, and nothing else.
        """
        self._must_be_held()
        return [watch.server.name for watch in self._watches if watch.check()]

    def stop(self) -> None:
        """Ends all in order and waits, for 10 s at most; harmless if they don't run.

        Where the home is lost they are killed: in order they would remove their sockets, which by now may be
        somebody else's. What they had flushed stays, as after any kill.
        """
        for watch in self._watches:
            watch.stopped()
        try:
            self._must_be_held()
            self._signal_living(None)
        except HomeLost:
            self._signal_living(signal.SIGKILL)
        began = time.monotonic()
        for signum, patience in ((signal.SIGQUIT, STOP_PATIENCE), (signal.SIGKILL, STOP_LIMIT)):
            while self._living() and time.monotonic() < began + patience:
                time.sleep(_POLL)
            for watch in self._living():
                _log.warning(f"{watch.server.name} did not end in time", extra={"signal": signum.name})
            self._signal_living(signum)
        while self._living():
            time.sleep(_POLL)

    def describe(self) -> list[dict[str, object]]:
        """Name, version, process id and state (starting, running, restarting, stopped) of each."""
        return [watch.describe() for watch in self._watches]

    def _servers(self) -> list[Server]:
        # Valkey first: it takes no time, and is there while initdb works.
        found: list[Server] = []
        if self._wanted["valkey"]:
            found.append(Valkey(self._home, self._account))
        if self._wanted["postgres"]:
            found.append(Postgres(self._home, self._account, self._connections, self._database))
        if self._wanted["localnet"]:
            found.append(Localnet(self._home, self._listing_slots))
        return found

    def _advance_until_ready(self, ready: Callable[[str], None]) -> None:
        waiting = list(self._watches)
        deadline = time.monotonic() + START_LIMIT
        while waiting:
            self._must_be_held()
            for watch in waiting.copy():
                if watch.advance():
                    waiting.remove(watch)
                    ready(watch.server.phase)
            if waiting and time.monotonic() > deadline:
                names = " and ".join(watch.server.name for watch in waiting)
                faults = "".join(f" {w.server.name}: {w.server.fault}" for w in waiting if w.server.fault)
                raise StartFailed(
                    f"No answer from {names} in {START_LIMIT:.0f} s.{faults}"
                    f" The logs are in {self._home / 'logs'}."
                )
            time.sleep(_POLL)

    def _living(self) -> list[Watch]:
        return [watch for watch in self._watches if watch.alive()]

    def _signal_living(self, signum: signal.Signals | None) -> None:
        for watch in self._living():
            if watch.server.child is not None:
                watch.server.child.end(signum)
