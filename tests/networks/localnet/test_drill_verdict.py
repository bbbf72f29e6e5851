"""The drill's oracle on a ledger of localnet: what really landed agrees, and each broken promise is seen."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from oee_cli.drill.drill_localnet_ledger import are_due, localnet_landings
from oee_cli.drill.drill_verdict import Verdict, judge
from tests.networks.localnet.conftest import SOL, USDC, Localnet

DECIMALS = {"SOL": 9, "USDC": 6}
#: Base units.
ASKED = 10**8


def memo(order_id: UUID, attempt: int = 1) -> str:
    return f"oee1 {base64.urlsafe_b64encode(order_id.bytes).rstrip(b'=').decode()} {attempt} 460 438"


def write(net: Localnet, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(net.path)) as db, db:
        db.execute(statement, values)


def traded(net: Localnet, mint_in: str, mint_out: str) -> dict[str, Any]:
    """An order as the engine tells of it, whose swap has landed; amounts by the wallet's holdings."""
    order_id, before = uuid4(), (net.held(USDC), net.held(SOL))
    quote = net.raydium(mint_in, mint_out, ASKED)
    signature = net.send(net.signed(net.raydium_tx(quote, **account(net, mint_in))))
    write(net, "UPDATE landings SET memo = ? WHERE signature = ?", memo(order_id), signature)
    gained = abs(net.held(USDC) - before[0])
    sold, bought = ("SOL", "USDC") if mint_in == SOL else ("USDC", "SOL")
    out = gained if bought == "USDC" else int(quote["data"]["outputAmount"])
    return {
        "orderId": str(order_id), "status": "confirmed", "signature": signature, "attempt": 1,
        "inputToken": sold, "outputToken": bought, "swapMode": "ExactIn", "idempotencyKey": None,
        "side": "sell" if mint_in == SOL else "buy", "type": "market",
        "amount": shown(ASKED, sold), "filledIn": shown(ASKED, sold), "filledOut": shown(out, bought),
        "minReceive": shown(out, bought), "maxSpend": None,
        "events": [
            {"seq": n, "status": status, "attempt": 1}
            for n, status in enumerate(["pending", "routing", "building", "submitted", "confirmed"], 1)
        ],
    }  # fmt: skip


def account(net: Localnet, mint: str) -> dict[str, str]:
    """The wallet's account of what it sells, where that is no SOL."""
    if mint == SOL:
        return {}
    accounts = net.rpc(
        "getTokenAccountsByOwner", str(net.wallet.pubkey()), {"mint": mint}, {"encoding": "base64"}
    )
    return {"inputAccount": accounts["value"][0]["pubkey"]}


def shown(units: int, symbol: str) -> str:
    whole, part = divmod(units, 10 ** DECIMALS[symbol])
    return f"{whole}.{part:0{DECIMALS[symbol]}d}"


@pytest.fixture
def orders(net: Localnet) -> list[dict[str, Any]]:
    net.fund()
    return [traded(net, SOL, USDC), traded(net, USDC, SOL), traded(net, SOL, USDC)]


def judged(path: Path, orders: list[dict[str, Any]]) -> Verdict:
    return judge([order["orderId"] for order in orders], orders, localnet_landings(path), DECIMALS)


def test_what_really_landed_agrees_to_the_unit(net: Localnet, orders: list[dict[str, Any]]) -> None:
    found = judged(net.path, orders)
    assert found.kept, found


_EXTRA = (
    "INSERT INTO landings (signature, slot, unix, payer, memo, err, wire, meta)"
    " SELECT 'x' || signature, slot, unix, payer, {memo}, NULL, wire, meta FROM landings"
    " WHERE signature = ?"
)
#: What is broken in the ledger, and under what it is told. Each statement takes the first order's signature.
BROKEN = {
    "an extra landing": (_EXTRA.format(memo="memo"), "doubled"),
    "one of an order that nobody knows": (_EXTRA.format(memo=f"'{memo(uuid4())}'"), "doubled"),
    "one that names no order": (_EXTRA.format(memo="NULL"), "doubled"),
    "a landing that is not there": ("DELETE FROM landings WHERE signature = ?", "lost"),
    "one that failed on the chain": ("UPDATE landings SET err = '\"x\"' WHERE signature = ?", "lost"),
    "another signature": ("UPDATE landings SET signature = 'y' WHERE signature = ?", "wrong"),
    "other amounts": (
        "UPDATE landings SET meta = (SELECT meta FROM landings WHERE memo <> '' ORDER BY n DESC LIMIT 1)"
        " WHERE signature = ?",
        "wrong",
    ),
}


@pytest.mark.parametrize(("statement", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_ledger_is_seen(
    net: Localnet, orders: list[dict[str, Any]], statement: str, told: str
) -> None:
    write(net, statement, orders[0]["signature"])
    assert getattr(judged(net.path, orders), told)


#: What is broken in the engine's word, and under what it is told.
LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an order that never ended": (lambda o: o.update(status="submitted"), "lost"),
    "one that failed and landed": (lambda o: o.update(status="failed"), "doubled"),
    "a fill of its own": (lambda o: o.update(filledOut="1"), "wrong"),
    "another amount than asked for": (lambda o: o.update(amount="0.2"), "wrong"),
    "worse than its bound": (lambda o: o.update(minReceive="99999"), "wrong"),
    "an event that is missing": (lambda o: o["events"].pop(1), "gaps"),
}


@pytest.mark.parametrize(("lie", "told"), LIES.values(), ids=LIES)
def test_a_lie_of_the_engine_is_seen(
    net: Localnet, orders: list[dict[str, Any]], lie: Callable[[dict[str, Any]], object], told: str
) -> None:
    lie(orders[0])
    assert getattr(judged(net.path, orders), told)


def test_an_order_that_nobody_knows_any_more_is_lost(net: Localnet, orders: list[dict[str, Any]]) -> None:
    found = judge([orders[0]["orderId"]], orders[1:], localnet_landings(net.path), DECIMALS)
    assert found.lost and found.doubled


def test_what_is_still_to_land_is_waited_for(net: Localnet) -> None:
    net.fund()
    assert not are_due(net.path)
    net.order("faults", target="fate", kind="late", blocks=0, remaining=1)
    net.send(net.signed(net.raydium_tx(net.raydium(SOL, USDC, ASKED))))
    assert are_due(net.path)
