"""`oee daemon …` and `oee worker` as processes: start, stop, who holds a home, and who speaks what."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from tests.e2e.test_cli_help import COMMANDS
from tests.kit.api_daemon import Shared, queue_of_its_own
from tests.kit.commands import BUY, QUICK, Cli, end, frozen_worker, refusal
from tests.kit.daemons import until
from tests.kit.databases import connect
from tests.kit.terminal import CTRL_C, Terminal, shows

#: What each command that needs a daemon is typed as, and what each that does not.
NEEDS = [
    "buy SOL USDC 1.5", "sell SOL USDC 1.5", "submit -", "cancel last", "quote SOL USDC 1.5", "watch",
    "watch last", "show last", "history", "fills", "top --once", "stats", "backup -", "resume --yes",
    "tokens", "tokens search BONK", "tokens add MINT", "tokens remove FOO", "balance", "wallet unlock",
    "limits", "notify test", "waiting", "limit buy SOL USDC 1 --at 140", "stop sell SOL USDC 1 --at 100",
    "edit last --at 138", "snipe SOL USDC --spend 100 --at 2036-01-01T00:00:00Z",
]  # fmt: skip
NEVER = [
    "--help", "--version", "buy --help", "daemon start -h", "help", "help scripting", "help daemon stop",
    "completion bash", "__orders", "history --columns help", "paths", "config show", "daemon stop",
    "wallet lock",
]  # fmt: skip
#: Those that are the daemon, work beside it, or say what is there instead of it; each has tests of its own.
APART = {
    "start", "restart", "status", "logs", "run", "token", "worker", "drill", "shadow", "restore", "doctor",
    "halt", "chart", "path", "get", "set", "unset", "new", "import", "default", "list",
}  # fmt: skip


@pytest.fixture
def cold(servers: Servers, database_url: str, tmp_path: Path) -> Iterator[Cli]:
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


def test_every_command_needs_a_daemon_or_does_not() -> None:
    typed = {word for line in [*NEEDS, *NEVER] for word in line.split()}
    names = {path.split()[-1] for path in COMMANDS if path not in ("oee", "oee daemon", "oee config")}
    assert names - typed == APART - typed


@pytest.mark.parametrize("line", NEEDS)
def test_what_needs_a_daemon_would_start_it_and_says_so_where_that_is_forbidden(
    line: str, tmp_path: Path
) -> None:
    cli = Cli(tmp_path / "h", OEE_NO_AUTOSTART="1")
    done = cli.run(*line.split())
    assert (done.returncode, done.stdout) == (6, "")
    assert "not running, and OEE_NO_AUTOSTART forbids to start it" in done.stderr
    assert "oee daemon start" in done.stderr
    assert not cli.home.exists()


@pytest.mark.parametrize("line", NEVER)
def test_what_needs_no_daemon_never_starts_one(line: str, tmp_path: Path) -> None:
    cli = Cli(tmp_path / "h")
    done = cli.run(*line.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert not cli.home.exists()


def test_the_life_of_a_daemon(cold: Cli) -> None:
    away = cold.run("daemon", "status")
    assert (away.returncode, away.stdout) == (6, "")
    assert "oee daemon start" in away.stderr
    assert cold.run("daemon", "logs").returncode == 6
    assert cold.run("daemon", "stop").stdout == "the daemon was not running\n"

    # Asked for in so many words it starts whatever is forbidden on the way.
    started = cold.fresh("daemon", "start", OEE_NO_AUTOSTART="1")
    assert (started.returncode, started.stdout.split()[:2]) == (0, ["✓", "started"])
    first = cold.pid
    assert f"pid {first}" in started.stdout
    assert_detached(first)
    assert "already running" in cold.run("daemon", "start").stdout
    assert cold.json("daemon", "start")["pid"] == first

    status = cold.json("daemon", "status")
    assert (status["running"], status["pid"], status["network"]) == (True, first, "simulated")
    names = [line.split()[0] for line in cold.run("daemon", "status").stdout.splitlines()]
    assert names == [
        "daemon", "socket", "http", "postgres", "queue", "worker", "network", "wallet",
    ]  # fmt: skip

    token = cold.run("daemon", "token").stdout.strip()
    assert token == (cold.home / "token").read_text().strip()
    over_tcp = cold.run("history", OEE_URL=status["http"]["url"], OEE_TOKEN=token)
    assert over_tcp.returncode == 0
    assert "daemon ready" in cold.run("daemon", "logs", "-n", "20").stdout

    restarted = cold.fresh("daemon", "restart")
    assert "restarted" in restarted.stdout
    assert cold.pid != first and ended(first)
    second = cold.pid
    assert cold.run("daemon", "stop").stdout == "✓ stopped\n"
    assert ended(second)
    assert cold.json("daemon", "stop") == {"running": False, "stopped": False}


def assert_detached(pid: int) -> None:
    """A session of its own, no terminal, no folder held, nothing to read."""
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == os.devnull


def test_a_frozen_daemon_is_called_frozen(cold: Cli) -> None:
    """It was waited for, for a minute, as one that drains."""
    assert cold.run("daemon", "start").returncode == 0
    pid = cold.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        told = [cold.run("daemon", command) for command in ("status", "stop")]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [done.returncode for done in told] == [6, 6]
    assert all(f"kill -CONT {pid}" in done.stderr for done in told)
    until(lambda: ended(pid), what="the stop that it was asked for")


def test_who_leaves_while_it_starts_leaves_a_daemon_behind(cold: Cli) -> None:
    terminal = Terminal(cold, *BUY, columns=60)
    terminal.until(shows("starting the daemon"))
    terminal.type(CTRL_C)
    assert terminal.end() == 130
    # The line of the start is gone, and nothing was placed.
    assert [line for line in terminal.screen.said if line != "^C"] == []
    until((cold.home / "run" / "daemon.json").exists, what="the start")
    assert cold.json("history", OEE_NO_AUTOSTART="1") == []


def test_commands_for_this_machine_refuse_a_daemon_elsewhere(cli: Cli) -> None:
    for command in ("start", "stop", "restart", "logs"):
        done = cli.run("daemon", command, OEE_URL="http://localhost:1")
        assert done.returncode == 2 and "OEE_URL" in done.stderr
    nobody = cli.run("daemon", "status", OEE_URL="http://localhost:1")
    assert nobody.returncode == 6 and "OEE_URL" in nobody.stderr


def test_logs_that_are_followed_go_on(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "h")
    log = cli.home / "logs" / "daemon.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\n")
    following = cli.start("daemon", "logs", "-n", "1", "-f")
    assert following.stdout is not None
    assert following.stdout.readline() == "two\n"
    with log.open("a") as more:
        more.write("three\n")
    assert following.stdout.readline() == "three\n"
    # Set aside, as at a start: the new one from its top.
    log.replace(log.with_name("daemon.log.1"))
    log.write_text("four\n")
    assert following.stdout.readline() == "four\n"
    following.send_signal(signal.SIGINT)
    assert end(following)[:2] == (130, "")


def test_a_daemon_that_cannot_start_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "h", OEE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    done = cli.run(*BUY, "--json", OEE_REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 6
    error = refusal(done)
    assert error["code"] == "daemon_not_started" and "could not be started" in error["message"]
    log = cli.home / "logs" / "daemon.log"
    assert error["hint"] == f"Its log: {log}" and str(log) in done.stderr
    # The sentence that the log ends with, and none of the lines for those who look closer.
    sentence = log.read_text().splitlines()[-1].removeprefix("x  ")
    assert "".join(sentence.split()) in "".join(done.stderr.split())
    assert "Traceback" not in done.stderr and "traceback" not in done.stderr


def test_a_second_daemon_on_a_home_says_who_is_there(cli: Cli) -> None:
    done = cli.run("daemon", "run")
    assert done.returncode == 6
    assert f"process {cli.pid}" in " ".join(done.stderr.split())
    assert cli.run("daemon", "status").returncode == 0


def test_told_to_stop_it_takes_nothing_new_and_ends_what_runs(cold: Cli, database_url: str) -> None:
    """In the foreground, as a service manager has it; `oee daemon stop` sends the same signal."""
    cold.environ["OEE_SIM_CONFIRM_MS"] = "1500"
    running = cold.start("daemon", "run")
    until((cold.home / "run" / "daemon.json").exists, what="the start")
    assert cold.pid == running.pid
    buying = cold.start(*BUY)
    assert buying.stderr is not None
    until(lambda: "submitted" in str(buying.stderr and buying.stderr.readline()), what="the swap")
    running.send_signal(signal.SIGTERM)
    late = cold.run(*BUY, "--json", OEE_NO_AUTOSTART="1")
    assert (late.returncode, refusal(late)["retryable"]) in ((6, True), (6, False))
    # Who watches sees how it ends.
    code, out, err = end(buying, 40)
    assert code == 0 and out.startswith("✓ bought 1.5 SOL"), err
    assert end(running, 40)[0] == 0
    with connect(database_url) as sql:
        assert sql.execute("SELECT status FROM orders").fetchall() == [("confirmed",)]


def test_the_default_home_brings_its_own_servers_and_starts_by_itself(homes: Path) -> None:
    cli = Cli(homes / "h", OEE_SIM_FAILURE_RATE="0")
    try:
        done = cli.fresh(*BUY)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("✓ bought 1.5 SOL")
        assert done.stderr.startswith("starting the daemon\n")
        status = cli.json("daemon", "status")
        assert status["postgres"]["own"] and status["queue"]["own"]
        assert [order["status"] for order in cli.json("history")] == ["confirmed"]
    finally:
        assert cli.run("daemon", "stop").returncode == 0


def test_a_worker_beside_the_daemon_takes_orders(cli: Cli, api: Shared, tmp_path: Path) -> None:
    outside = {name: api.daemon.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL")}
    with frozen_worker(api):
        # A home of its own, as on another host; with the engine's wallet, for it makes none.
        shutil.copytree(api.daemon.home / "wallets", tmp_path / "elsewhere" / "wallets")
        worker = Cli(tmp_path / "elsewhere", **(QUICK | outside)).start("worker")
        try:
            done = cli.run(*BUY)
            assert done.returncode == 0, done.stderr
        finally:
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
    with foreign(homes / "h", OEE_Protocol="9", OEE_Version="9.9.9"):
        done = Cli(homes / "h").run(*command, stdin=line)
    assert done.returncode == 6
    said = " ".join((done.stderr + done.stdout).split())
    assert "9.9.9" in said and "0.1.0" in said
    assert "protocol 9" in said and f"protocol {PROTOCOL}" in said
    assert "oee daemon restart" in said


def test_what_is_no_daemon_of_ours_ends_with_6(homes: Path) -> None:
    with foreign(homes / "h"):
        done = Cli(homes / "h").run(*BUY)
    assert done.returncode == 6
    assert "not a daemon of this product" in done.stderr


def test_a_folder_that_others_can_enter_is_not_trusted(homes: Path) -> None:
    with foreign(homes / "h", OEE_Protocol="2"):
        (homes / "h" / "run").chmod(0o755)
        done = Cli(homes / "h").run(*BUY)
    assert done.returncode == 4
    assert f"chmod 700 {homes / 'h' / 'run'}" in done.stderr
