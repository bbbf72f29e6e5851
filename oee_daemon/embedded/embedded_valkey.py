"""Valkey as the daemon runs it: a bell on a Unix socket, its data in `home/valkey`.

It keeps nothing that PostgreSQL does not know better: data that it can't read is put aside, not mourned.
"""

from __future__ import annotations

import logging
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.embedded import embedded_binaries, embedded_folders, embedded_orphans
from oee_daemon.embedded.embedded_account import Account
from oee_daemon.embedded.embedded_child import Child, Log
from oee_daemon.embedded.embedded_supervision import SocketServer

#: How an orphan is asked to end, and how long each way may take, seconds.
_ORPHAN_SIGNALS = ((signal.SIGTERM, 10.0),)

_log = logging.getLogger(__name__)


class Valkey(SocketServer):
    """The Valkey that a daemon runs."""

    name = "valkey"
    phase = "queue"

    def __init__(self, home: Path, account: Account) -> None:
        self._home = home
        self._account = account
        self._data = home / home_files.VALKEY
        self._sockets = embedded_folders.sockets(home, account)
        self.log: Log = Log(home / home_files.LOGS / "valkey.log")
        super().__init__(self.log)

    @property
    def socket(self) -> Path:
        return self._sockets / home_files.VALKEY_SOCKET

    def starting(self) -> Iterator[None]:
        """Yields until it answers. Raises `StartFailed`."""
        program = embedded_binaries.valkey(self._home, self._account)
        embedded_folders.own(self._data, self._account)
        embedded_folders.own_sockets(self._sockets, self._account)
        yield from embedded_orphans.ended(self._data, "valkey-server", _ORPHAN_SIGNALS, wait_for_helpers=1)
        self.socket.unlink(missing_ok=True)
        self.child = Child.of_account(self._argv(program), self._account, self.log, signal.SIGTERM)
        tried_empty = False
        while not self._answers():
            if not self.child.alive() and not tried_empty and self._put_aside():
                tried_empty = True
                self.child = Child.of_account(self._argv(program), self._account, self.log, signal.SIGTERM)
            self.child.must_live()
            yield

    def _argv(self, program: Path) -> list[str]:
        options = {
            "dir": str(self._data.resolve()),
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "pidfile": str(self._data / "valkey.pid"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            # Its arguments say whose it is, should we have to look for it.
            "set-proc-title": "no",
        }
        return [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            # A server that serves answers in microseconds; one that is stuck must not stop our loop.
            connection.settimeout(0.005)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\nINFO server\r\n")
                answer = b""
                while b"valkey_version:" not in answer or not answer.endswith(b"\r\n"):
                    part = connection.recv(65536)
                    if not part:
                        return False
                    answer += part
            except OSError:
                return False
        found = re.search(rb"valkey_version:([\w.]+)", answer)
        self.version = found[1].decode() if found else None
        return answer.startswith(b"+PONG")  # `-LOADING` while it reads its file

    def _put_aside(self) -> bool:
        """Moves a queue that can't be read out of the way; whether it was that, and not a thing to report."""
        data = self._data / "appendonlydir"
        if not re.search("append only file|AOF", self.log.tail()) or not data.exists():
            return False
        aside = self._data / "appendonlydir.unreadable"
        shutil.rmtree(aside, ignore_errors=True)
        data.rename(aside)
        _log.warning(
            "the queue's file can't be read: starting with an empty one", extra={"aside": str(aside)}
        )
        return True
