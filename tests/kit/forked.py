"""Processes of the engine forked from one that has imported it: a worker, and a daemon with what it starts.

For one that lives for a test, importing is most of the work. From its first line on each is what it is when
it is started; `FreshDaemon` starts one.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable

# All that a daemon and a worker ever import, but for the networks.
import alembic.command  # noqa: F401
import anyio._backends._asyncio  # noqa: F401
import uvicorn.lifespan.off  # noqa: F401

import oee_daemon.backups.archive_dump
import oee_daemon.backups.archive_take
import oee_daemon.engine.engine_process
import oee_daemon.main
import oee_daemon.networks
import oee_daemon.service
from oee_daemon import __main__, inherited
from oee_daemon.embedded.embedded_child import Child, Log, prepared
from oee_daemon.embedded.embedded_localnet import Localnet
from oee_daemon.embedded.embedded_worker import HIDDEN, WorkerProcess
from tests.kit.midwife import Midwife


def import_networks() -> None:
    """Each network imports its rooms when it is opened."""
    for module in pkgutil.walk_packages(oee_daemon.networks.__path__, "oee_daemon.networks."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # FastAPI reads a route's source at its first request: what that compiles is half of such a request.
    inspect.getsourcelines(import_networks)


def daemon(arguments: list[str]) -> int:
    """`oee_daemon` with these arguments, to its exit code."""
    sys.argv = ["oee_daemon", *arguments]
    inherited.settle()
    if arguments[:1] == ["run"] and sys.platform == "linux":
        _fork_children()
    return __main__.main()


def become_daemon(arguments: list[str]) -> None:
    """The life of a process that was just forked: `oee_daemon` with these arguments, or a localnet."""
    os.setsid()
    prepared(signal.SIGKILL, os.getppid())()
    if arguments[:1] == ["localnet"]:
        __main__._leave(localnet(arguments[1:]))
    __main__._leave(daemon(arguments))


def _fork_children() -> None:
    """Workers and a localnet of this daemon's are forked, too."""
    midwife = Midwife(_worker, localnet)

    def worker(_: WorkerProcess, beats: int) -> Child:
        environ = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        stdin, tell = os.pipe()
        try:
            return Forked(midwife.bear(_worker, environ, [stdin, 1, 2, beats], []), tell)
        finally:
            os.close(stdin)

    def embedded(server: Localnet) -> Child:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
        with open(os.devnull, "rb") as nothing:
            log = server.log.open()
            try:
                arguments = [str(server._file), "--listen", str(server.socket)]
                streams = [nothing.fileno(), log, log]
                return Forked(midwife.bear(localnet, environ, streams, arguments), None, server.log)
            finally:
                os.close(log)

    setattr(WorkerProcess, "spawn", worker)  # noqa: B010
    setattr(Localnet, "_spawn", embedded)  # noqa: B010


def _worker(arguments: list[str]) -> int:
    sys.argv[1:] = ["worker", "--supervised", "--beats=3"]
    inherited.settle()
    return __main__.main()


def localnet(arguments: list[str]) -> int:
    """A localnet alone, to its exit code."""
    from oee_daemon.networks.localnet.localnet_process import main

    os.umask(0o077)
    return main(arguments)


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

    def __init__(self, pid: int, stdin: int | None, log: Log | None = None) -> None:
        self._farewell = signal.SIGTERM
        self._log = log
        self._name = "the forked process"
        self._process = Process(pid, stdin)  # type: ignore[assignment]


class Process:
    """As much of `subprocess.Popen` as a child asks of it."""

    def __init__(self, pid: int, stdin: int | None) -> None:
        self.pid = pid
        self.stdin = None if stdin is None else os.fdopen(stdin, "wb", buffering=0)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(os.WNOHANG)

    def wait(self) -> int | None:
        return self._look(0)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode
