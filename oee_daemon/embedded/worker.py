"""Keeps the daemon's one worker alive: starts it, replaces it when it dies, ends it in order.

The worker is handed its settings through its standard input, never by arguments or environment, because
addresses may carry passwords; the open pipe also tells it that the daemon still lives.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from oee_daemon.errors import OtherRelease, OutOfThreads
from oee_daemon.settings import Settings

log = logging.getLogger(__name__)

#: Seconds before a worker that died is replaced: the first at once, then doubling up to the second.
BACKOFF_S = (0.1, 5.0)
#: A worker that lived this long, in seconds, did not die of its start.
HEALTHY_S = 10.0
#: Seconds that a worker has to end what it is doing.
STOP_S = 30.0
#: Seconds without a beat after which a worker counts as dead, though its process lives; before the first one.
SILENT_S, SILENT_AT_FIRST_S = 30.0, 90.0
#: From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


class WorkerProcess:
    """The supervised child. Everything here runs on the main thread."""

    def __init__(self, home_id: str) -> None:
        self._home_id = home_id
        self._handed: bytes | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._beats: int | None = None
        self._silent = _Silence()
        self._started = 0.0
        self._again = 0.0
        self._pause = 0.0
        self._asked = False
        self._worked = False

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def command(self, *more: str) -> list[str]:
        """What is started."""
        # -P: a file in the working folder is never imported.
        return [sys.executable, "-P", "-m", "oee_daemon", "worker", "--supervised", *more]

    def start(self) -> None:
        """Begins the process, which imports what it needs and waits for its settings."""
        hidden = ("OEE_DATABASE_URL", "OEE_REDIS_URL", "OEE_TOKEN")
        environ = {k: v for k, v in os.environ.items() if k not in hidden}
        self._beats, written = os.pipe()
        os.set_blocking(self._beats, False)
        os.set_blocking(written, False)
        self._silent = _Silence()
        self._asked = False
        try:
            self._process = subprocess.Popen(
                self.command(f"--beats={written}"),
                stdin=subprocess.PIPE,
                pass_fds=(written,),
                env=environ,
                cwd="/",
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),
            )
        finally:
            os.close(written)
        self._started = time.monotonic()
        if self._handed is not None:
            self._hand()

    def hand(self, settings: Settings) -> None:
        """Gives it, and those that will follow it, their settings: now it works."""
        told = {"settings": settings.dump(), "home_id": self._home_id}
        self._handed = json.dumps(told).encode() + b"\n"
        self._hand()

    def _hand(self) -> None:
        assert self._process is not None and self._process.stdin is not None and self._handed is not None
        # It may have died already: `check` replaces it.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(self._handed)
            self._process.stdin.flush()

    def check(self) -> bool:
        """Replaces the worker if it has died or fell silent; called every beat. True: it was replaced.

        Raises `OtherRelease` where it ended because the database is another release's by now, and
        `OutOfThreads` where none has ever worked for want of them.
        """
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                self._worked = self._worked or now - self._started > HEALTHY_S
                if not self._is_silent():
                    return False
                log.error("the worker gives no sign of life", extra={"pid": self._process.pid})
                self._process.kill()
                code = self._process.wait()
            pid = self._process.pid
            self._close()
            if code == OtherRelease.exit_code:
                raise OtherRelease(
                    "Another release of oee has taken over the database: this daemon ends and leaves all"
                    " orders to that one's. Install that release here too, then: oee daemon start"
                )
            if code == OutOfThreads.exit_code and not self._worked:
                raise OutOfThreads("The worker")
            log.error("the worker died", extra={"code": code, "pid": pid})
            self._pause = 0.0 if now - self._started > HEALTHY_S else self._next_pause()
            self._again = now + self._pause
        if now < self._again:
            return False
        self.start()
        return True

    def _is_silent(self) -> bool:
        """One that has no settings yet has nothing to do."""
        if self._beats is None:
            return False
        with contextlib.suppress(BlockingIOError):
            if os.read(self._beats, 65_536):
                self._silent.broken()
        return self._handed is not None and self._silent.too_long()

    def _next_pause(self) -> float:
        first, most = BACKOFF_S
        return min(most, max(first, 2 * self._pause))

    def ask_to_stop(self) -> None:
        """SIGTERM: it takes nothing new and ends what it can."""
        if self._process is not None and self._process.poll() is None:
            self._asked = True
            self._process.send_signal(signal.SIGTERM)

    def reopen_log(self) -> None:
        """SIGHUP: the file that it writes to has been moved away."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def stopped(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def kill(self) -> None:
        """For one that does not stop: what it was doing goes on in the next."""
        if self._process is not None and self._process.poll() is None:
            if self._asked:
                log.warning("the worker did not stop in time", extra={"pid": self._process.pid})
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None
        if self._beats is not None:
            os.close(self._beats)
            self._beats = None


class _Silence:
    """How long nothing was heard; without the time in which nobody listened, as while the machine slept."""

    def __init__(self) -> None:
        self._limit = SILENT_AT_FIRST_S
        self._for = 0.0
        self._looked = time.monotonic()

    def broken(self) -> None:
        self._limit, self._for = SILENT_S, 0.0

    def too_long(self) -> bool:
        now = time.monotonic()
        self._for += min(1.0, now - self._looked)
        self._looked = now
        return self._for > self._limit


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Linux ends the child with us at once; elsewhere the end of its standard input has to do."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
