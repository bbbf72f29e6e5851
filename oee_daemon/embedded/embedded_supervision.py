"""Keeps one server running, PostgreSQL, Valkey or the worker: drives its start, notices that it ended or that
nobody reaches it any more, starts it again after a growing pause.

Knows a server only by what `Server` says. Never waits: whoever calls decides how often.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from oee_daemon.embedded.embedded_child import Child, Log
from oee_daemon.start_errors import OtherRelease, OutOfThreads, StartFailed

#: The pause before a restart, seconds: doubled each time until the server has answered again.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: How long one check may go on with a restart, seconds.
CHECK_BUDGET = 0.004
#: Between two looks at a log's size, seconds.
TRIM_EVERY = 30.0

_log = logging.getLogger(__name__)


class Server:
    """What can be supervised; `child` and `version` are None until it runs and answers."""

    name: str
    #: What the daemon's phases call it.
    phase: str
    #: For how long it has to have answered before the pause of its next restart is the first one again.
    steady_s = 0.0

    def __init__(self, log: Log | None) -> None:
        """`log`: what it says; none where that is in the daemon's own."""
        self.log = log
        self.child: Child | None = None
        self.version: str | None = None
        #: What kept it from answering, as far as it says.
        self.fault = ""

    def starting(self) -> Iterator[None]:
        """Yields while it waits, and returns once the server has answered. Raises `StartFailed`."""
        raise NotImplementedError

    def answered(self) -> None:
        """Takes note that the server answers."""

    def lost(self) -> str:
        """What keeps everybody from reaching the server although it lives; empty where nothing does."""
        return ""

    def end_lost(self) -> None:
        """Ends a server that nobody reaches."""
        assert self.child is not None
        self.child.end()

    def ended(self) -> None:
        """Takes note that the server has ended by itself.

        Raises `OtherRelease` or `OutOfThreads` where the daemon is to end too.
        """


class SocketServer(Server):
    """A server on a Unix socket, which it can't make anew."""

    _made: os.stat_result | None = None

    @property
    def socket(self) -> Path:
        raise NotImplementedError

    def answered(self) -> None:
        self._made = _stat_or_none(self.socket)

    def lost(self) -> str:
        """Says so where the socket's file is gone: who is connected goes on for now, nobody else gets in."""
        found = _stat_or_none(self.socket)
        if found is not None and self._made is not None and os.path.samestat(found, self._made):
            return ""
        return f"has lost its socket {self.socket}"


class Watch:
    """One server and where it stands: starting, running, ending, pausing before a restart, or stopped."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state = "starting"
        self._again = False
        self._steps = server.starting()
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self._answered = self._trimmed = time.monotonic()

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
        self.state, self._answered = "running", time.monotonic()
        self.server.answered()
        self._forget_pauses_if_steady()
        return True

    def check(self) -> bool:
        """Looks after the server for some milliseconds; true in the call in which it answers again.

        Raises what `Server.ended` raises.
        """
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
        except (OtherRelease, OutOfThreads):
            raise
        except Exception as e:
            # Whatever it was, the next try may find it gone; a daemon without its servers only waits.
            _log.error(f"{self.server.name} can't be started", extra={"error": str(e)})
            if not isinstance(e, StartFailed):
                _log.exception("a fault of ours")
            self._begin_pause(now)
            return False
        if self._again:
            _log.warning(f"{self.server.name} runs again")
        return self._again

    def stopped(self) -> None:
        """Takes note that the server is stopped, and restarts it no more."""
        self.state = "stopped"

    def alive(self) -> bool:
        return self.server.child is not None and self.server.child.alive()

    def describe(self) -> dict[str, object]:
        pid = self.server.child.pid if self.server.child and self.alive() else None
        state = "restarting" if self.state in ("pausing", "ending") else self.state
        return {"name": self.server.name, "version": self.server.version, "pid": pid, "state": state}

    def _look(self, now: float) -> None:
        if not self.alive():
            said = self.server.log.tail()[-500:] if self.server.log else "see the lines before this one"
            code = self.server.child.code if self.server.child else None
            _log.warning(f"{self.server.name} ended by itself", extra={"code": code, "said": said})
            self.server.ended()
            self._begin_pause(now)
        elif self.state == "running" and (why := self.server.lost()):
            _log.warning(f"{self.server.name} {why}")
            self.state = "ending"
            self.server.end_lost()
        elif self.server.log and now > self._trimmed + TRIM_EVERY:
            self._trimmed = now
            self.server.log.trim()

    def _forget_pauses_if_steady(self) -> None:
        if time.monotonic() - self._answered >= self.server.steady_s:
            self._pause = FIRST_PAUSE

    def _begin_pause(self, now: float) -> None:
        if self.state != "starting":
            self._forget_pauses_if_steady()
        self.state, self._due, self._again = "pausing", now + self._pause, True
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


def _stat_or_none(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
