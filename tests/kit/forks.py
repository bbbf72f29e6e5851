"""`oee` and the daemon as processes of their own, born with everything imported.

Six sevenths of a short command's time is Python's start and imports, and three quarters of a daemon's start.
So one process a test run imports the command line, another the daemon, and each command and daemon is forked
from its own: its own pid, streams, environment, folder and exit code, by `main` and nothing less. Where the
birth is the subject (imports, what is inherited), `Cli.fresh` and `FreshDaemon` are the way.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, TextIO

#: A request's most bytes: arguments and an environment.
_MOST = 1 << 17
_lock = threading.Lock()
_open: dict[str, socket.socket] = {}


def can(environ: dict[str, str]) -> bool:
    """Whether these variables decide nothing before the first line of `main`."""
    return not any(n.startswith(("PYTHON", "LC_")) for n in environ.keys() - {"LC_ALL"})


def run(
    arguments: list[str], stdin: str, environ: dict[str, str], timeout: float, folder: str = ""
) -> subprocess.CompletedProcess[str]:
    """`oee` with `arguments` to its end, as `subprocess.run` with captured streams."""
    process = Started(arguments, environ, stdin=subprocess.PIPE, cwd=folder)
    try:
        streams = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), *streams)


class Running:
    """A forked process, as much of `subprocess.Popen` as is asked of it. An engine's goes with the test
    process."""

    def __init__(
        self,
        program: str,
        arguments: list[str],
        environ: dict[str, str],
        streams: list[int],
        *,
        folder: str,
        terminal: bool = False,
    ) -> None:
        """`streams`: the descriptors that become its first three; `terminal`: the first one is its own."""
        given = [*streams]
        if program == "oee_cli":
            # The engine that it starts is forked, too.
            given.append(_to("oee_daemon").fileno())
        request = json.dumps([arguments, environ, folder, terminal]).encode()
        assert len(request) < _MOST
        self._told, tell = os.pipe()
        socket.send_fds(_to(program), [request], [*given, tell])
        os.close(tell)
        self.args = [program, *arguments]
        self.pid = int(_line(self._told))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(_line(self._told))
            os.close(self._told)
        return self.returncode


class Started(Running):
    """`oee` with pipes as its streams, as `subprocess.Popen` has them in text mode."""

    def __init__(
        self,
        arguments: list[str],
        environ: dict[str, str],
        *,
        stdin: int | IO[Any] = subprocess.DEVNULL,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        cwd: str | os.PathLike[str] | None = None,
    ) -> None:
        self.stdin: TextIO | None = None
        self.stdout: TextIO | None = None
        self.stderr: TextIO | None = None
        with contextlib.ExitStack() as theirs:
            streams = []
            for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                if stream == subprocess.PIPE:
                    read, written = os.pipe()
                    given, kept, mode = (read, written, "w") if name == "stdin" else (written, read, "r")
                    theirs.callback(os.close, given)
                    setattr(self, name, open(kept, mode, encoding="utf-8"))  # noqa: SIM115
                    streams.append(given)
                elif stream == subprocess.DEVNULL:
                    streams.append(theirs.enter_context(open(os.devnull, "r+b")).fileno())
                else:
                    streams.append(stream if isinstance(stream, int) else stream.fileno())
            super().__init__("oee_cli", arguments, environ, streams, folder=os.fspath(cwd or Path.cwd()))

    def communicate(self, text: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Gives it its standard input and reads the other two to their ends; what is no pipe says nothing."""
        sources = [-1 if pipe is None else pipe.fileno() for pipe in (self.stdout, self.stderr)]
        deadline = time.monotonic() + (timeout or 3600)
        try:
            read = _talk(self.stdin, (text or "").encode(), [s for s in sources if s >= 0], deadline)
            self.wait(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        out, err = (read.get(source, b"").decode() for source in sources)
        return out, err

    def __del__(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _to(program: str) -> socket.socket:
    open_line(program)
    return _open[program]


def open_line(program: str, arguments: Sequence[str] = ()) -> None:
    """To a process that forks, which the processes forked from this one share."""
    with _lock:
        if program not in _open:
            _open[program] = _server(program, arguments)


def _line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1)
        assert part, "the process that forks is gone"
        line += part
    return line


def _talk(stdin: TextIO | None, text: bytes, sources: list[int], deadline: float) -> dict[int, bytes]:
    """Gives the process its standard input and reads the other two to their ends. Raises `TimeoutError`."""
    read = dict.fromkeys(sources, b"")
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        if stdin is not None and not stdin.closed:
            os.set_blocking(stdin.fileno(), False)
            selector.register(stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() > deadline:
                raise TimeoutError
            for key, _ in ready:
                if key.fileobj is stdin and stdin is not None:
                    with contextlib.suppress(BlockingIOError):
                        try:
                            text = text[os.write(key.fd, text) :]
                        except BrokenPipeError:
                            text = b""
                    if not text:
                        selector.unregister(stdin)
                        stdin.close()
                elif part := os.read(key.fd, 1 << 16):
                    read[key.fd] += part
                else:
                    selector.unregister(key.fd)
    return read


def _server(program: str, arguments: Sequence[str]) -> socket.socket:
    """To the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OEE_", "PYTHON", "LC_", "LANG"))}
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), program, *arguments],
            pass_fds=[theirs.fileno()],
            env=clean | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            cwd="/",
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def serve(requests: socket.socket, program: str, *given: str) -> None:
    """Forks a process for each request; says its pid, and its exit code once it has ended."""
    gc.disable()
    if program == "oee_cli":
        package = importlib.import_module(program)
        for module in pkgutil.walk_packages(package.__path__, f"{program}."):
            importlib.import_module(module.name)
        become = importlib.import_module("tests.kit.forked_cli").become_command
    elif program == "pytest":
        workers = importlib.import_module("tests.kit.xdist_workers")
        workers.collect(*given)
        become = workers.become_worker
    else:
        forked = importlib.import_module("tests.kit.forked")
        forked.import_networks()
        become = forked.become_daemon
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    waiting: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    _bury(waiting)
                    continue
                request, descriptors, _, _ = socket.recv_fds(requests, _MOST, 5)
                if not request:
                    return
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    requests.close()
                    arguments, environ, folder, terminal = json.loads(request)
                    _settle(environ, folder, descriptors[:-1], terminal, keep=program == "pytest")
                    become(arguments)
                told = waiting[pid] = descriptors.pop()
                for descriptor in descriptors:
                    os.close(descriptor)
                os.write(told, b"%d\n" % pid)


def _bury(waiting: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            told = waiting.pop(ended[0], None)
            if told is None:
                continue
            with contextlib.suppress(BrokenPipeError):
                os.write(told, b"%d\n" % os.waitstatus_to_exitcode(ended[1]))
            os.close(told)


def _settle(environ: dict[str, str], folder: str, descriptors: list[int], terminal: bool, keep: bool) -> None:
    """Makes the child what one is that was started with these."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number, inheritable=number < 3)
    if not keep:
        os.closerange(len(descriptors), 256)
    if terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    for name in ("stdin", "stdout", "stderr"):
        old: Any = getattr(sys, f"__{name}__")
        number, mode = ("stdin", "stdout", "stderr").index(name), "rb" if name == "stdin" else "wb"
        new = io.TextIOWrapper(
            open(number, mode),  # noqa: SIM115  # for as long as the process lives
            encoding=old.encoding,
            errors=old.errors,
            line_buffering=name == "stderr" or os.isatty(number),
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def hand_on(requests: socket.socket) -> None:
    """This process starts engines by the line that another one has opened."""
    _open["oee_daemon"] = requests


def engine(arguments: list[str], streams: list[int], environ: dict[str, str], folder: str = "/") -> Running:
    """A daemon, or another of the engine's processes."""
    return Running("oee_daemon", arguments, environ, streams, folder=folder)


def localnet(arguments: list[str]) -> tuple[Running, TextIO]:
    """A localnet alone, and what it says."""
    read, written = os.pipe()
    with open(os.devnull, "rb") as nothing:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
        started = engine(["localnet", *arguments], [nothing.fileno(), written, 2], clean)
    os.close(written)
    return started, open(read, encoding="utf-8")  # for as long as it lives


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), *sys.argv[2:])
