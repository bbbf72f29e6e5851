"""Whose daemon it is: a home copied, linked or on another database; stopped, and what ran meanwhile; pids of
other containers. Each with servers of its own where a home is copied, since those travel with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oee_cli.api.client_handshake import home_tag, lock_holder
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from tests.kit.commands import BUY, OEE, QUICK, Cli, end, refusal, stopping
from tests.kit.daemons import Process, until


def copy(home: Path, to: Path) -> None:
    """As people do it: owners, sockets and all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    # Postgres may remove a file meanwhile.
    subprocess.run(["cp", "-a", str(home), str(to)], stderr=subprocess.DEVNULL)


def count(cli: Cli) -> int:
    return len(cli.json("history", "--limit", "100"))


@pytest.mark.parametrize("original", ["running", "killed", "started again"])
def test_a_copied_home_has_a_daemon_of_its_own(own: Cli, homes: Path, original: str) -> None:
    placed = own.placed(detach=False)
    if original != "running":
        os.kill(own.pid, signal.SIGKILL)
        until(lambda: own.run("daemon", "status").returncode != 0, what="its end")
    copied = Cli(homes / "copy", **QUICK)
    copy(own.home, copied.home)
    assert (copied.home / "run" / "daemon.json").exists()
    if original == "started again":
        assert own.run("daemon", "start").returncode == 0
    with stopping(copied):
        assert copied.run("daemon", "status").returncode == 6
        assert copied.run("daemon", "stop").stdout == "the daemon was not running\n"
        assert copied.run("doctor", "--json").returncode == 0
        mine = copied.placed(detach=False)
        assert {o["orderId"] for o in copied.json("history")} == {placed, mine}
        assert copied.json("daemon", "status")["socket"] == str(copied.home / "run" / "oee.sock")
        if original != "killed":
            assert count(own) == 1
            assert copied.run("daemon", "stop").stdout == "✓ stopped\n"
            assert own.run("daemon", "status").returncode == 0


def test_a_linked_home_is_the_same_home(outside: Cli, tmp_path: Path) -> None:
    assert outside.run("daemon", "start").returncode == 0
    (tmp_path / "link").symlink_to(outside.home)
    linked = Cli(tmp_path / "link", **{k: v for k, v in outside.environ.items() if k.startswith("OEE_D")})
    assert linked.json("daemon", "status")["pid"] == outside.pid
    assert linked.run("daemon", "stop").stdout == "✓ stopped\n"


def test_a_long_home_is_reached_and_a_copy_of_it_is_another(outside: Cli, tmp_path: Path) -> None:
    """Its socket is outside of it, and `daemon.json` says where: of the copy, too."""
    long, copied = (Cli(tmp_path / name / ("x" * 110), **outside.environ) for name in "ab")
    long.environ["OEE_HOME"], copied.environ["OEE_HOME"] = str(long.home), str(copied.home)
    with stopping(long, copied):
        assert long.run("daemon", "start").returncode == 0
        copy(long.home, copied.home)
        assert long.json("daemon", "status")["pid"] == long.pid
        assert copied.run("daemon", "status").returncode == 6
        assert copied.run("daemon", "stop").stdout == "the daemon was not running\n"
        assert long.run("daemon", "status").returncode == 0


def test_an_order_for_another_home_is_refused_by_the_daemon(outside: Cli) -> None:
    import httpx

    assert outside.run("daemon", "start").returncode == 0
    transport = httpx.HTTPTransport(uds=str(outside.home / "run" / "oee.sock"))
    order = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1}
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        for meant, status in ((home_tag(outside.home), 202), ("1:2:3", 421), (None, 202)):
            headers = {"OEE-Home": meant} if meant else {}
            answer = client.post("/api/orders/execute", json=order, headers=headers)
            assert (answer.status_code, answer.headers["oee-home"]) == (status, home_tag(outside.home))
        assert answer.headers["oee-protocol"] == str(PROTOCOL)
    assert count(outside) == 2


