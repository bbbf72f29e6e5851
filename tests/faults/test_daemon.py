"""The daemon with its own servers under the worst that can happen to them: as a process, from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from oee_cli.drill.drill_verdict import Verdict, judge, landings
from tests.kit import forks
from tests.kit.commands import Cli
from tests.kit.daemons import Daemon, until
from tests.kit.killing import DECIMALS

BODY = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
QUICK = {"OEE_SIM_LATENCY_MS": "10", "OEE_SIM_CONFIRM_MS": "10"}


@pytest.fixture
def daemon(homes: Path) -> Iterator[Daemon]:
    """A daemon of the test's own, not started yet."""
    made = Daemon(homes / "h", OEE_SIM_LEDGER_FILE=str(homes / "ledger.sqlite"), **QUICK)
    yield made
    if made.process is not None:
        made.stop()


@pytest.fixture(scope="module")
def veteran(file_homes: Path) -> Iterator[Daemon]:
    """One daemon that goes through one disaster after the other, as a real one would."""
    made = Daemon(file_homes / "h", OEE_SIM_LEDGER_FILE=str(file_homes / "ledger.sqlite"), **QUICK).start()
    yield made
    made.stop()


def place(daemon: Daemon, key: str, *, within: float = 30) -> str:
    """One order, repeated with its key until it was answered for."""

    def answered() -> str | None:
        with suppress(httpx.HTTPError, OSError, ValueError), daemon.client() as client:
            answer = client.post("/api/orders/execute", json=BODY, headers={"Idempotency-Key": key})
            if answer.status_code in (200, 202):
                return str(answer.json()["orderId"])
        return None

    return until(answered, within=within, what="an answer")


def every_order(daemon: Daemon) -> list[dict[str, Any]]:
    with daemon.client() as client:
        rows = client.get("/api/orders", params={"limit": 1000}).json()["orders"]
        assert len(rows) < 1000
        return [client.get(f"/api/orders/{r['orderId']}").json() for r in rows]


def verdict(daemon: Daemon, accepted: list[str], within: float = 60) -> Verdict:
    def all_ended() -> bool:
        with suppress(httpx.HTTPError, OSError, KeyError, ValueError), daemon.client() as client:
            rows = client.get("/api/orders", params={"limit": 1000}).json()["orders"]
            return len(rows) >= len(set(accepted)) and all(r["finishedAt"] for r in rows)
        return False

    until(all_ended, within=within, what="the end of every order")
    ledger = Path(daemon.environ["OEE_SIM_LEDGER_FILE"])
    return judge(accepted, every_order(daemon), landings(ledger), DECIMALS)


def pids(daemon: Daemon) -> dict[str, int]:
    with daemon.client() as client:
        status = client.get("/api/status").json()
    return {
        "worker": status["worker"]["pid"],
        "postgres": status["postgres"]["pid"],
        "valkey": status["queue"]["pid"],
    }


@pytest.mark.parametrize("name", ["accepted", "rung"])
def test_a_daemon_that_dies_beside_its_answer_has_one_order(daemon: Daemon, name: str) -> None:
    daemon.environ["OEE_FAILPOINTS"] = f"{name}=kill*1"
    daemon.start()
    answered = None
    with suppress(httpx.HTTPError), daemon.client() as client:
        headers = {"Idempotency-Key": "the same key"}
        answered = client.post("/api/orders/execute", json=BODY, headers=headers).json()["orderId"]
    # The bell rings beside the answer.
    assert name == "rung" or answered is None
    assert daemon.process is not None
    assert daemon.process.wait(10) == -signal.SIGKILL
    daemon.start()
    order_id = place(daemon, "the same key")
    assert answered in (None, order_id)
    found = verdict(daemon, [order_id])
    assert found.kept, found
    assert len(every_order(daemon)) == 1


def test_a_daemon_that_dies_while_it_halts_leaves_nothing_that_goes_on(daemon: Daemon) -> None:
    """Once the halt is stored, and before anybody was asked to be quiet: whoever halts sees to it himself."""
    daemon.environ |= {"OEE_FAILPOINTS": "halt_set=kill*1", "OEE_MAX_ACTIVE": "1"}
    daemon.environ |= {"OEE_SIM_CONFIRM_MS": "300", "OEE_SIM_LATENCY_MS": "300"}
    daemon.start()
    accepted = [place(daemon, f"before the halt {n}") for n in range(12)]
    ledger = Path(daemon.environ["OEE_SIM_LEDGER_FILE"])
    cli = Cli(daemon.home, **daemon.environ)
    assert cli.run("halt", "--reason", "a test").returncode == 0
    assert daemon.process is not None and daemon.process.wait(10) == -signal.SIGKILL
    sent = len(landings(ledger))
    # The rest needs no time.
    daemon.environ |= QUICK
    daemon.start()
    with daemon.client() as client:
        assert client.get("/api/halt").json()["halt"]["reason"] == "a test"
        until(lambda: client.get("/api/status").json()["worker"]["pid"], what="a worker")
        answer = client.post("/api/orders/execute", json=BODY)
        assert answer.json()["code"] == "halted"
        assert len(landings(ledger)) == sent < len(accepted)
        assert client.post("/api/resume").status_code == 200
    found = verdict(daemon, accepted)
    assert found.kept, found


