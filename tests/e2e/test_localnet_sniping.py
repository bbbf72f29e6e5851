"""New tokens on localnet, as a user snipes them: bought once or refused by name; judged by its ledger."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.kit.commands import Cli
from tests.kit.daemons import until
from tests.kit.homes import furnished


@pytest.fixture(scope="module")
def cli(file_homes: Path) -> Iterator[Cli]:
    # None comes by itself while this runs.
    made = Cli(furnished(file_homes / "h"), OEE_NETWORK="localnet", OEE_SIM_LISTING_SLOTS="100000")
    assert made.run("daemon", "start").returncode == 0
    yield made
    made.run("daemon", "stop")


def _sql(cli: Cli, said: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(cli.home / "localnet" / "chain.db", timeout=10)) as db, db:
        return db.execute(said, values).fetchall()


def _listed(cli: Cli, trap: str | None, after: int = 15) -> str:
    """The mint of a token that is traded in so many slots."""
    _sql(cli, "INSERT INTO listings (trap, after) VALUES (?, ?)", trap, after)
    known = {row["mint"] for row in cli.json("tokens", "new")}
    ((mint,),) = _sql(cli, "SELECT mint FROM listings ORDER BY n DESC LIMIT 1")
    assert mint in known
    return str(mint)


def _sniped(cli: Cli, mint: str, *more: str) -> str:
    return str(cli.json("snipe", mint, "USDC", "--spend", "20", *more)["orderId"])


def _ended(cli: Cli, order_id: str) -> dict[str, Any] | None:
    order: dict[str, Any] = cli.json("show", order_id)
    return order if order["status"] in ("confirmed", "failed", "expired") else None


def _end(cli: Cli, order_id: str) -> dict[str, Any]:
    return until(partial(_ended, cli, order_id), within=40)


def _landings(cli: Cli, order_id: str) -> int:
    name = base64.urlsafe_b64encode(UUID(order_id).bytes).rstrip(b"=").decode()
    counted = "SELECT count(*) FROM landings WHERE err IS NULL AND memo LIKE ?"
    return int(_sql(cli, counted, f"oee1 {name} %")[0][0])


def _verdicts(order: dict[str, Any]) -> dict[str, str]:
    """Those of its last event that has some."""
    for event in reversed(order["events"]):
        data = event["data"] or {}
        found = data.get("checks") or (data.get("error") or {}).get("checks")
        if found:
            return {one["check"]: one["verdict"] for one in found}
    return {}


def test_an_honest_token_is_bought_once_whatever_dies(cli: Cli) -> None:
    order_id = _sniped(cli, _listed(cli, None))
    assert cli.json("show", order_id)["status"] == "waiting"
    os.kill(cli.json("daemon", "status")["worker"]["pid"], signal.SIGKILL)
    order = _end(cli, order_id)
    assert (order["status"], order["venue"], _landings(cli, order_id)) == ("confirmed", "cpmm", 1)
    assert set(_verdicts(order).values()) == {"ok"} and len(_verdicts(order)) == 14
    shown = cli.run("show", order_id).stdout
    assert "sellback" in shown


def test_what_a_pool_is_refused_for_is_bought_where_that_is_accepted(cli: Cli) -> None:
    for trap, check in (("whale", "holders"), ("honeypot", "sellback")):
        mint = _listed(cli, trap)
        refused, taken = _sniped(cli, mint), _sniped(cli, mint, "--accept", check)
        order = _end(cli, refused)
        assert (order["status"], order["error"]["code"]) == ("failed", "unsafe_token")
        assert {name for name, said in _verdicts(order).items() if said != "ok"} == {check}
        assert _landings(cli, refused) == 0
        order = _end(cli, taken)
        assert (order["status"], _landings(cli, taken)) == ("confirmed", 1), order["error"]
        assert _verdicts(order)[check] == "accepted"


def test_what_a_mint_is_refused_for_is_said_before_anything_is_stored(cli: Cli) -> None:
    mint = _listed(cli, "fee")
    said = cli.run("snipe", mint, "USDC", "--spend", "20")
    assert said.returncode == 3 and "10 % of every transfer is kept" in said.stderr
    order_id = _sniped(cli, mint, "--accept", "fee")
    order = _end(cli, order_id)
    assert (order["status"], _landings(cli, order_id)) == ("confirmed", 1), order["error"]


def test_where_nobody_tells_who_holds_a_token_it_is_not_bought(cli: Cli) -> None:
    fault = "INSERT INTO faults (target, kind, method) VALUES ('read', 'refused', 'getTokenLargestAccounts')"
    _sql(cli, fault)
    try:
        order_id = _sniped(cli, _listed(cli, None, after=3), "--within", "8s")
        order = _end(cli, order_id)
        assert order["status"] in ("failed", "expired") and _landings(cli, order_id) == 0
        assert _verdicts(order)["holders"] == "unknown"
        assert "refuses getTokenLargestAccounts" in order["error"]["message"]
    finally:
        _sql(cli, "DELETE FROM faults")
