"""One process of ours: started under its account, ended when we end, its words kept in a bounded file.

Knows nothing of what runs in it. Must be started from the main thread: Linux sends the death signal when
the *thread* that started the process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oee_daemon import logfile
from oee_daemon.embedded.embedded_account import Account
from oee_daemon.inherited import SERVER_ENVIRONMENT
from oee_daemon.logs import clean
from oee_daemon.start_errors import StartFailed

#: Lines of the log that a failed start shows.
SHOWN_LINES = 12
#: Linux's number for "signal me when my parent dies" (prctl).
_PR_SET_PDEATHSIG = 1


class Log:
    """A file that takes a server's output, kept below `logfile.LIMIT`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> int:
        """Opens the log to append; what follows counts as the new process's words."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.trim()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._start = os.fstat(descriptor).st_size
        return descriptor

    def trim(self) -> None:
        """Puts aside what the log holds once it is past the limit."""
        if logfile.trim(self.path):
            self._start = 0

    def tail(self) -> str:
        """The last lines since the last `open`, safe to print."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            file.seek(max(self._start, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()[-SHOWN_LINES:]
            return "\n".join(clean(line) for line in lines)
        return ""


class Child:
    """A running process. `farewell` asks it to end; Linux sends `orphaned` when we die without a word."""

    def __init__(
        self, argv: Sequence[str], log: Log | None, farewell: signal.Signals, orphaned: signal.Signals,
        **how: Any,
    ) -> None:  # fmt: skip
        """Starts `argv`; what it says goes to `log`, or to where ours goes. `how`: as `subprocess.Popen`
        takes it. Raises `OSError` and `subprocess.SubprocessError` where the system won't."""
        self._farewell = farewell
        self._log = log
        self._name = Path(argv[0]).name
        output = None if log is None else log.open()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                argv,
                stdout=output,
                stderr=output,
                cwd="/",
                # A Ctrl-C in our terminal is ours to handle, not the servers'.
                start_new_session=True,
                # Runs after the change of account, which would undo it.
                preexec_fn=prepared(orphaned, os.getpid()),
                **how,
            )
        finally:
            if output is not None:
                os.close(output)

    @staticmethod
    def of_account(argv: Sequence[str], account: Account, log: Log, farewell: signal.Signals) -> Child:
        """A server under its account. Raises `StartFailed` where the system won't."""
        other: dict[str, Any] = {}
        if account.lent:
            other = {"user": account.uid, "group": account.gid, "extra_groups": []}
        try:
            return Child(
                argv,
                log,
                farewell,
                farewell,
                stdin=subprocess.DEVNULL,
                env=SERVER_ENVIRONMENT,
                umask=0o077,
                **other,
            )
        except (OSError, subprocess.SubprocessError) as e:
            raise StartFailed(
                f"{argv[0]} can't be started as {account.name}: {e}. Check that this account may run it, "
                "or set OEE_DATABASE_URL and OEE_REDIS_URL to servers of your own."
            ) from None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The process's exit code, a signal as a negative number; `None` while it runs."""
        return self._process.poll()

    def alive(self) -> bool:
        return self.code is None

    def succeeded(self) -> bool:
        """Whether the process has ended with 0."""
        return self._process.poll() == 0

    def end(self, instead: signal.Signals | None = None) -> None:
        """Sends the farewell, or another signal; harmless to a process that has ended."""
        self._process.send_signal(instead or self._farewell)

    def tell(self, line: bytes) -> None:
        """Writes to its standard input; harmless to a process that has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def close(self) -> None:
        """Ends its standard input, if that is ours."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Kills the process and returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def must_live(self) -> None:
        """Raises `StartFailed` with its last words if it has ended."""
        if not self.alive():
            raise self.failure()

    def failure(self) -> StartFailed:
        """Says how the process ended, its last words and where to read the rest."""
        code = self._process.returncode
        how = f"by signal {-code}" if code and code < 0 else f"with {code}"
        said = f"{self._name} ended {how} while starting."
        if self._log is not None:
            said += f" Its log is {self._log.path}:\n{self._log.tail() or '(it said nothing)'}"
        return StartFailed(said)


def prepared(orphaned: signal.Signals, parent: int) -> Callable[[], None]:
    """What a new process does just before it becomes what is started; `parent` is ours."""
    prctl = None
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

    def run() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a mask of ours would be inherited
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(orphaned), 0, 0, 0)
            if os.getppid() != parent:  # we died before it asked
                os._exit(1)

    return run
