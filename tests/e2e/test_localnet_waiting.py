"""Orders that wait, on localnet, by prices of its pools and its API; judged by localnet's own ledger."""

from __future__ import annotations

import base64
import os
import shlex
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.kit.commands import Cli
from tests.kit.daemons import until
from tests.kit.homes import furnished


@pytest.fixture(scope="module")
def cli(file_homes: Path) -> Iterator[Cli]:
    made = Cli(furnished(file_homes / "h"), OEE_NETWORK="localnet", OEE_MAX_ATTEMPTS="20")
    assert made.run("daemon", "start").returncode == 0
    # Enough to move the market with.
    rich = {"method": "requestAirdrop", "params": [made.json("wallet", "show")["address"], 50_000 * 10**9]}
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(made.home / "run" / "net.sock"))) as chain:
        chain.post("http://localnet/", json={"jsonrpc": "2.0", "id": 1, **rich}).raise_for_status()
    yield made
    made.run("daemon", "stop")


def _placed(cli: Cli, typed: str) -> str:
    done = cli.run(*shlex.split(typed))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _landings(cli: Cli, order_id: str) -> int:
    """Good ones of that order, by the memo that each swap carries."""
    name = base64.urlsafe_b64encode(UUID(order_id).bytes).rstrip(b"=").decode()
    counted = "SELECT count(*) FROM landings WHERE err IS NULL AND memo LIKE ?"
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db:
        return int(db.execute(counted, [f"oee1 {name} %"]).fetchone()[0])


def _order(cli: Cli, table: str, **row: Any) -> None:
    marks = ", ".join("?" * len(row))
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
        db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608


def _heal(cli: Cli) -> None:
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
        db.execute("DELETE FROM nodes")
        db.execute("DELETE FROM faults")


def _ended(cli: Cli, order_id: str) -> dict[str, Any] | None:
    order: dict[str, Any] = cli.json("show", order_id)
    return order if order["status"] in ("confirmed", "failed", "expired") else None


def _moved(cli: Cli, order_id: str) -> dict[str, Any]:
    """The order's end. Somebody sells until its price is there."""
    for _ in range(12):
        if cli.json("show", order_id)["firings"]:
            break
        cli.json("sell", "SOL", "USDC", "200", "--slippage", "10%")
        until(partial(_fresh, cli, order_id), within=20)
    return until(partial(_ended, cli, order_id), within=30)


def _fresh(cli: Cli, order_id: str) -> bool:
    """It has fired, or a price was looked at for it."""
    order = cli.json("show", order_id)
    return order["status"] != "waiting" or (order["market"] is not None and not order["market"]["stale"])


def _trigger(order: dict[str, Any]) -> dict[str, Any]:
    """Of its first firing: where the market then leaves it, it waits again."""
    return next(dict(e["data"]["trigger"]) for e in order["events"] if "trigger" in (e["data"] or {}))


def test_a_limit_fires_once_at_its_price_whatever_dies(cli: Cli) -> None:
    waits = _placed(cli, "limit buy SOL USDC --spend 50 --at -0.5%")
    far = _placed(cli, "limit sell SOL USDC 1 --at +20%")
    until(partial(_fresh, cli, waits), within=20)
    os.kill(cli.json("daemon", "status")["worker"]["pid"], signal.SIGKILL)
    order = _moved(cli, waits)
    assert (order["status"], _landings(cli, waits)) == ("confirmed", 1)
    assert Decimal(order["price"]) <= Decimal(order["targetPrice"])
    said = _trigger(order)
    assert (said["basis"], said["source"]) == ("executable", "rpc+jupiter") and said["slot"] > 0
    assert cli.json("show", far)["status"] == "waiting" and _landings(cli, far) == 0


def test_stops_fire_by_a_firm_price_and_keep_their_floor(cli: Cli) -> None:
    plain = _placed(cli, "stop sell SOL USDC 1 --at -1% --limit -10% --confirm 0s")
    trails = _placed(cli, "stop sell SOL USDC 1 --trail 1%")
    for order in (_moved(cli, plain), _moved(cli, trails)):
        assert (order["status"], _landings(cli, order["orderId"])) == ("confirmed", 1)
        said = _trigger(order)
        assert said["basis"] == "marginal" and Decimal(said["bid"]) <= Decimal(said["target"])
        # A firm price of this moment, of a venue that has one.
        assert said["ageMs"] == 0 and said["venue"] in ("cpmm", "raydium", "jupiter")
        assert Decimal(order["filledOut"]) >= Decimal(order["minReceive"])


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("nodes", {"name": "main", "lag": 500}),
        ("faults", {"target": "read", "kind": "503", "percent": 100}),
    ],
    ids=["lags", "is away"],
)
def test_nothing_fires_by_a_chain_that(cli: Cli, table: str, row: dict[str, Any]) -> None:
    seen = _placed(cli, "limit sell SOL USDC 1 --at +20%")
    until(partial(_fresh, cli, seen), within=20)
    _order(cli, table, **row)
    try:
        until(lambda: cli.json("show", seen)["market"]["stale"], within=20)
        # It would be met at once: the venues' API goes on telling prices.
        met = _placed(cli, "limit sell SOL USDC --receive 10 --at -2%")
        later = _placed(cli, "limit sell SOL USDC --receive 10 --at +1%")
        cli.run("watch", later, "--timeout", "2")
        assert cli.json("show", met)["status"] == "waiting"
    finally:
        _heal(cli)
    order = until(partial(_ended, cli, met), within=30)
    assert (order["status"], _landings(cli, met)) == ("confirmed", 1)


def test_a_time_is_waited_for_before_the_price(cli: Cli) -> None:
    order_id = _placed(cli, "limit sell SOL USDC 1 --at -3% --from 2s")
    order = until(partial(_ended, cli, order_id), within=30)
    assert order["status"] == "confirmed" and order["firedAt"] > order["launchTime"]
