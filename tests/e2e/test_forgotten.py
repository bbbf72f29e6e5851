"""A home whose Postgres is an older one than it was, on real servers: nothing is executed twice, and nothing
that was executed is called unsent. The chain's ledger is outside, as a real chain is."""

from __future__ import annotations

import sqlite3
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kit.api_daemon import QUICK, SELL
from tests.kit.daemons import Daemon, until

COUNT = 6


def landed(ledger: Path) -> Counter[str]:
    with sqlite3.connect(ledger) as db:
        return Counter(
            str(row[0]) for row in db.execute("SELECT order_id FROM sim_ledger WHERE state = 'landed'")
        )


def statuses(daemon: Daemon, ids: list[str]) -> list[str]:
    with daemon.client() as http:
        return [http.get(f"/api/orders/{order_id}").json()["status"] for order_id in ids]


def all_confirmed(daemon: Daemon, ids: list[str]) -> None:
    until(lambda: set(statuses(daemon, ids)) == {"confirmed"}, within=60, what="the end of every order")


def copied(source: Path, target: Path) -> None:
    subprocess.run(["rm", "-rf", str(target)], check=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def promoted(data: Path) -> None:
    """The next start ends a recovery, as a standby does that takes over: on a timeline of its own."""
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as conf:
        # Nobody is let in before it leads.
        conf.write("restore_command = 'false'\nhot_standby = off\n")


@pytest.mark.parametrize("what", ["its folder", "the home", "a standby"])
def test_what_was_executed_in_the_time_that_is_lost_is_found(homes: Path, what: str) -> None:
    home, snapshot, ledger = homes / "a", homes / "s", homes / "ledger.db"
    slow = QUICK | {"OEE_SIM_LEDGER_FILE": str(ledger), "OEE_SIM_LATENCY_MS": "20000"}
    daemon = Daemon(home, **slow).start()
    with daemon.client() as http:
        answers = [http.post("/api/orders/execute", json=SELL) for _ in range(COUNT)]
    ids = [answer.json()["orderId"] for answer in answers]
    daemon.kill()
    part = "" if what == "the home" else "postgres"
    until(lambda: not any(_working(home)), what="the end of the servers")
    copied(home / part, snapshot)

    daemon = Daemon(home, **(slow | {"OEE_SIM_LATENCY_MS": "0"})).start()
    all_confirmed(daemon, ids)
    assert daemon.stop() == 0
    copied(snapshot, home / part)
    if what == "a standby":
        promoted(home / "postgres")

    daemon = Daemon(home, **(slow | {"OEE_SIM_LATENCY_MS": "0"})).start()
    all_confirmed(daemon, ids)
    assert daemon.stop() == 0
    assert sorted(landed(ledger).values()) == [1] * COUNT
    reason = {
        "its folder": "its log had come to",
        "the home": "the chain knows a landing that it does not",
        "a standby": "its timeline was 00000001 and is 00000002",
    }[what]
    assert reason in daemon.log.read_text()


def _working(home: Path) -> list[str]:
    """Processes that still work in that home."""
    found = []
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(home).encode() in words.read_bytes():
                found.append(words.parent.name)
    return found
