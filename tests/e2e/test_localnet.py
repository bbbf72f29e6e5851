"""Orders on localnet by a home that has nothing yet, judged by localnet's own ledger."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.kit.api_daemon import QUICK
from tests.kit.commands import Cli
from tests.kit.daemons import until
from tests.kit.homes import furnished


@pytest.fixture(scope="module")
def cli(file_homes: Path) -> Iterator[Cli]:
    made = Cli(furnished(file_homes / "h"), OEE_NETWORK="localnet", OEE_MAX_ATTEMPTS="20")
    yield made
    made.run("daemon", "stop")


def _landed(home: Path) -> dict[str, str]:
    """By signature the memo of each good landing of ours."""
    with closing(sqlite3.connect(home / "localnet" / "chain.db", timeout=10)) as db:
        ours = "SELECT signature, memo FROM landings WHERE memo LIKE 'oee1 %' AND err IS NULL"
        return dict(db.execute(ours).fetchall())


def _localnet(home: Path) -> int | None:
    """The process that holds the lock of the chain's file."""
    file = (home / "localnet" / "chain.db.lock").stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        _, kind, _, _, pid, where, *_ = line.split()
        if kind == "FLOCK" and where.endswith(f":{file}"):
            return int(pid)
    return None


def test_the_first_order_of_a_bare_home_lands(cli: Cli) -> None:
    order = cli.json("buy", "SOL", "USDC", "1.5")
    assert (order["status"], order["network"], order["filledOut"]) == ("confirmed", "localnet", "1.5")
    assert list(_landed(cli.home)) == [order["signature"]]
    # All of its bookkeeping is there, and the chain's own list of fills says the same.
    assert [row["orderId"] for row in cli.json("fills")] == [order["orderId"]]
    assert {row["venue"] for row in cli.json("quote", "SOL", "USDC", "1.5")["quotes"]} == {
        "raydium", "meteora", "orca", "jupiter", "cpmm",
    }  # fmt: skip


def test_the_doctor_looks_at_the_endpoint(cli: Cli) -> None:
    cli.json("quote", "SOL", "USDC", "1.5")
    (told,) = [one for one in cli.json("doctor")["checks"] if one["check"] == "endpoint"]
    assert told["status"] == "ok" and "full history, batches" in told["message"]


def test_orders_go_on_where_localnet_was_killed(cli: Cli) -> None:
    before = set(_landed(cli.home))
    pid = _localnet(cli.home)
    assert pid is not None
    ids = [cli.json("sell", "SOL", "USDC", "0.1", "--detach")["orderId"] for _ in range(3)]
    os.kill(pid, signal.SIGKILL)
    orders = [until(partial(_ended, cli, one), within=60) for one in ids]
    assert {order["status"] for order in orders} == {"confirmed"}
    assert set(_landed(cli.home)) - before == {order["signature"] for order in orders}
    assert _localnet(cli.home) not in (None, pid)


def _ended(cli: Cli, order_id: str) -> dict[str, str] | None:
    order: dict[str, str] = cli.json("show", order_id)
    return order if order["status"] in ("confirmed", "failed", "expired") else None


def test_each_network_of_a_home_has_its_own_history(cli: Cli) -> None:
    here = [row["orderId"] for row in cli.json("history")]
    simulated = {"OEE_NETWORK": "simulated", **QUICK}
    assert cli.run("daemon", "restart", **simulated).returncode == 0
    assert _localnet(cli.home) is None and cli.json("history", **simulated) == []
    there = cli.json("sell", "SOL", "USDC", "1", **simulated)
    assert (there["status"], there["network"]) == ("confirmed", "simulated")
    assert cli.run("daemon", "restart").returncode == 0
    assert [row["orderId"] for row in cli.json("history")] == here
    # Rings for orders that are not here are nobody's.
    assert cli.json("sell", "SOL", "USDC", "0.1")["status"] == "confirmed"