def test_one_key_is_never_placed_on_two_databases(outside: Cli, servers: Servers, template: str) -> None:
    key = ("--idempotency-key", "daily-2026-11-23", "-q")
    assert outside.run(*BUY, *key).returncode == 0
    plain = Cli(outside.home, **QUICK)
    seen = plain.json("config", "show")
    assert {row["name"]: row["inForce"] for row in seen}["database_url"]
    stated = json.loads(plain.run("doctor", "--json").stdout)["checks"]
    assert "other_database" in {row["code"] for row in stated}
    # A restart that would be refused stops nothing.
    restart = plain.run("daemon", "restart", "--json")
    assert (restart.returncode, refusal(restart)["code"]) == (3, "other_database")
    assert outside.run("daemon", "status").returncode == 0
    assert outside.run("daemon", "stop").returncode == 0
    refused = plain.run(*BUY, *key, "--json")
    error = refusal(refused)
    assert (refused.returncode, error["code"], error["retryable"]) == (3, "other_database", False)
    place = json.loads((outside.home / "database.json").read_text())["database"]
    assert place in error["message"] and "its own database" in error["message"]
    assert "oee daemon restart --switch-database" in error["hint"]
    assert plain.run("daemon", "run").returncode == 3
    stated = json.loads(plain.run("doctor", "--json").stdout)["checks"]
    assert [c["status"] for c in stated if c["code"] == "other_database"] == ["fail"]
    assert not (outside.home / "postgres").exists()
    # As it was it goes on, and knows the key.
    again = outside.run(*BUY, *key)
    assert again.returncode == 0 and count(outside) == 1


def test_a_home_goes_to_another_database_where_that_is_said(own: Cli, database_url: str) -> None:
    assert own.run("daemon", "start").returncode == 0
    away = {"OEE_DATABASE_URL": database_url}
    assert own.run("daemon", "restart", **away).returncode == 3
    assert own.run("daemon", "restart", "--switch-database", **away).returncode == 0
    assert own.json("daemon", "status")["postgres"]["own"] is False
    # From now on it is that one.
    assert own.run("daemon", "restart", **away).returncode == 0
    assert own.run("daemon", "restart").returncode == 3


def test_who_ran_when_it_was_stopped_does_not_start_it_again(outside: Cli) -> None:
    outside.environ["OEE_SIM_CONFIRM_MS"] = "1500"
    assert outside.run("daemon", "start").returncode == 0
    lines = "".join(
        json.dumps({"inputToken": "USDC", "outputToken": "SOL", "amount": n}) + "\n" for n in range(1, 40)
    )
    (outside.home / "many.ndjson").write_text(lines)
    watching = outside.start("watch", "--json")
    batch = outside.start("submit", str(outside.home / "many.ndjson"), "--max-inflight", "3")
    assert watching.stdout is not None and batch.stdout is not None
    until(lambda: "submitted" in str(watching.stdout and watching.stdout.readline()), what="a swap")
    assert outside.run("daemon", "stop").stdout == "✓ stopped\n"
    code, _, said = end(watching, 60)
    assert code == 6 and "The daemon was stopped" in said and "oee daemon start" in said
    code, told, said = end(batch, 60)
    # 9 where the stop came between a request and its answer.
    assert code in (6, 9) and "The daemon was stopped" in said and "goes on there" in said
    placed = [json.loads(line) for line in told.splitlines()]
    assert outside.run("daemon", "status").returncode == 6
    # Who types a command asks for it again, and the batch goes on where it stopped.
    outside.environ["OEE_SIM_CONFIRM_MS"] = "20"
    assert count(outside) < 39 and len(placed) < 39
    rest = outside.run("submit", str(outside.home / "many.ndjson"))
    assert rest.returncode == 0 and count(outside) == 39


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_who_ran_when_it_died_or_was_restarted_goes_on(outside: Cli, how: str) -> None:
    outside.environ["OEE_SIM_CONFIRM_MS"] = "3000"
    assert outside.run("daemon", "start").returncode == 0
    buying = outside.start(*BUY)
    assert buying.stderr is not None
    until(lambda: "submitted" in str(buying.stderr and buying.stderr.readline()), what="the swap")
    if how == "killed":
        os.kill(outside.pid, signal.SIGKILL)
    else:
        assert outside.run("daemon", "restart", OEE_SIM_SEED="7").returncode == 0
        # By the command that was typed, not by the one that waited.
        assert outside.json("daemon", "status")["settings"]["sim_seed"] == "7"
    code, out, said = end(buying, 60)
    assert code == 0 and out.startswith("✓ bought"), said


def test_a_daemon_that_a_signal_told_to_stop_is_not_started_by_who_watches(outside: Cli) -> None:
    assert outside.run("daemon", "start").returncode == 0
    order = outside.placed(detach=False)
    watching = outside.start("watch", "--json")
    assert watching.stdout is not None
    os.set_blocking(watching.stdout.fileno(), False)
    until(lambda: outside.placed() and watching.stdout and watching.stdout.readline(), what="an event")
    os.set_blocking(watching.stdout.fileno(), True)
    os.kill(outside.pid, signal.SIGTERM)
    assert end(watching, 60)[0] == 6
    assert outside.run("daemon", "status").returncode == 6
    assert outside.run("show", order).returncode == 0


