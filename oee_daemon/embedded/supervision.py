"""Keeps one server running: drives its start, notices its end or the loss of its socket, starts it again
after a growing pause.

Knows a server only by what `Server` says. Never waits: whoever calls decides how often.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from oee_daemon.embedded.child import Child, Log
from oee_daemon.errors import StartFailed

#: The pause before a restart, seconds: doubled each time until the server has answered again.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: How long one check may go on with a restart, seconds.
CHECK_BUDGET = 0.004
#: Between two looks at a log's size, seconds.
TRIM_EVERY = 30.0

_log = logging.getLogger(__name__)


class Server(Protocol):
    """What can be supervised: `starting` yields while it waits and returns once the server has answered."""

    @property
    def name(self) -> str: ...
    @property
    def phase(self) -> str: ...
    @property
    def socket(self) -> Path: ...

    log: Log
    child: Child | None
    version: str | None
    fault: str

    def starting(self) -> Iterator[None]: ...


class Watch:
    """One server and where it stands: starting, running, ending, pausing before a restart, or stopped."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state = "starting"
        self._steps = server.starting()
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self._trimmed = time.monotonic()
        self._socket: os.stat_result | None = None

    def advance(self) -> bool:
        """One step of the start; whether the server has answered. Raises `StartFailed`."""
        try:
            for _ in self._steps:
                return False
        except OSError as e:
            raise StartFailed(
                f"{self.server.name} can't be prepared: {e.strerror or e} ({e.filename}). "
                "Check who owns that file or folder and the room on its disk, or set OEE_HOME to another one."
            ) from e
        self.state, self._pause = "running", FIRST_PAUSE
        self._socket = _found(self.server.socket)
        return True

    def check(self) -> bool:
        """Looks after the server for some milliseconds; true in the call in which it answers again."""
        now = time.monotonic()
        if self.state in ("running", "ending"):
            self._look(now)
        elif self.state == "pausing" and now >= self._due:
            self.state, self._steps = "starting", self.server.starting()
        if self.state != "starting":
            return False
        try:
            while not self.advance():
                if time.monotonic() > now + CHECK_BUDGET:
                    return False
                time.sleep(0.0005)
        except Exception as e:
            # Whatever it was, the next try may find it gone; a daemon without its servers only waits.
            _log.error(f"{self.server.name} can't be started again", extra={"error": str(e)})
            if not isinstance(e, StartFailed):
                _log.exception("a fault of ours")
            self._rest(now)
            return False
        _log.warning(f"{self.server.name} runs again")
        return True

    def stopped(self) -> None:
        """No more restarts."""
        self.state = "stopped"

    def alive(self) -> bool:
        return self.server.child is not None and self.server.child.alive()

    def describe(self) -> dict[str, object]:
        pid = self.server.child.pid if self.server.child and self.alive() else None
        state = "restarting" if self.state in ("pausing", "ending") else self.state
        return {"name": self.server.name, "version": self.server.version, "pid": pid, "state": state}

    def _look(self, now: float) -> None:
        if not self.alive():
            _log.warning(f"{self.server.name} ended by itself", extra={"said": self.server.log.tail()[-500:]})
            self._rest(now)
        elif self.state == "running" and not self._reachable():
            # Who is connected goes on for now, nobody else gets in: a server can't make its socket anew.
            _log.warning(f"{self.server.name} has lost its socket", extra={"path": str(self.server.socket)})
            self.state = "ending"
            assert self.server.child is not None
            self.server.child.end()
        elif now > self._trimmed + TRIM_EVERY:
            self._trimmed = now
            self.server.log.trim()

    def _reachable(self) -> bool:
        found = _found(self.server.socket)
        return found is not None and self._socket is not None and os.path.samestat(found, self._socket)

    def _rest(self, now: float) -> None:
        self.state, self._due = "pausing", now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