@pytest.mark.parametrize("victim", ["worker", "postgres", "valkey", "daemon"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_whatever_is_killed_or_frozen_under_load_nothing_is_lost_or_doubled(
    veteran: Daemon, victim: str, how: signal.Signals
) -> None:
    name = f"{victim}-{how.name}"
    accepted = [place(veteran, f"{name}-before-{n}") for n in range(10)]
    assert veteran.process is not None
    pid = veteran.process.pid if victim == "daemon" else pids(veteran)[victim]
    os.kill(pid, how)
    if how == signal.SIGSTOP:
        timer = threading.Timer(1.0, os.kill, (pid, signal.SIGCONT))
        timer.start()
    elif victim == "daemon":
        veteran.process.wait()
        veteran.start()
    accepted += [place(veteran, f"{name}-after-{n}") for n in range(10)]
    found = verdict(veteran, accepted)
    assert found.kept, found
    assert len(set(accepted)) == 20


#: Kills of Postgres in the suite; `OEE_TEST_KILLS=20` for the long proof.
KILLS = int(os.environ.get("OEE_TEST_KILLS", "4"))


def test_acknowledged_orders_survive_kills_of_postgres(veteran: Daemon) -> None:
    accepted: list[str] = []
    over = threading.Event()

    def load(client_number: int) -> None:
        number = 0
        while not over.is_set():
            accepted.append(place(veteran, f"load-{client_number}-{number:05}", within=60))
            number += 1

    clients = [threading.Thread(target=load, args=(n,)) for n in range(2)]
    for client in clients:
        client.start()
    killed: set[int] = set()
    for kill in range(KILLS):
        seen = len(accepted)

        def another_life(seen: int = seen) -> int | None:
            with suppress(httpx.HTTPError, OSError, KeyError, ValueError):
                pid = pids(veteran)["postgres"]
                if pid and pid not in killed and len(accepted) > seen:
                    return pid
            return None

        pid = until(another_life, within=60, what=f"life after kill {kill}")
        killed.add(pid)
        os.kill(pid, signal.SIGKILL)
    over.set()
    for client in clients:
        client.join()
    found = verdict(veteran, accepted, within=90)
    assert found.kept, found
    assert len(killed) == KILLS
    assert len(accepted) == len(set(accepted)) > KILLS


#: Starts at once in the suite; `OEE_TEST_STARTS=50` for the long proof.
STARTS = int(os.environ.get("OEE_TEST_STARTS", "20"))


def test_many_starts_at_once_make_one_daemon(homes: Path) -> None:
    daemon = Daemon(homes / "h")
    said = [homes / f"said-{n}" for n in range(STARTS)]
    starts = []
    with open(os.devnull, "r+b") as nothing:
        for path in said:
            with path.open("wb") as error:
                streams = [nothing.fileno(), nothing.fileno(), error.fileno()]
                starts.append(forks.engine(["run"], streams, daemon.environ))
    try:
        until(lambda: sum(s.poll() is not None for s in starts) == STARTS - 1, within=90, what="the refusals")
        until((daemon.home / "run" / "daemon.json").exists, within=30, what="the start")
        (winner,) = [s for s in starts if s.poll() is None]
        assert daemon.facts["pid"] == winner.pid
        for start, path in zip(starts, said, strict=True):
            if start is not winner:
                assert start.returncode == 75
                assert f"as process {winner.pid}" in path.read_text()
        winner.terminate()
        assert winner.wait(30) == 0
    finally:
        for start in starts:
            start.kill()
            start.wait()


def test_what_a_killed_daemon_leaves_does_not_keep_the_next_one_out(daemon: Daemon) -> None:
    daemon.start()
    first = place(daemon, "first order")
    own = pids(daemon)
    daemon.kill()
    run = daemon.home / "run"
    assert (run / "oee.sock").is_socket()
    assert json.loads((run / "daemon.json").read_text())["pid"]
    # Besides what is left anyway: a lock file with somebody else's number, an empty identity.
    (run / "daemon.lock").write_text("1\n")
    until(lambda: not any(_alive(pid) for pid in own.values()), what="the end of the orphans")
    daemon.start()
    found = verdict(daemon, [first, place(daemon, "second order")])
    assert found.kept, found


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    with suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_port_that_is_taken_is_told_and_taken_over_later(daemon: Daemon) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        daemon.environ["OEE_PORT"] = str(port)
        daemon.start()
        with daemon.client() as client:
            http = client.get("/api/status").json()["http"]
            assert http["listening"] is False and str(port) in http["problem"]
    until(lambda: daemon.facts["http"], what="the port")
    with daemon.tcp() as client:
        assert client.get("/api/tokens").status_code == 200


def test_a_full_disk_loses_no_acknowledged_order(homes: Path) -> None:
    disk = homes / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=140m,mode=0711", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can only be made by root where mounts are allowed")
    daemon = Daemon(disk / "h", OEE_SIM_LEDGER_FILE=str(homes / "ledger.sqlite"), **QUICK)
    try:
        daemon.start()
        accepted = [place(daemon, f"before-{n:04}") for n in range(5)]
        _fill(disk / "rubbish")
        answers = _press_on(daemon)
        (disk / "rubbish").unlink()
        accepted += [place(daemon, f"after-{n:04}", within=60) for n in range(5)]
        found = verdict(daemon, accepted + answers)
        assert found.kept, found
    finally:
        if daemon.process is not None:
            daemon.stop()
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)


def _press_on(daemon: Daemon) -> list[str]:
    """Orders while there is no room, for as long as it takes until one is refused; those answered for."""
    accepted: list[str] = []
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with daemon.client() as client, suppress(httpx.HTTPError):
            answer = client.post("/api/orders/execute", json=BODY)
            if answer.status_code != 202:
                assert answer.status_code == 503, answer.text
                return accepted
            accepted.append(answer.json()["orderId"])
    return accepted