def test_a_backup_is_of_one_network_and_restored_into_its_database(cli: Cli) -> None:
    made = cli.home.parent / "orders.oee"
    told = cli.json("backup", str(made), "--with-wallets")
    assert (told["network"], told["orders"]) == ("localnet", len(cli.json("history")))
    other = Cli(cli.home.parent / "r", OEE_NETWORK="localnet", OEE_MAX_ATTEMPTS="20")
    assert other.json("restore", str(made))["network"] == "localnet"
    assert cli.run("daemon", "stop").returncode == 0
    # The same chain, whose file the original has left alone.
    shutil.copytree(cli.home / "localnet", other.home / "localnet")
    try:
        orders = [[row["orderId"] for row in one.json("history")] for one in (other, cli)]
        assert orders[0] == orders[1] and orders[0]
    finally:
        other.run("daemon", "stop")


def test_what_landed_after_a_backup_is_found_on_the_chain_and_not_bought_again(cli: Cli) -> None:
    """By the memo in its swap: of one order the backup has the signed swap, of the other nothing."""
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
        db.execute("INSERT INTO faults (target, kind, ms, remaining) VALUES ('fate', 'delayed', 5000, 1)")
    before = set(_landed(cli.home))
    sent = cli.json("sell", "SOL", "USDC", "0.1", "--detach")["orderId"]
    until(lambda: cli.json("show", sent)["status"] == "submitted")
    worker = cli.json("daemon", "status")["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        unsent = cli.json("sell", "SOL", "USDC", "0.2", "--detach")["orderId"]
        made = cli.home.parent / "early.oee"
        assert cli.json("backup", str(made), "--with-wallets")["live"] == 2
    finally:
        os.kill(worker, signal.SIGCONT)
    signatures = {one: until(partial(_confirmed, cli, one), within=60) for one in (sent, unsent)}
    assert set(_landed(cli.home)) - before == set(signatures.values())
    assert cli.run("daemon", "stop").returncode == 0

    restored = Cli(cli.home.parent / "e", OEE_NETWORK="localnet", OEE_MAX_ATTEMPTS="20")
    restored.json("restore", str(made))
    shutil.copytree(cli.home / "localnet", restored.home / "localnet")
    try:
        for one, signature in signatures.items():
            assert until(partial(_confirmed, restored, one), within=60) == signature
        assert set(_landed(restored.home)) - before == set(signatures.values())
    finally:
        restored.run("daemon", "stop")


def _confirmed(cli: Cli, order_id: str) -> str | None:
    order = cli.json("show", order_id)
    assert order["status"] in ("pending", "routing", "building", "submitted", "confirmed"), order
    return order["signature"] if order["status"] == "confirmed" else None


def test_an_exact_output_that_is_not_signed_is_made_by_the_next_best_venue(cli: Cli) -> None:
    """Raydium's router may let less arrive: where its price is the best all the same, the order goes on; and
    where the worker dies over the other's swap, just the quote that was stored is built."""
    environ = {"OEE_VENUES": "raydium,orca", "OEE_FAILPOINTS": "signed=kill*1"}
    assert cli.run("daemon", "restart", **environ).returncode == 0
    asked = [("buy", "USDC", "SOL", "7"), ("buy", "SOL", "USDC", "1.5")]
    best = next(one for one in asked if cli.json("quote", *one[1:])["quotes"][0]["venue"] == "raydium")
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
        db.execute("INSERT INTO faults (target, kind) VALUES ('raydium', 'routed')")
    try:
        order = cli.json(*best)
    finally:
        with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
            db.execute("DELETE FROM faults")
    # A price that moves may cost it a further attempt.
    assert (order["status"], order["venue"], order["attempt"] > 1) == ("confirmed", "orca", True)
    assert (order["filledOut"], cli.json("show", order["orderId"])["barred"]) == (best[3], ["raydium"])
    assert (cli.home / "failpoints" / "signed.0").exists()
    memos = {signature: memo.split()[1] for signature, memo in _landed(cli.home).items()}
    assert [one for one in memos if memos[one] == memos[order["signature"]]] == [order["signature"]]


def test_it_ends_with_its_daemon(cli: Cli) -> None:
    assert cli.json("history")
    pid = _localnet(cli.home)
    assert pid is not None
    os.kill(cli.pid, signal.SIGKILL)
    until(lambda: _localnet(cli.home) is None)
    # The chain is the same one, with all that landed: the next order goes on from there.
    known = set(_landed(cli.home))
    order = cli.json("sell", "SOL", "USDC", "0.1")
    assert set(_landed(cli.home)) == known | {order["signature"]}
