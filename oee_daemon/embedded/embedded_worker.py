"""The daemon's one worker, as one more of the servers that it supervises.

It is handed its settings through its standard input, never by arguments or environment, because addresses
may carry passwords; the open pipe also tells it that the daemon still lives. It answers, and goes on to say
that it lives, by bytes in a pipe of the daemon's. What it logs goes to where the daemon's own log goes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from oee_daemon.embedded.embedded_child import Child
from oee_daemon.embedded.embedded_supervision import Server
from oee_daemon.settings import Settings
from oee_daemon.start_errors import OtherRelease, OutOfThreads, StartFailed
from oee_daemon.timing import USUAL, Timing

log = logging.getLogger(__name__)

#: Seconds that a worker has to end what it is doing.
STOP_S = 30.0
#: A worker that lived this long, in seconds, did not die of its start.
HEALTHY_S = 10.0
#: What a worker has no use for, or is told in another way.
HIDDEN = (
    "OEE_DATABASE_URL", "OEE_REDIS_URL", "OEE_TOKEN", "OEE_RPC_URLS", "OEE_RAYDIUM_URL", "OEE_JUPITER_URL",
)  # fmt: skip


class WorkerProcess(Server):
    """The daemon's own worker. Everything here runs on the main thread."""

    name = phase = "worker"
    steady_s = HEALTHY_S

    def __init__(self, home_id: str) -> None:
        super().__init__(None)
        self._home_id = home_id
        self._handed: dict[str, Any] | None = None
        self._timing = USUAL
        self._beats: int | None = None
        self._silence = _Silence(USUAL)
        #: Whether the process that runs now has given a sign of life.
        self.ready = False
        #: Told each word that the process says of its wallet's key; and `b""` when another one is started.
        self.heard: Callable[[bytes], None] = lambda word: None
        #: Whether a new process is not to open the wallet by its file.
        self.stays_locked: Callable[[], bool] = bool
        self._started = 0.0
        self._worked = self._asked = False

    @property
    def pid(self) -> int | None:
        child = self.child
        return child.pid if child is not None and child.alive() else None

    def command(self, *more: str) -> list[str]:
        """The command that starts the worker."""
        # -P: a file in the working folder is never imported.
        return [sys.executable, "-P", "-m", "oee_daemon", "worker", "--supervised", *more]

    def starting(self) -> Iterator[None]:
        """The process imports what it needs, waits for its settings, and answers once it works."""
        self._close()
        self.heard(b"")
        self._beats, written = os.pipe()
        try:
            os.set_blocking(self._beats, False)
            os.set_blocking(written, False)
            self.child = self.spawn(written)
        finally:
            os.close(written)
        self._started = time.monotonic()
        self._silence = _Silence(self._timing)
        self._hand_over()
        yield
        while not self._heard_beat():
            if not self.child.alive():
                self.ended()
                raise self.child.failure()
            if self._handed is not None and self._silence.too_long():
                self.child.kill()
                raise StartFailed("It gave no sign of life.")
            yield

    def spawn(self, beats: int) -> Child:
        """The process, which says that it lives by the descriptor `beats`. Raises `StartFailed`."""
        # Linux kills it with us at once; elsewhere the end of its standard input has to do.
        try:
            return Child(
                self.command(f"--beats={beats}"),
                None,
                signal.SIGTERM,
                signal.SIGKILL,
                stdin=subprocess.PIPE,
                pass_fds=(beats,),
                env={name: value for name, value in os.environ.items() if name not in HIDDEN},
            )
        except (OSError, subprocess.SubprocessError) as e:
            raise StartFailed(f"The worker can't be started: {e}.") from None

    def hand(self, settings: Settings) -> None:
        """Gives it, and those that will follow it, their settings: now it works."""
        self._timing = settings.timing
        self._silence = _Silence(self._timing)
        told = {"settings": settings.dump(), "home_id": self._home_id}
        self._handed = told
        self._hand_over()

    def _hand_over(self) -> None:
        if self.child is not None and self._handed is not None:
            told = self._handed | {"locked": self.stays_locked()}
            self.child.tell(json.dumps(told).encode() + b"\n")

    def tell(self, line: bytes) -> None:
        """Hands the process that runs now a line; needs `ready`."""
        assert self.child is not None and self.ready
        self.child.tell(line)

    def lost(self) -> str:
        self._worked = self._worked or time.monotonic() - self._started > HEALTHY_S
        self._heard_beat()
        return "gives no sign of life" if self._silence.too_long() else ""

    def end_lost(self) -> None:
        """Kills the worker, if there is one: a frozen one hears nothing else. Another takes its place."""
        if self.child is not None:
            self.child.kill()

    def ended(self) -> None:
        """Raises `OtherRelease` where the database is another release's by now, and `OutOfThreads` where no
        worker has ever worked for want of them."""
        # What it knew is gone at once, however long the next one takes.
        self.heard(b"")
        code = None if self.child is None else self.child.code
        if code == OtherRelease.exit_code:
            raise OtherRelease(
                "The worker left the database. Look whether it is whole, then: oee daemon start"
            )
        if code == OutOfThreads.exit_code and not self._worked:
            raise OutOfThreads("The worker")

    def _heard_beat(self) -> bool:
        assert self._beats is not None
        with contextlib.suppress(BlockingIOError):
            if said := os.read(self._beats, 65_536):
                self._silence.broken()
                self.ready = True
                for word in said:
                    self.heard(bytes((word,)))
                return True
        return False

    def ask_to_stop(self) -> None:
        """Asks the worker to take nothing new and to end what it can."""
        if self.child is not None:
            self._asked = True
            self.child.end()

    def reopen_log(self) -> None:
        """Tells the worker to open its log anew: the file has been moved away."""
        if self.child is not None:
            self.child.end(signal.SIGHUP)

    def stopped(self) -> bool:
        return self.child is None or not self.child.alive()

    def kill(self) -> None:
        """Kills a worker that does not stop: what it was doing goes on in the next one."""
        if self.child is not None and self.child.alive():
            if self._asked:
                log.warning("the worker did not stop in time", extra={"pid": self.child.pid})
            self.child.kill()
        self._close()

    def _close(self) -> None:
        if self.child is not None:
            self.child.close()
        self.child, self.ready = None, False
        if self._beats is not None:
            os.close(self._beats)
            self._beats = None


class _Silence:
    """How long nothing was heard; without the time in which nobody listened, as while the machine slept."""

    def __init__(self, timing: Timing) -> None:
        self._limit, self._later_limit = timing.silent_at_first_s, timing.silent_s
        self._for = 0.0
        self._looked = time.monotonic()

    def broken(self) -> None:
        self._limit, self._for = self._later_limit, 0.0

    def too_long(self) -> bool:
        now = time.monotonic()
        self._for += min(1.0, now - self._looked)
        self._looked = now
        return self._for > self._limit
