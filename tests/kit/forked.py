"""Processes of the engine forked from one that has imported it: a worker, and a daemon with its worker.

For one that lives for a test, importing is most of the work. From its first line on each is what it is when
it is started; `FreshDaemon` starts one.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable

# All that a daemon and a worker ever import.
import oee_daemon.backups
import oee_daemon.engine.worker_process
import oee_daemon.main
import oee_daemon.service  # noqa: F401
from oee_daemon import __main__, inherited
from oee_daemon.embedded.child import Child, prepared
from oee_daemon.embedded.embedded_worker import HIDDEN, WorkerProcess


def become_daemon(arguments: list[str]) -> None:
    """The life of a process that was just forked: `oee_daemon` with these arguments."""
    os.setsid()
    prepared(signal.SIGKILL, os.getppid())()
    sys.argv = ["oee_daemon", *arguments]
    inherited.settle()
    usual = WorkerProcess.spawn

    def spawn(worker: WorkerProcess, beats: int) -> Child:
        """Its first worker is forked, while the daemon has one thread; those that follow it are started."""
        setattr(WorkerProcess, "spawn", usual)  # noqa: B010
        return forked_worker(beats, inherited.settle)

    setattr(WorkerProcess, "spawn", spawn)  # noqa: B010
    __main__._leave(__main__.main())


def forked_worker(beats: int, first: Callable[[], None] | None = None) -> Child:
    """A worker, supervised by this process. `first` is what it does first."""
    ours, theirs = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        # Nothing of this process's may end with the child: a connection would say good-bye for both.
        gc.freeze()
        os._exit(_become_worker(parent, ours, theirs, beats, first))
    os.close(ours)
    return Forked(pid, theirs)


def _become_worker(
    parent: int, stdin: int, other_end: int, beats: int, first: Callable[[], None] | None
) -> int:
    try:
        os.setsid()
        prepared(signal.SIGKILL, parent)()
        os.dup2(stdin, 0)
        os.close(stdin)
        os.close(other_end)
        for name in HIDDEN:
            os.environ.pop(name, None)
        sys.argv[1:] = ["worker", "--supervised", f"--beats={beats}"]
        if first is not None:
            first()
        return __main__.main()
    except BaseException:
        traceback.print_exc()
        return 1


class Forked(Child):
    """As much of a child as a supervisor asks of it."""

    def __init__(self, pid: int, stdin: int) -> None:
        self._farewell = signal.SIGTERM
        self._log = None
        self._name = "the forked worker"
        self._process = Process(pid, stdin)  # type: ignore[assignment]


class Process:
    """As much of `subprocess.Popen` as a child asks of it."""

    def __init__(self, pid: int, stdin: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(stdin, "wb", buffering=0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(os.WNOHANG)

    def wait(self) -> int | None:
        return self._look(0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode
