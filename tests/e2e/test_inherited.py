"""Daemons that somebody started from the worst of shells, and what signals and full descriptors do to one."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from oee_daemon import logfile
from tests.kit.commands import BUY, OEE, QUICK, Cli, refusal
from tests.kit.daemons import until
from tests.kit.homes import furnished

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def bare(homes: Path) -> Iterator[Cli]:
    """A home with servers of its own, in which nothing has run yet."""
    cli = Cli(homes / "h", **QUICK)
    yield cli
    assert cli.run("daemon", "stop").returncode == 0


@pytest.fixture
def home(bare: Cli) -> Cli:
    """One with a database."""
    furnished(bare.home)
    return bare


def _worst() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    if os.geteuid() == 0:
        os.nice(5)


def test_who_starts_the_daemon_decides_nothing_for_those_who_come_after(bare: Cli, tmp_path: Path) -> None:
    (tmp_path / "signal.py").write_text("raise SystemExit('a strategy runs')")
    (tmp_path / "redis.py").write_text("raise SystemExit('another redis')")
    foreign = {
        "PGSERVICE": "prod", "PGREQUIREAUTH": "scram-sha-256", "PGDATESTYLE": "German, DMY",
        "PGCLIENTENCODING": "SQL_ASCII", "WEB_CONCURRENCY": "", "PSYCOPG_IMPL": "nonsense",
        "PYTHONPATH": f":{tmp_path}",
    }  # fmt: skip
    done = subprocess.run(
        [*OEE, *BUY],
        env=bare.environ | foreign,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        preexec_fn=_worst,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "starting the daemon")
    assert [order["status"] for order in bare.json("history")] == ["confirmed"]
    if sys.platform == "linux":
        status = bare.json("daemon", "status")
        for part in (status, status["worker"], status["postgres"], status["queue"]):
            _looked_at(part["pid"])


def _looked_at(pid: int) -> None:
    process = Path(f"/proc/{pid}")
    told = dict(line.split(":\t") for line in (process / "status").read_text().splitlines() if ":\t" in line)
    ignored = int(told["SigIgn"], 16)
    # Postgres blocks and ignores what it likes by itself, but needs to learn of its children's ends.
    assert not ignored >> (signal.SIGCHLD - 1) & 1
    for line in (process / "limits").read_text().splitlines():
        if line.startswith(("Max open files", "Max file size")):
            soft, hard = line[26:].split()[:2]
            assert soft == hard, line
    nice = int((process / "stat").read_text().rpartition(")")[2].split()[16])
    assert nice == (0 if os.geteuid() == 0 else nice)
    foreign = (b"PGSERVICE", b"PSYCOPG_IMPL", b"PYTHONPATH")
    if b"oee_daemon\0run" not in (process / "cmdline").read_bytes():
        assert not any(name in (process / "environ").read_bytes() for name in foreign)


def _log(cli: Cli) -> list[dict[str, Any]]:
    path = cli.home / "logs" / "daemon.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _said(cli: Cli, event: str, count: int = 1) -> Callable[[], bool]:
    return lambda: [line["event"] for line in _log(cli)].count(event) >= count


def test_no_signal_ends_the_daemon_or_its_worker_without_a_word(home: Cli) -> None:
    assert home.fresh("daemon", "start").returncode == 0
    until(_said(home, "worker ready"))
    pids = [home.pid, home.json("daemon", "status")["worker"]["pid"]]
    for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGHUP"):
        for pid in pids:
            os.kill(pid, getattr(signal, name))
    until(_said(home, "a signal without a meaning here", 10))
    assert [home.pid, home.json("daemon", "status")["worker"]["pid"]] == pids
    # It drains.
    os.kill(home.pid, signal.SIGQUIT)
    until(_said(home, "stopped"))
    assert {"event": "asked to stop", "signal": "SIGQUIT"}.items() <= _log(home)[-4].items()


def test_a_log_that_is_rotated_goes_on_at_its_name_and_never_grows_past_its_limit(home: Cli) -> None:
    assert home.run("daemon", "start").returncode == 0
    until(_said(home, "worker ready"))
    log = home.home / "logs" / "daemon.log"
    log.rename(log.with_name("rotated"))
    os.kill(home.pid, signal.SIGHUP)
    until(_said(home, "SIGHUP: the log is opened anew"))
    # The worker's lines, too.
    assert home.run(*BUY).returncode == 0
    until(_said(home, "moved"))
    with log.open("ab") as opened:
        opened.write(b"x" * (logfile.LIMIT + 1))
    until(lambda: log.stat().st_size < 10_000)
    assert log.with_name("daemon.log.1").stat().st_size > logfile.LIMIT
    assert home.run(*BUY).returncode == 0
    until(_said(home, "moved"))


def test_a_terminal_that_closes_over_a_daemon_lets_it_drain(home: Cli) -> None:
    log = home.home.with_name("foreground.log")
    pid, terminal = pty.fork()
    if pid == 0:
        # Whoever runs the tests may have it ignored, as nohup does.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        os.execve(OEE[0], [*OEE, "daemon", "run"], home.environ)  # noqa: S606
    until(lambda: (home.home / "run" / "daemon.json").exists(), within=40)
    os.close(terminal)
    assert until(lambda: os.waitpid(pid, os.WNOHANG)[0], within=40) == pid
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events[-1] == "stopped" and "asked to stop" in events


@ON_LINUX
def test_without_descriptors_the_log_gets_one_line_a_second(home: Cli) -> None:
    assert home.run("daemon", "start").returncode == 0
    until(_said(home, "worker ready"))
    held = len(os.listdir(f"/proc/{home.pid}/fd"))
    resource.prlimit(home.pid, resource.RLIMIT_NOFILE, (held + 3, held + 3))
    path = json.loads((home.home / "run" / "daemon.json").read_text())["socket"]
    clients = [socket.socket(socket.AF_UNIX) for _ in range(60)]
    for client in clients:
        client.connect(path)
    event = "out of descriptors: whoever connects is not served"

    def storm() -> list[dict[str, Any]]:
        return [line for line in _log(home) if line["event"] == event]

    until(lambda: len(storm()) >= 3)
    moments = [line["at"] for line in storm()]
    for client in clients:
        client.close()
    assert home.run("history").returncode == 0
    seconds = [float(m[17:23]) for m in moments]
    assert all((later - sooner) % 60 >= 0.99 for sooner, later in pairwise(seconds))


def test_a_failed_start_is_read_line_by_line(bare: Cli) -> None:
    (bare.home / "postgres").mkdir(parents=True)
    bare.home.chmod(0o711)
    (bare.home / "postgres" / "PG_VERSION").write_text("17\n")
    error = refusal(bare.run("history", "--json"))
    first, reason = error["message"].splitlines()
    assert first == "The daemon could not be started."
    assert "was written by PostgreSQL 17" in reason
    assert "did not stop in time" not in (bare.home / "logs" / "daemon.log").read_text()


def test_initdb_whose_end_cannot_be_learnt_leaves_no_half_database(homes: Path) -> None:
    """Its exit code is lost where SIGCHLD is ignored: Python then says 0."""
    script = (
        "import signal, sys; from pathlib import Path; from oee_daemon.embedded import Servers\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "Servers(Path(sys.argv[1]), postgres=True, valkey=False).start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(homes / "h")], capture_output=True, text=True, timeout=60
    )
    assert "StartFailed: initdb ended with 0 while starting" in done.stderr
    assert not (homes / "h" / "postgres").exists()
