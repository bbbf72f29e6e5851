"""What once kept a daemon from its work, or its log from an end: surroundings as users' shells have them.

One home with servers of its own serves most of it. It is stopped or started anew where a fault asks for that.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_found import orders, spent
from tests.kit.commands import OEE, QUICK, Cli, stopping
from tests.kit.daemons import until
from tests.kit.homes import furnished

BUY = ("buy", "SOL", "USDC", "0.1", "-q")


@pytest.fixture(scope="module")
def home(file_homes: Path) -> Iterator[Cli]:
    cli = Cli(furnished(file_homes / "h"), **QUICK)
    with stopping(cli):
        yield cli


#: Each of them by itself would keep an order from its end, or tell it otherwise.
FOREIGN = {
    "PGSERVICE": "prod", "PGREQUIREAUTH": "scram-sha-256", "PGHOSTADDR": "192.0.2.1",
    "PGDATESTYLE": "German, DMY", "PGTZ": "Asia/Tokyo", "PGOPTIONS": "-c search_path=elsewhere",
    "PGCLIENTENCODING": "SQL_ASCII", "PGSYSCONFDIR": "/nowhere", "PGTARGETSESSIONATTRS": "standby",
    "WEB_CONCURRENCY": "", "FORWARDED_ALLOW_IPS": "*", "PSYCOPG_IMPL": "nonsense",
}  # fmt: skip


def test_variables_of_libraries_decide_nothing(home: Cli) -> None:
    home.run("daemon", "stop")
    done = home.fresh(*BUY, **FOREIGN)
    assert done.returncode == 0, done.stderr
    assert home.run("show", "last").returncode == 0
    assert home.run("history").returncode == 0
    assert len(spent(home)) == orders(home)


def test_modules_beside_a_script_or_on_its_path_are_not_run(home: Cli, tmp_path: Path) -> None:
    home.run("daemon", "stop")
    for name in ("signal", "redis", "psycopg", "typer", "httpx", "json", "ssl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('MY STRATEGY RUNS')\n")
    for path in (":/opt/lib", str(tmp_path)):
        done = home.sh(f"cd {tmp_path}; oee history", PYTHONPATH=path)
        assert done.returncode == 0 and "MY STRATEGY" not in done.stdout + done.stderr


def test_a_socket_that_was_cleaned_away_holds_nobody_up(home: Cli) -> None:
    home.run("daemon", "start")
    daemon = home.pid
    for cleaned in ('"$OEE_HOME/run/oee.sock"', '"$OEE_HOME"/run/*'):
        began = time.monotonic()
        done = home.sh(f"rm {cleaned}; oee history")
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < 20
        assert home.json("daemon", "status")["pid"] == daemon, "nor is there a second daemon"


def test_many_threads_leave_connections_for_a_backup(home: Cli) -> None:
    rows = [{"inputToken": "USDC", "outputToken": "SOL", "amount": n} for n in range(1, 241)]
    (home.home.parent / "240.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    started = home.run("daemon", "restart", OEE_WORKER_THREADS="120", OEE_MAX_ACTIVE="120")
    assert started.returncode == 0, started.stderr
    before = len(spent(home))
    done = home.sh("oee submit 240.ndjson --max-inflight 200 -q >/dev/null && oee backup b.oee --force")
    assert done.returncode == 0, done.stderr
    assert len(spent(home)) == before + 240


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is there on Linux only")
def test_a_daemon_on_all_addresses_goes_by_each_of_them(home: Cli) -> None:
    assert home.run("daemon", "restart", OEE_HOST="0.0.0.0").returncode == 0  # noqa: S104
    told = home.json("daemon", "status")["http"]["url"]
    assert told.startswith("http://127.0.0.1:")
    url = told.replace("127.0.0.1", "127.0.0.2")
    token = home.run("daemon", "token").stdout.strip()
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert home.run("history", OEE_URL=url, OEE_TOKEN=token).returncode == 0
    # A probe knows it by any name, and nobody else may.
    foreign = {"Host": "lb.internal", "Authorization": f"Bearer {token}"}
    assert httpx.get(f"{url}/healthz", headers=foreign).status_code == 200
    assert httpx.get(f"{url}/api/orders", headers=foreign).status_code == 403
    if _resolves(name := socket.gethostname()):
        done = home.run("history", OEE_URL=url.replace("127.0.0.2", name), OEE_TOKEN=token)
        assert done.returncode == 4 and "hostnames" in done.stderr and "Set OEE_TOKEN" not in done.stderr


def _resolves(name: str) -> bool:
    try:
        return socket.gethostbyname(name).startswith("127.")
    except OSError:
        return False


def test_monitors_may_ask_with_head(home: Cli) -> None:
    home.run("daemon", "start")
    url = home.json("daemon", "status")["http"]["url"]
    token = {"Authorization": "Bearer " + home.run("daemon", "token").stdout.strip()}
    for path in ("healthz", "readyz", "metrics", "api/orders", "api/status", "api/tokens"):
        answer = httpx.head(f"{url}/{path}", headers=token)
        assert (answer.status_code, answer.content) == (200, b""), path


def test_few_descriptors_make_no_flood_of_log(home: Cli) -> None:
    """The soft limit of the shell is raised to the hard one; past that, one line a second."""
    home.run("daemon", "stop")
    assert home.sh("ulimit -Sn 64; ulimit -Hn 96; oee daemon start", fresh=True).returncode == 0
    log = home.home / "logs" / "daemon.log"
    size = log.stat().st_size
    request = (
        b"GET /api/orders/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with ExitStack() as watchers:
        for _ in range(120):
            watcher = watchers.enter_context(socket.socket(socket.AF_UNIX))
            watcher.settimeout(20)
            watcher.connect(str(home.home / "run" / "oee.sock"))
            watcher.sendall(request)
        until(lambda: b"out of descriptors" in log.read_bytes()[size:], what="the shortage")
        began, size = time.monotonic(), log.stat().st_size
        until(lambda: log.read_bytes()[size:].count(b"out of descriptors") > 2, what="three lines")
        assert time.monotonic() - began > 1.5 and log.stat().st_size - size < 20_000
    assert home.run(*BUY).returncode == 0
    home.run("daemon", "stop")


def test_a_backup_goes_where_a_shell_leads_it(home: Cli, tmp_path: Path) -> None:
    home.run("daemon", "start")
    script = f"oee backup >(cat >{tmp_path}/a); oee backup /dev/stdout | cat >{tmp_path}/b; wait"
    done = home.sh(script, fresh=True)
    assert done.returncode == 0, done.stderr
    until(lambda: (tmp_path / "a").stat().st_size > 1000, what="the backup")
    assert (tmp_path / "b").stat().st_size > 1000
    (tmp_path / "gone").mkdir()
    done = home.sh(f"cd {tmp_path}/gone; rmdir ../gone; oee backup x.oee")
    assert done.returncode == 2 and "the working folder is gone" in done.stderr
    done = home.run("backup", "y" * 300)
    assert done.returncode == 2 and "File name too long" in done.stderr


def test_python_warns_of_nothing_where_warnings_are_errors(home: Cli, tmp_path: Path) -> None:
    script = f"oee history && oee backup {tmp_path}/b.oee && oee daemon restart && oee daemon stop"
    done = home.sh(script, fresh=True, PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr


def test_who_ignores_the_ends_of_children_makes_a_whole_home(homes: Path) -> None:
    cli = Cli(homes / "h", **QUICK)
    ignoring = (
        "import signal, os, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )

    def ignored(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", ignoring, *OEE, *command],
            env=cli.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )

    with stopping(cli):
        assert ignored("history").returncode == 0
        assert cli.run(*BUY).returncode == 0
        assert ignored("backup", str(homes / "b.oee")).returncode == 0
        data = homes / "r" / "postgres"
        cli.environ["OEE_HOME"] = str(data.parent)
        assert ignored("restore", str(homes / "b.oee")).returncode == 0
        assert (data / "PG_VERSION").exists()
        cli.environ["OEE_HOME"] = str(cli.home)


def test_a_long_home_needs_no_login_and_mends_its_socket(outside: Cli, homes: Path) -> None:
    outside.home = homes / ("x" * 127) / "h"
    outside.environ |= {"OEE_HOME": str(outside.home), "XDG_RUNTIME_DIR": "/run/user/4242"}
    done = outside.run("history")
    assert done.returncode == 0 and "Traceback" not in done.stderr
    # Another shell, with another runtime folder, means the same daemon.
    assert outside.run(*BUY, XDG_RUNTIME_DIR=str(homes)).returncode == 0
    began = time.monotonic()
    done = outside.sh('rm -r "$(dirname "$(oee paths socket)")"; oee history')
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 20 and len(spent(outside)) == 1


#: A resolver that takes questions and never answers.
DEAF = """
import signal, socket
deaf = socket.socket(type=socket.SOCK_DGRAM)
deaf.bind(('127.0.0.1', 53))
signal.pause()
"""


def _can_deafen() -> bool:
    tried = "ip link set lo up && mount --bind /dev/null /etc/resolv.conf"
    command = ["unshare", "-mn", "sh", "-c", tried]
    return bool(shutil.which("unshare") and shutil.which("ip")) and (
        subprocess.run(command, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _can_deafen(), reason="this account may not make network namespaces")
def test_a_resolver_that_never_answers_holds_up_nothing(outside: Cli, homes: Path) -> None:
    (homes / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:3 attempts:2\n")
    script = f"""
        ip link set lo up; mount --bind {homes}/resolv.conf /etc/resolv.conf
        "{sys.executable}" -c "{DEAF}" &
        oee daemon start || exit 1
        for i in 1 2 3 4 5; do date +%s; oee history >/dev/null || exit 1; done
        oee buy SOL USDC 0.1 -q >/dev/null || exit 1; date +%s
        oee daemon stop; ended=$?; date +%s; kill %1; exit $ended
    """
    outside.environ |= {"OEE_HOST": "desk.corp.example", "OEE_REDIS_URL": "redis://db.corp.example/0"}
    path = f"{Path(OEE[0]).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["unshare", "-mn", "bash", "-c", script],
        env=outside.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    moments = [int(line) for line in done.stdout.splitlines() if line.isdigit()]
    assert len(moments) == 7
    # Each look-up takes 6 s, and another one follows at once.
    assert moments[-2] - moments[0] < 25, moments
    # And a stop waits for none: with one after the other the worker's last moment came, after 25 s.
    assert moments[-1] - moments[-2] < 20, moments
    assert "did not end in time" not in (outside.home / "logs" / "daemon.log").read_text()
    assert len(spent(outside)) == 1
