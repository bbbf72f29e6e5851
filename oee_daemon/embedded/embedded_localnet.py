"""localnet as the daemon runs it: a chain of this machine on a Unix socket, its one file in `home/localnet`.

It runs under our own account, for it is this very program. What was flushed at a landing is there again after
any kill, and its clock goes on while it is down.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.contract.socket_paths import localnet_socket
from oee_daemon.embedded.embedded_child import Child, Log
from oee_daemon.embedded.embedded_supervision import SocketServer
from oee_daemon.start_errors import StartFailed

#: Seconds for which one that a killed daemon left behind may still hold the chain's file.
LEFT_BEHIND_S = 10.0


class Localnet(SocketServer):
    """The localnet that a daemon runs."""

    name = phase = "localnet"

    def __init__(self, home: Path, listing_slots: int) -> None:
        """`listing_slots`: from one new token to the next."""
        self._listing_slots = listing_slots
        self._file = home / "localnet" / "chain.db"
        self._socket = localnet_socket(home)
        self.log: Log = Log(home / home_files.LOGS / "localnet.log")
        super().__init__(self.log)

    @property
    def socket(self) -> Path:
        return self._socket

    def starting(self) -> Iterator[None]:
        """Yields until it answers. Raises `StartFailed`."""
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        self.socket.parent.mkdir(mode=0o700, exist_ok=True)
        patience = time.monotonic() + LEFT_BEHIND_S
        self.child = self._spawn()
        while not self._answers():
            if self.child.code == os.EX_TEMPFAIL and time.monotonic() < patience:
                # The system tells it to end with its daemon, which takes a moment.
                self.child = self._spawn()
            self.child.must_live()
            yield

    def _spawn(self) -> Child:
        # -P: a file in the working folder is never imported.
        command = [sys.executable, "-P", "-m", "oee_daemon.networks.localnet", str(self._file)]
        # The daemon's own settings are none of its business, addresses with passwords least of all.
        env = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
        try:
            return Child(
                [*command, "--listen", str(self.socket), "--listing-slots", str(self._listing_slots)],
                self.log,
                signal.SIGTERM,
                signal.SIGTERM,
                stdin=subprocess.DEVNULL,
                env=env,
                umask=0o077,
            )
        except (OSError, subprocess.SubprocessError) as e:
            raise StartFailed(f"localnet can't be started: {e}.") from None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            # It answers in less than a millisecond; one that is stuck must not stop our loop.
            connection.settimeout(0.005)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(4096).startswith(b"HTTP/1.1 200")
            except OSError:
                return False
