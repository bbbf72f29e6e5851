"""What the tests of the command line share: `oee` as a process, its daemon, and ways to make it suffer.

One daemon serves all of them in a test process (`conftest.py`): starting one costs as much as ten commands.
Whoever changes something in it puts it back.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest

from oee_cli.__main__ import _run_guarded
from oee_daemon.embedded import Servers
from tests.kit import forks, shell_program
from tests.kit.api_daemon import Shared, shared
from tests.kit.daemons import Process, until

#: The console script where the environment has one, as a user runs it.
OEE = (
    [str(Path(sys.executable).with_name("oee"))]
    if Path(sys.executable).with_name("oee").exists()
    else [sys.executable, "-m", "oee_cli"]
)
QUICK = {"OEE_SIM_LATENCY_MS": "20", "OEE_SIM_CONFIRM_MS": "20", "OEE_SIM_FAILURE_RATE": "0"}
#: Whoever is asked about an order that is to be accepted answers, however busy the machine is.
PATIENT = {"OEE_TIMING": "courtesy_s=20"}
STEPS = ["pending", "routing", "building", "submitted", "confirmed"]
BUY = ("buy", "SOL", "USDC", "1.5")
Done = subprocess.CompletedProcess[str]
Running = Process | forks.Started


class Cli:
    """`oee` on one home, with nothing of the developer's own settings."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        inherited = {k: v for k, v in inherited.items() if not k.startswith(("OEE_", "PYTHON", "LC_"))}
        private = {"XDG_CONFIG_HOME": str(home.parent / "no-config"), "LC_ALL": "C.UTF-8"}
        self.environ = inherited | private | {"OEE_HOME": str(home), "OEE_PORT": "0"} | environ

    def run(self, *arguments: str, stdin: str = "", folder: str = "", **environ: str) -> Done:
        """To its end. Forked from a process that has imported everything, see `forks`."""
        whole = self.environ | environ
        if not forks.can(whole):
            assert not folder
            return self.fresh(*arguments, stdin=stdin, **environ)
        return forks.run(list(arguments), stdin, whole, 60, folder)

    def fresh(self, *arguments: str, stdin: str = "", **environ: str) -> Done:
        """The same by a Python that starts for it: where that is the subject."""
        return subprocess.run(
            [*OEE, *arguments],
            input=stdin,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def sh(self, script: str, *, fresh: bool = False, within: float = 120, **environ: str) -> Done:
        """As typed in a shell, in the folder that the home stands in; each `oee` of it is forked. `fresh`
        where descriptors or limits of the shell's, or what is imported, are the subject."""
        folder = str(Path(OEE[0]).parent) if fresh else shell_program.folder((*OEE,))
        return subprocess.run(
            ["bash", "-c", script],
            env=self.environ | {"PATH": f"{folder}:{os.environ['PATH']}"} | environ,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
        )

    def inside(self, *arguments: str, **environ: str) -> Done:
        """In this process, by what `main` does between opening and closing its streams: for tables of cases
        that differ in words only."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        terminate = signal.getsignal(signal.SIGTERM)
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(os, "environ", self.environ | environ)
            patch.setattr(sys, "stdin", io.StringIO())
            code = _run_guarded(list(arguments))
        signal.signal(signal.SIGTERM, terminate)
        out.flush()
        err.flush()
        told = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return Done(["oee", *arguments], code, *told)

    def start(self, *arguments: str, fresh: bool = False, **options: Any) -> Running:
        """For those who look while it runs; `fresh` where its birth or its memory is the subject."""
        if not fresh and forks.can(self.environ) and set(options) <= {"stdin", "stdout", "stderr", "cwd"}:
            return forks.Started(list(arguments), self.environ, **options)
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Process([*OEE, *arguments], env=self.environ, text=True, **(streams | options))

    def json(self, *arguments: str, **environ: str) -> Any:
        done = self.run(*arguments, "--json", **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def placed(self, *, detach: bool = True) -> str:
        """The id of an order just placed."""
        order: str = self.json(*BUY, *(["--detach"] if detach else []))["orderId"]
        return order

    @property
    def pid(self) -> int:
        """The daemon's."""
        return int(json.loads((self.home / "run" / "daemon.json").read_text())["pid"])


@contextmanager
def stopping(*clis: Cli) -> Iterator[None]:
    """Stops their daemons at the end."""
    try:
        yield
    finally:
        for cli in clis:
            with suppress(subprocess.TimeoutExpired):
                cli.run("daemon", "stop")


@contextmanager
def serving(servers: Servers, template: str, home: Path, **environ: str) -> Iterator[tuple[Cli, Shared]]:
    """As `shared`, and `oee` that never starts another."""
    with shared(servers, template, home, **(QUICK | environ)) as api:
        yield Cli(api.daemon.home, OEE_NO_AUTOSTART="1"), api


@contextmanager
def faults(api: Shared, *rules: tuple[str, str]) -> Iterator[None]:
    """Misbehaviour of the simulated network, for ever or until the block ends."""
    for target, kind in rules:
        api.sql.execute("INSERT INTO sim_faults (target, kind) VALUES (%s, %s)", (target, kind))
    try:
        yield
    finally:
        api.sql.execute("DELETE FROM sim_faults")


NO_PRICE = (("raydium", "refuse"), ("meteora", "refuse"))


@contextmanager
def frozen_worker(api: Shared) -> Iterator[None]:
    """Orders stay `pending`."""
    pid = api.http.get("/api/status").json()["worker"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def newest(api: Shared) -> dict[str, Any]:
    found: dict[str, Any] = api.http.get("/api/orders", params={"limit": 1}).json()["orders"][0]
    return found


def until_stored(api: Shared, count: int) -> None:
    """Until one more than `count` orders are there."""
    until(lambda: api.stored() > count, what="the order")


def end(process: Running, within: float = 20) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = process.communicate(timeout=within)
    return process.wait(), out, err


def refusal(done: Done) -> dict[str, Any]:
    """The error object that `--json` has put on stdout; its sentence and its advice are on stderr as well."""
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert set(told) == {"error"}
    error: dict[str, Any] = told["error"]
    assert set(error) == {"code", "message", "retryable", "hint"}
    assert error["code"] and isinstance(error["retryable"], bool)
    # Folded between words to the width of where it goes.
    said = "".join(done.stderr.split())
    for part in (error["message"], error["hint"] or ""):
        assert "".join(part.split()) in said, done.stderr
    return error
