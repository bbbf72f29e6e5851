"""`oee daemon …` and `oee worker` as processes: start, stop, who holds a home, and who speaks what."""

from __future__ import annotations

import json
import os
import select
import signal
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from tests.api_daemon import connect
from tests.daemons import until
from tests.e2e.bench import BUY, QUICK, Cli, Running, end, queue_of_its_own, serving


@pytest.fixture
def cli(servers: Servers, database_url: str, tmp_path: Path) -> Iterator[Cli]:
    """A home in which nothing runs yet, with servers outside; what a test starts there ends with it."""
    outside = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": queue_of_its_own(servers)}
    made = Cli(tmp_path / "h", **(QUICK | outside))
    yield made
    assert made.run("daemon", "stop").returncode == 0


def ended(pid: int) -> bool:
    """Nobody is that process any more, but perhaps a corpse that its parent has not looked at."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_the_life_of_a_daemon(cli: Cli) -> None:
    away = cli.run("daemon", "status")
    assert (away.returncode, away.stdout) == (6, "")
    assert "oee daemon start" in away.stderr
    assert cli.run("daemon", "logs").returncode == 1
    assert cli.run("daemon", "stop").stdout == "the daemon was not running\n"

    started = cli.run("daemon", "start")
    assert (started.returncode, started.stdout.split()[:2]) == (0, ["✓", "started"])
    first = cli.pid
    assert f"pid {first}" in started.stdout
    assert "already running" in cli.run("daemon", "start").stdout
    assert cli.json("daemon", "start")["pid"] == first

    status = cli.json("daemon", "status")
    assert (status["running"], status["pid"], status["network"]) == (True, first, "simulated")
    names = [line.split()[0] for line in cli.run("daemon", "status").stdout.splitlines()]
    assert names == ["daemon", "socket", "http", "postgres", "queue", "worker", "network"]

    token = cli.run("daemon", "token").stdout.strip()
    assert token == (cli.home / "token").read_text().strip()
    over_tcp = cli.run("history", OEE_URL=status["http"]["url"], OEE_TOKEN=token)
    assert over_tcp.returncode == 0
    assert "daemon ready" in cli.run("daemon", "logs", "-n", "20").stdout

    restarted = cli.run("daemon", "restart")
    assert "restarted" in restarted.stdout
    assert cli.pid != first and ended(first)
    second = cli.pid
    assert cli.run("daemon", "stop").stdout == "✓ stopped\n"
    assert ended(second)
    assert cli.json("daemon", "stop") == {"running": False, "stopped": False}


def test_commands_for_this_machine_refuse_a_daemon_elsewhere(cli: Cli) -> None:
    for command in ("start", "stop", "restart", "logs"):
        done = cli.run("daemon", command, OEE_URL="http://localhost:1")
        assert done.returncode == 2 and "OEE_URL" in done.stderr
    nobody = cli.run("daemon", "status", OEE_URL="http://localhost:1")
    assert nobody.returncode == 6 and "OEE_URL" in nobody.stderr


def test_logs_that_are_followed_go_on(cli: Cli) -> None:
    cli.run("daemon", "start")
    following = cli.start("daemon", "logs", "-n", "0", "-f")
    lines = following.stdout
    assert lines is not None
    until(lambda: cli.placed() and select.select([lines], [], [], 0)[0], what="a line")
    assert json.loads(lines.readline())
    following.send_signal(signal.SIGINT)
    assert end(following)[0] == 130


def test_a_daemon_that_cannot_start_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "h", OEE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    done = cli.run(*BUY, OEE_REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 6
    assert str(cli.home / "logs" / "daemon.log") in done.stderr
    said = " ".join(done.stderr.split())
    assert "could not be started" in said
    assert "127.0.0.1" in said or "Postgres" in said or "database" in said


def test_a_second_daemon_on_a_home_says_who_is_there(cli: Cli) -> None:
    cli.run("daemon", "start")
    done = cli.run("daemon", "run")
    assert done.returncode == 6
    assert f"process {cli.pid}" in " ".join(done.stderr.split())
    assert cli.run("daemon", "status").returncode == 0


def test_in_the_foreground_it_ends_well_when_it_is_told_to(cli: Cli) -> None:
    running = cli.start("daemon", "run")
    until((cli.home / "run" / "daemon.json").exists, what="the start")
    assert cli.pid == running.pid
    assert cli.run(*BUY, OEE_NO_AUTOSTART="1").returncode == 0
    running.send_signal(signal.SIGTERM)
    assert end(running, 40)[0] == 0


def test_the_default_home_brings_its_own_servers_and_starts_by_itself(homes: Path) -> None:
    cli = Cli(homes / "h", OEE_SIM_FAILURE_RATE="0")
    try:
        done = cli.run(*BUY)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("✓ bought 1.5 SOL")
        status = cli.json("daemon", "status")
        assert status["postgres"]["own"] and status["queue"]["own"]
        assert [order["status"] for order in cli.json("history")] == ["confirmed"]
    finally:
        assert cli.run("daemon", "stop").returncode == 0


def test_a_worker_beside_the_daemon_takes_orders(servers: Servers, template: str, tmp_path: Path) -> None:
    with serving(servers, template, tmp_path / "h") as (cli, api):
        outside = {name: api.daemon.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL")}
        pid = api.http.get("/api/status").json()["worker"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        worker: Running | None = None
        try:
            # A home of its own, as on another host.
            worker = Cli(tmp_path / "elsewhere", **(QUICK | outside)).start("worker")
            done = cli.run(*BUY)
            assert done.returncode == 0, done.stderr
        finally:
            os.kill(pid, signal.SIGCONT)
            if worker is not None:
                worker.send_signal(signal.SIGTERM)
        assert end(worker, 40)[0] == 0


class Foreign(BaseHTTPRequestHandler):
    """What another release would answer; `{}` says nothing of a protocol at all."""

    protocol_version = "HTTP/1.1"
    stamp: dict[str, str] = {}  # noqa: RUF012  # set by a subclass

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.stamp.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def foreign(home: Path, **stamp: str) -> Iterator[None]:
    """A home whose socket somebody else answers on."""
    (home / "run").mkdir(parents=True, mode=0o700)
    path = home / "run" / "oee.sock"
    (home / "run" / "daemon.json").write_text(json.dumps({"pid": os.getpid(), "socket": str(path)}))
    named = {name.replace("_", "-"): value for name, value in stamp.items()}
    handler = type("Stamped", (Foreign,), {"stamp": named})
    with socketserver.ThreadingUnixStreamServer(str(path), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.parametrize("command", [BUY, ("daemon", "status")])
def test_another_protocol_ends_with_6_both_versions_and_what_helps(
    homes: Path, command: tuple[str, ...]
) -> None:
    line = '{"inputToken": "SOL", "outputToken": "USDC", "amount": 1}'
    with foreign(homes / "h", OEE_Protocol="2", OEE_Version="9.9.9"):
        done = Cli(homes / "h").run(*command, stdin=line)
    assert done.returncode == 6
    said = " ".join((done.stderr + done.stdout).split())
    assert "9.9.9" in said and "0.1.0" in said
    assert "protocol 2" in said and "protocol 1" in said
    assert "oee daemon restart" in said


def test_what_is_no_daemon_of_ours_ends_with_6(homes: Path) -> None:
    with foreign(homes / "h"):
        done = Cli(homes / "h").run(*BUY)
    assert done.returncode == 6
    assert "not a daemon of this product" in done.stderr


def test_a_folder_that_others_can_enter_is_not_trusted(homes: Path) -> None:
    with foreign(homes / "h", OEE_Protocol="1"):
        (homes / "h" / "run").chmod(0o755)
        done = Cli(homes / "h").run(*BUY)
    assert done.returncode == 4
    assert f"chmod 700 {homes / 'h' / 'run'}" in done.stderr


def test_stop_leaves_what_runs_safe(cli: Cli, database_url: str) -> None:
    done = cli.run("daemon", "start", OEE_SIM_CONFIRM_MS="1000")
    assert done.returncode == 0
    order_id = cli.placed()
    assert cli.run("daemon", "stop").returncode == 0
    with connect(database_url) as sql:
        stored = sql.execute("SELECT status FROM orders").fetchall()
    assert stored in ([("confirmed",)], [("submitted",)], [("pending",)])
    # Any command that needs the daemon starts it again, and the order goes on.
    assert cli.run("watch", order_id).returncode == 0