def test_who_watches_hears_nothing_of_a_librarys_log(outside: Cli) -> None:
    """A frozen daemon: after 40 s the library gives up with a traceback for its own log."""
    script = "import logging, sys, warnings; sys.argv = ['oee', 'paths']; " + (
        "from oee_cli.doctor import doctor_paths as paths; shown = paths.show_home_paths\n"
        "def show(*a):\n"
        "    import oee_cli.api.client_event_stream\n"
        "    logging.getLogger('websockets.client').error('unexpected', exc_info=ValueError('raw'))\n"
        "    warnings.warn('raw', stacklevel=1)\n"
        "    return shown(*a)\n"
        "paths.show_home_paths = show\n"
        "from oee_cli.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], env=outside.environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets a home that is somebody else's")
def test_root_on_a_users_home_is_told_whose_it_is(outside: Cli) -> None:
    assert outside.run("daemon", "start").returncode == 0
    for uid, name, typed in ((2, "bin", "bin"), (54321, "account 54321", "'#54321'")):
        os.chown(outside.home / "run", uid, 0)
        done = outside.run("history")
        os.chown(outside.home / "run", 0, 0)
        assert done.returncode == 4
        assert (
            f"belongs to {name}:" in " ".join(done.stderr.split()) and f"sudo -u {typed} oee" in done.stderr
        )
        assert "can be entered by others" not in done.stderr
        os.chown(outside.home, uid, 0)
        checks = json.loads(outside.run("doctor", "--json").stdout)["checks"]
        os.chown(outside.home, 0, 0)
        (found,) = (check for check in checks if check["code"] == "home_foreign")
        assert f"belongs to {name}," in found["message"] and found["remedy"] == f"sudo -u {typed} oee doctor"


def unshared() -> bool:
    tried = subprocess.run(["unshare", "-pf", "--mount-proc", "true"], capture_output=True)
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(
    shutil.which("unshare") is None or not unshared(), reason="takes a right to make namespaces"
)


def inside(cli: Cli, *command: str) -> Process:
    """`oee` in a container's place: with process ids of its own."""
    return Process(
        ["unshare", "-pf", "--kill-child", "--mount-proc", *OEE, *command],
        env=cli.environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@needs_namespaces
def test_a_daemon_of_another_container_is_not_mistaken_for_a_process_here(outside: Cli) -> None:
    # There it is number 1; here it is seen, under its own number.
    container = inside(outside, "daemon", "run")
    try:
        until((outside.home / "run" / "daemon.json").exists, within=60, what="the start")
        assert outside.pid == 1
        status = outside.json("daemon", "status")
        assert status["pid"] == lock_holder([outside.home]) != 1
        # What it says of its worker is a number of that container.
        assert status["worker"]["pid"] is None
        # From a third place, which sees neither.
        told, said = inside(outside, "daemon", "stop").communicate(timeout=60)
        assert "runs in another container" in said and told == ""
        assert container.poll() is None
        assert outside.run(*BUY).returncode == 0
        assert "in another container" in inside(outside, "daemon", "status").communicate(timeout=60)[0]
        assert outside.run("daemon", "stop").stdout == "✓ stopped\n"
    finally:
        container.kill()
        container.communicate()


@needs_namespaces
def test_the_lock_tells_the_daemon_where_its_socket_is_gone(outside: Cli) -> None:
    sleeping = subprocess.Popen(["sleep", "60"])
    assert outside.run("daemon", "start").returncode == 0
    daemon = outside.pid
    # A number in a file is nobody's.
    for file in ("daemon.lock", "daemon.json"):
        path = outside.home / "run" / file
        content: Any = f"{sleeping.pid}\n" if file == "daemon.lock" else json.dumps({"pid": sleeping.pid})
        with path.open("r+") as opened:
            opened.truncate()
            opened.write(content)
    assert lock_holder([outside.home]) == daemon
    os.kill(daemon, signal.SIGSTOP)
    stopping_it = outside.start("daemon", "stop")
    until(lambda: "SigPnd" in _pending(daemon), what="the signal")
    os.kill(daemon, signal.SIGCONT)
    # 6: it was still frozen when the command looked.
    assert end(stopping_it, 60)[0] in (0, 6)
    until(lambda: lock_holder([outside.home]) != daemon, what="its end")
    assert sleeping.poll() is None
    sleeping.kill()
    sleeping.wait()


def _pending(pid: int) -> str:
    """`SigPnd` where SIGTERM waits for a frozen process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = {
        line.split(":")[0]: int(line.split()[1], 16)
        for line in lines
        if line.startswith(("SigPnd", "ShdPnd"))
    }
    return "SigPnd" if any(mask >> signal.SIGTERM - 1 & 1 for mask in masks.values()) else ""
