"""A home that is moved, removed, emptied or cleaned under its daemon: the daemon ends, or makes good what is
gone; what stands at the path by then is never touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from oee_cli.drill.drill_verdict import judge, landings
from tests.kit.daemons import Daemon, until
from tests.kit.killing import DECIMALS

BODY = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
QUICK = {"OEE_SIM_LATENCY_MS": "10", "OEE_SIM_CONFIRM_MS": "10", "OEE_SIM_FAILURE_RATE": "0"}


@pytest.fixture
def make(homes: Path) -> Iterator[Callable[[], Daemon]]:
    """Makes daemons of one and the same home."""
    made: list[Daemon] = []

    def one() -> Daemon:
        made.append(Daemon(homes / "h", OEE_SIM_LEDGER_FILE=str(homes / f"{len(made)}.sqlite"), **QUICK))
        return made[-1]

    yield one
    for daemon in made:
        if daemon.process is not None:
            with suppress(ProcessLookupError):
                daemon.process.send_signal(signal.SIGCONT)
            daemon.stop()


def place(daemon: Daemon, key: str) -> str:
    def answered() -> str | None:
        with suppress(httpx.HTTPError, OSError, ValueError), daemon.client() as client:
            answer = client.post("/api/orders/execute", json=BODY, headers={"Idempotency-Key": key})
            if answer.status_code in (200, 202):
                return str(answer.json()["orderId"])
        return None

    return until(answered, within=30, what="an answer")


def kept(daemon: Daemon, accepted: list[str]) -> bool:
    """Whether each order that was answered for ended, and landed once."""

    def ended() -> list[dict[str, object]] | None:
        with suppress(httpx.HTTPError, OSError, KeyError, ValueError), daemon.client() as client:
            found = [client.get(f"/api/orders/{order}").json() for order in accepted]
            return found if all(order["finishedAt"] for order in found) else None
        return None

    orders = until(ended, within=60, what="the end of every order")
    return judge(accepted, orders, landings(Path(daemon.environ["OEE_SIM_LEDGER_FILE"])), DECIMALS).kept


def children(daemon: Daemon) -> dict[str, int]:
    with daemon.client() as client:
        status = client.get("/api/status").json()
    parts = {"worker": "worker", "postgres": "postgres", "queue": "queue"}
    return {name: status[part]["pid"] for name, part in parts.items()}


def alive(pid: int) -> bool:
    with suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def removed(home: Path) -> None:
    """Again as long as it is this folder: Postgres writes a file into one of it while it is emptied."""
    folder = home.stat().st_ino
    with suppress(FileNotFoundError):
        while home.stat().st_ino == folder:
            shutil.rmtree(home, ignore_errors=True)


def moved(home: Path) -> None:
    home.rename(home.with_name("aside"))


def emptied(home: Path) -> None:
    for part in home.iterdir():
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink()


def replaced(home: Path) -> None:
    moved(home)
    home.mkdir()
    (home / "run").mkdir(mode=0o700)
    (home / "run" / "daemon.json").write_text("somebody else's")
    (home / "run" / "oee.sock").write_text("somebody else's")
    (home / "run" / "phase").write_text("somebody else's")


def without_its_database(home: Path) -> None:
    (home / "postgres").rename(home / "postgres.aside")


@pytest.mark.parametrize("what", [removed, moved, emptied, replaced, without_its_database])
def test_a_daemon_whose_home_is_lost_ends_at_once_and_touches_nothing_there(
    make: Callable[[], Daemon], what: Callable[[Path], None]
) -> None:
    daemon = make().start()
    place(daemon, "the first order")
    started = children(daemon)
    assert daemon.process is not None
    what(daemon.home)
    assert daemon.process.wait(10) == 1
    assert "was moved, removed or replaced" in daemon.log.read_text().splitlines()[-1]
    until(lambda: not any(alive(pid) for pid in started.values()), what="the end of its processes")
    if what is replaced:
        run = daemon.home / "run"
        assert sorted(os.listdir(daemon.home)) == ["run"]
        assert {p.name: p.read_text() for p in run.iterdir()} == dict.fromkeys(
            ("daemon.json", "oee.sock", "phase"), "somebody else's"
        )
    elif what is without_its_database:
        assert not (daemon.home / "postgres").exists()
    elif what is not emptied:
        assert not daemon.home.exists()


def test_a_daemon_that_wakes_up_in_another_ones_home_ends_and_that_one_goes_on(
    make: Callable[[], Daemon],
) -> None:
    """Frozen, so that all it does comes after the next daemon has begun; its Postgres died meanwhile."""
    old = make().start()
    place(old, "in the home that is moved")
    started = children(old)
    assert old.process is not None
    old.process.send_signal(signal.SIGSTOP)
    os.kill(started["postgres"], signal.SIGKILL)
    moved(old.home)
    new = make().start()
    accepted = [place(new, f"in the new home {n}") for n in range(5)]
    servers = children(new)
    assert not servers.keys() - {"worker", "postgres", "queue"}
    # Another home's servers are none of the new one's business.
    assert alive(started["queue"])
    old.process.send_signal(signal.SIGCONT)
    accepted += [place(new, f"in the new home {n}") for n in range(5, 10)]
    assert old.process.wait(10) == 1
    assert not alive(started["queue"])
    accepted += [place(new, f"in the new home {n}") for n in range(10, 15)]
    assert kept(new, accepted)
    assert children(new) == servers
    assert new.stop() == 0
    # What was moved is whole, and goes on where it is.
    ledger = old.environ["OEE_SIM_LEDGER_FILE"]
    moved_back = Daemon(old.home.with_name("aside"), OEE_SIM_LEDGER_FILE=ledger, **QUICK).start()
    with moved_back.client() as client:
        assert len(client.get("/api/orders").json()["orders"]) == 1
    assert moved_back.stop() == 0


@pytest.mark.parametrize("gone", [("run",), ("run/*",), ("run/*.lock", "run/oee.sock"), ("run/daemon.json",)])
def test_what_is_taken_out_of_run_makes_no_second_daemon_and_is_made_anew(
    make: Callable[[], Daemon], gone: tuple[str, ...]
) -> None:
    daemon = make().start()
    first = place(daemon, "the first order")
    before = children(daemon)
    for pattern in gone:
        for path in daemon.home.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    second = subprocess.run(
        [sys.executable, "-m", "oee_daemon", "run"],
        env=daemon.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode == 75, second.stderr
    run = daemon.home / "run"

    def found() -> bool:
        with suppress(OSError, ValueError, httpx.HTTPError), daemon.client() as client:
            return bool(client.get("/healthz").status_code == 200)
        return False

    until(found, what="the way to the daemon")
    assert daemon.process is not None
    assert json.loads((run / "daemon.json").read_text())["pid"] == daemon.process.pid
    until(lambda: (run / "daemon.lock").read_text() == f"{daemon.process and daemon.process.pid}\n")
    assert kept(daemon, [first, place(daemon, "the second order")])
    assert children(daemon) == before
    assert daemon.stop() == 0


def test_a_worker_of_a_home_that_is_no_longer_that_one_ends(make: Callable[[], Daemon]) -> None:
    """By itself: its daemon is frozen and can't tell it."""
    daemon = make().start()
    worker = children(daemon)["worker"]
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    moved(daemon.home)
    until(lambda: not alive(worker), what="the worker's end")


def test_a_restore_whose_home_is_replaced_leaves_the_new_one_alone(
    make: Callable[[], Daemon], homes: Path
) -> None:
    daemon = make().start()
    place(daemon, "the first order")
    command = [sys.executable, "-m", "oee_daemon"]
    file = homes / "b.oee"
    subprocess.run([*command, "backup", str(file)], env=daemon.environ, check=True, stdout=subprocess.DEVNULL)
    home = homes / "r"
    with subprocess.Popen(
        [*command, "restore", str(file)],
        env=daemon.environ | {"OEE_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as restoring:
        assert restoring.stdout is not None
        until(lambda: "postgres" in str(restoring.stdout and restoring.stdout.readline()), what="its start")
        # Until then it makes folders below that path, which are its own.
        until((home / "restoring" / "postgres" / "postmaster.pid").exists, what="its server")
        home.rename(homes / "aside")
        (home / "restoring").mkdir(parents=True)
        (home / "restoring" / "kept").write_text("somebody else's")
        told = json.loads(restoring.stdout.read().splitlines()[-1])
    assert restoring.returncode == 1
    assert told["error"]["code"] == "home_lost"
    assert [str(p.relative_to(home)) for p in sorted(home.rglob("*"))] == ["restoring", "restoring/kept"]
