"""The processes of a drill: its daemon and, where asked for, more workers, each as on a host of its own.

Another worker has a home of its own with a copy of the wallet, and reaches Postgres and the queue over
wires that can go silent.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from oee_cli.api.client_launcher import daemon_command
from oee_cli.drill.drill_link import Wire
from oee_daemon.contract import home_files

#: Seconds for a process to end when asked, before it is killed.
_STOP_S = 60.0


class Crew:
    """Starts, replaces and stops the drill's processes. `environ` is what all of them share."""

    def __init__(self, home: Path, environ: dict[str, str], workers: int, network: str) -> None:
        self._wallet = home / home_files.WALLET.format(network)
        # Each network's orders are in a database of their own.
        self._database = "oee" if network == "simulated" else f"oee_{network}"
        self._home = home
        self._environ = environ
        self.queue_socket = home / home_files.SOCKETS / home_files.VALKEY_SOCKET
        self._others = [
            _Other(home / f"worker-{n}", home, environ, self._database) for n in range(2, workers + 1)
        ]
        self.daemon: subprocess.Popen[bytes] | None = None

    def database(self) -> Any:
        """A connection of the drill's own, in autocommit. Raises `psycopg.Error`."""
        import psycopg

        return psycopg.connect(
            host=str(self._home / home_files.SOCKETS),
            port=5432,
            user="oee",
            dbname=self._database,
            connect_timeout=2,
            options="-c statement_timeout=2000",
            autocommit=True,
        )

    def ask(self, statement: str) -> list[Any]:
        """Its rows; none where Postgres does not answer."""
        import psycopg

        with suppress(psycopg.Error), self.database() as db:
            found: list[Any] = db.execute(statement).fetchall()
            return found
        return []

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Starts a daemon, whether or not there was one."""
        self.daemon = _process("run", self._environ | {"OEE_HOME": str(self._home)}, self._home)
        return self.daemon

    def keep_others(self) -> None:
        """Starts every other worker that is not running, once there is a wallet to give it."""
        if self._wallet.exists():
            for other in self._others:
                other.keep()

    def any_other(self, draw: random.Random) -> _Other | None:
        """One of the other workers; none where none runs now."""
        running = [other for other in self._others if other.running]
        return draw.choice(running) if running else None

    def stop(self) -> None:
        for other in self._others:
            other.close()
        for process in [*(other.process for other in self._others), self.daemon]:
            if process is not None:
                process.send_signal(signal.SIGCONT)
                end_process(process, _STOP_S)


def end_process(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Asks it to end, and kills it where it has not within that time."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    process.kill()
    process.wait()


class _Other:
    """One more worker, its home and its wires."""

    def __init__(self, home: Path, daemon_home: Path, environ: dict[str, str], database: str) -> None:
        self._home = home
        self._daemon_home = daemon_home
        self._environ = environ | {
            "OEE_HOME": str(home),
            "OEE_DATABASE_URL": f"postgresql://oee@/{database}?host={home}&port=5432",
            "OEE_REDIS_URL": f"unix://{home / home_files.VALKEY_SOCKET}",
        }
        self._wires: list[Wire] = []
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def keep(self) -> None:
        if not self._wires:
            self._home.mkdir(mode=0o700)
            wallets = home_files.WALLETS
            shutil.copytree(self._daemon_home / wallets, self._home / wallets)
            sockets = self._daemon_home / home_files.SOCKETS
            names = (home_files.POSTGRES_SOCKET, home_files.VALKEY_SOCKET)
            self._wires = [Wire(self._home / name, sockets / name) for name in names]
        if not self.running:
            self.process = _process("worker", self._environ, self._home)

    def silence(self) -> None:
        """What goes over its connections from now on arrives nowhere."""
        for wire in self._wires:
            wire.silence()

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


def _process(command: str, environ: dict[str, str], home: Path) -> subprocess.Popen[bytes]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")}
    with (home / f"{command}.log").open("ab") as log:
        return subprocess.Popen(
            daemon_command(command),
            env=clean | environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
