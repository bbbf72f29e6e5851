"""What every benchmark runs: servers, daemons and other processes, what they cost, and how to freeze them.

Servers and daemons are real ones, each in a home of its own under the temporary folder, open to pass for
the account that the servers run under. Nothing here measures; that is each script's own business.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from benchmarks.load import Client
from oee_daemon.embedded import Servers

T = TypeVar("T")

#: The checkout: processes are started here, so that they find the benchmarks' own modules.
ROOT = Path(__file__).resolve().parent.parent
#: Waits of the simulated network at 0, and no rejected attempt: what is left is the engine's own.
NO_WAITS = {"OEE_SIM_LATENCY_MS": "0", "OEE_SIM_CONFIRM_MS": "0", "OEE_SIM_FAILURE_RATE": "0"}
#: Waits at their defaults, and no rejected attempt.
SURE = {"OEE_SIM_FAILURE_RATE": "0"}
#: The order that is placed throughout.
ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}
EXECUTE = "/api/orders/execute"


def environ(root: Path = ROOT, **more: str) -> dict[str, str]:
    """What processes of the checkout `root` see: no settings of the caller's, and `.pyc` files are read and
    written."""
    hidden = ("OEE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    return kept | {"PYTHONPATH": str(root)} | more


@contextlib.contextmanager
def folder(prefix: str = "oee-b") -> Iterator[Path]:
    """A short path, since a socket's name is one; open to pass for the servers' account."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Base:
    """One Postgres and one Valkey, as the daemon runs them, for the floor and the project alike."""

    def __init__(self, home: Path) -> None:
        home.mkdir(exist_ok=True)
        home.chmod(0o711)
        self._servers = Servers(home, postgres=True, valkey=True)

    def __enter__(self) -> Base:
        self._servers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.stop()

    def database(self, name: str) -> str:
        """The URL of the database `name`, made if it is missing."""
        url = self._servers.database_url
        with psycopg.connect(plain(url), autocommit=True) as conn:
            if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                conn.execute(f"CREATE DATABASE {name}".encode())
        return url.replace("@/oee?", f"@/{name}?", 1)

    def pids(self) -> dict[str, int]:
        """By server, without its helpers."""
        return {str(row["name"]): int(str(row["pid"])) for row in self._servers.describe()}

    def redis(self, number: int) -> str:
        return f"{self._servers.redis_url}?db={number}"


def plain(url: str) -> str:
    """SQLAlchemy's URL as libpq reads it."""
    return url.replace("+psycopg", "", 1)


def until(check: Callable[[], T | None], within: float, what: str, pause: float = 0.02) -> T:
    deadline = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {within} s")
        time.sleep(pause)


def _dies_with(parent: int) -> Callable[[], None] | None:
    """Linux ends the process with us, frozen or not, should we be killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return prepare


class Process:
    """A process of ours that can be frozen while another is measured. Of another checkout than this one, it
    runs in that one's own environment, `.venv`."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path, root: Path = ROOT) -> None:
        self._root = root
        self._python = sys.executable if root == ROOT else str(root / ".venv" / "bin" / "python")
        self._arguments = arguments
        self._env = env
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._python, *self._arguments], env=self._env, cwd=self._root, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=_dies_with(os.getpid()),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._arguments} ended:\n{self.log.read_text()[-2000:]}")
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


class Daemon(Process):
    """`python -m oee_daemon run` of the checkout `root`, on a home of its own."""

    def __init__(self, home: Path, root: Path = ROOT, **settings: str) -> None:
        self.home = home
        told = environ(root, **({"OEE_HOME": str(home), "OEE_PORT": "0"} | settings))
        self.database_url = settings.get("OEE_DATABASE_URL", "")
        log = home.with_name(home.name + ".log")
        super().__init__(["-P", "-m", "oee_daemon", "run"], told, log, root)

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        super().start()
        file = self.home / "run" / "daemon.json"
        until(lambda: self.pid and file.exists(), 60, "the daemon's start")
        # It is ready when its worker is: that one says so in the log.
        until(lambda: "worker ready" in self.log.read_text(), 60, "the worker's start")

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "run" / "daemon.json").read_text())
        return found

    def client(self) -> Client:
        return Client(self.facts["socket"])

    def status(self) -> dict[str, Any]:
        with self.client() as client:
            found: dict[str, Any] = client.get("/api/status")
            return found

    def pids(self) -> dict[str, int]:
        """By part: the daemon, its worker, and the servers that are its own, without their helpers."""
        status = self.status()
        found = {"daemon": status["pid"], "worker": status["worker"]["pid"]}
        for name, part in (("postgres", "postgres"), ("valkey", "queue")):
            if status[part]["own"]:
                found[name] = status[part]["pid"]
        return found


def option_against(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, with its own .venv")


@contextlib.contextmanager
def daemons(home: Path, base: Base, against: Path | None, **settings: str) -> Iterator[dict[str, Daemon]]:
    """The daemon of the checkout that ours is measured against, where there is one, by its path; then ours,
    as `oee`. Each has a database and a queue of its own on the same servers."""
    with contextlib.ExitStack() as stack:
        found = {}
        for number, root in enumerate([*filter(None, [against]), ROOT], 2):
            own = {"OEE_DATABASE_URL": base.database(f"side{number}"), "OEE_REDIS_URL": base.redis(number)}
            daemon = Daemon(home / f"home{number}", root.resolve(), **own | settings)
            found["oee" if root is ROOT else str(root)] = stack.enter_context(daemon)
        yield found


def helpers(pid: int) -> list[int]:
    """The children of a process as of now."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_s(pid: int, *, family: bool = False) -> float:
    """Processor seconds of a process so far; `family`: with its helpers', also of those that are gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = sum(int(part) for part in fields[11 : 15 if family else 13]) / os.sysconf("SC_CLK_TCK")
    for helper in helpers(pid) if family else []:
        # Gone since: its parent has inherited what it took.
        with contextlib.suppress(OSError):
            spent += cpu_s(helper)
    return spent


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """These processes take nothing of the machine meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
