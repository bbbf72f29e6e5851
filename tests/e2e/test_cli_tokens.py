"""Tokens and balances on localnet, as a person meets them: by symbol and by mint, plain and of Token-2022."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.commands import PATIENT, Cli
from tests.kit.homes import furnished

#: Wider than localnet's prices jump, so that each order lands at its first attempt.
WIDE = ("--slippage", "5%")
SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


@pytest.fixture(scope="module")
def cli(file_homes: Path) -> Iterator[Cli]:
    made = Cli(furnished(file_homes / "h"), OEE_NETWORK="localnet", **PATIENT)
    yield made
    made.run("daemon", "stop")


def mint_of(cli: Cli, symbol: str) -> str:
    """Of a token that localnet has beside the listed ones, as its directory knows it."""
    (found,) = cli.json("tokens", "search", symbol)
    assert (found["symbol"], found["origin"], found["verified"]) == (symbol, None, False)
    return str(found["mint"])


def held(cli: Cli, token: str) -> Decimal:
    return sum((Decimal(row["amount"]) for row in cli.json("balance", token)["balances"]), Decimal(0))


def refused(cli: Cli, *words: str) -> tuple[int, str]:
    """The exit code and the code of the error that a command prints."""
    done = cli.run(*words, "--json")
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)["error"]
    return done.returncode, said["code"]


def test_the_engines_wallet_is_not_removed_while_it_holds_something(cli: Cli) -> None:
    assert held(cli, "SOL") > 0
    key = Path(cli.json("wallet", "show")["file"])
    before = key.read_bytes()
    assert refused(cli, "wallet", "remove", key.stem, "--yes") == (3, "wallet_holds")
    assert key.read_bytes() == before


def origins(cli: Cli) -> dict[str, str]:
    return {token["mint"]: token["origin"] for token in cli.json("tokens")}


def test_a_token_with_a_fee_is_found_added_bought_and_sold(cli: Cli) -> None:
    assert refused(cli, "buy", "FEE", "USDC", "1") == (2, "unknown_token")
    fee = mint_of(cli, "FEE")
    # A search makes no symbol of it; by its mint it can be traded at once.
    assert refused(cli, "buy", "FEE", "USDC", "1") == (2, "unknown_token")
    quotes = cli.json("quote", fee, "USDC", "--spend", "10")["quotes"]
    order = cli.json("buy", fee, "USDC", "--spend", "10", *WIDE)
    assert (order["status"], order["outputToken"]) == ("confirmed", fee)
    # What a transfer costs is inside of each quote: what arrived is what was quoted.
    best = max(Decimal(quote["amountOut"]) for quote in quotes if quote["amountOut"])
    assert abs(Decimal(order["filledOut"]) / best - 1) < Decimal("0.05")
    assert held(cli, fee) == Decimal(order["filledOut"])
    assert origins(cli)[fee] == "chain" and origins(cli)[USDC] == "pinned"
    for words, ends in (
        (("tokens", "add", fee, "--symbol", "U5DC"), (2, "symbol_taken")),
        (("tokens", "add", fee, "--symbol", "ＦＥＥ"), (2, "invalid_symbol")),
        (("tokens", "add", fee, "--accept", "permanent-delegate"), (2, "unknown_risk")),
        (("tokens", "add", USDC), (3, "token_pinned")),
        (("tokens", "add", SOL[:-1]), (2, "unknown_token")),
        (("tokens", "remove", fee), (2, "token_not_added")),
    ):
        assert refused(cli, *words) == ends
    added = cli.json("tokens", "add", fee, "--symbol", "FEE")
    assert [(one["name"], one["detail"]) for one in added["extensions"]] == [
        ("transfer-fee", "1 % of every transfer, at most 5000")
    ]
    assert origins(cli)[fee] == "added"
    sold = cli.json("sell", "fee", "SOL", "3", *WIDE)
    assert (sold["status"], sold["pair"], sold["filledIn"]) == ("confirmed", "FEE/SOL", "3")
    # The order of before is called so, too, and found by either name.
    assert {o["outputToken"] for o in cli.json("history", "--token", fee, "--side", "buy")} == {"FEE"}
    listed = cli.run("tokens").stdout
    assert "· FEE: 1 % of every transfer" in listed
    assert re.search(rf"FEE +{fee} +6 +you", listed) and re.search(r"SOL .* pinned list", listed)


def test_a_token_that_can_be_taken_back_is_bought_only_where_that_is_named(cli: Cli) -> None:
    pull = mint_of(cli, "PULL")
    assert refused(cli, "buy", pull, "USDC", "--spend", "5") == (3, "unsafe_token")
    shown = cli.run("buy", pull, "USDC", "--spend", "5")
    assert f"oee tokens add {pull} --accept permanent-delegate" in shown.stderr
    dry = cli.run("buy", pull, "USDC", "--spend", "5", "--dry-run")
    assert dry.returncode == 3 and "would be refused" in dry.stderr and "accepted" not in dry.stdout
    assert cli.run("tokens", "add", pull, "--symbol", "PULL").returncode == 0
    assert refused(cli, "buy", "PULL", "USDC", "--spend", "5") == (3, "unsafe_token")
    cli.json("tokens", "add", pull, "--symbol", "PULL", "--accept", "permanent-delegate")
    bought = cli.json("buy", "PULL", "USDC", "--spend", "5", *WIDE)
    assert bought["status"] == "confirmed"
    cli.json("tokens", "remove", "PULL")
    assert refused(cli, "buy", pull, "USDC", "--spend", "5") == (3, "unsafe_token")
    assert refused(cli, "sell", "PULL", "USDC", "1") == (2, "unknown_token")
    # Whoever holds it gets rid of it.
    assert cli.json("sell", pull, "USDC", bought["filledOut"], *WIDE)["status"] == "confirmed"
    assert held(cli, pull) == 0


def test_what_the_wallet_can_not_pay_is_refused_and_its_key_stays_free(cli: Cli) -> None:
    sol = held(cli, "SOL")
    before = len(cli.json("history", "--limit", "all"))
    words = ("sell", "SOL", "USDC", str(sol), "--idempotency-key", "all-of-it")
    assert refused(cli, *words) == (3, "insufficient_funds")
    assert refused(cli, "buy", "SOL", "USDC", "1", "--max-spend", "900000") == (3, "insufficient_funds")
    dry = cli.json("sell", "SOL", "USDC", "1", "--dry-run")
    assert dry["objection"] is None
    assert len(cli.json("history", "--limit", "all")) == before
    # An exact output is measured at its choice: then it is an order that failed.
    done = cli.run("buy", "SOL", "USDC", "5000", "--json")
    assert done.returncode == 7 and "insufficient_funds" in done.stdout
    assert held(cli, "SOL") == sol


def test_a_key_finds_its_order_though_that_one_left_nothing_to_pay_with(cli: Cli) -> None:
    bonk = str(held(cli, "BONK"))
    words = ("sell", "BONK", "USDC", bonk, "--idempotency-key", "all-bonk", *WIDE)
    first = cli.json(*words)
    assert first["status"] == "confirmed" and held(cli, "BONK") == 0
    assert cli.json(*words)["orderId"] == first["orderId"]
    # By the worker where the daemon has asked within the last second, and by the daemon otherwise.
    assert refused(cli, "sell", "BONK", "USDC", bonk) in [(n, "insufficient_funds") for n in (3, 7)]


def test_a_balance_is_told_with_what_it_is_worth(cli: Cli) -> None:
    told: dict[str, Any] = cli.json("balance")
    rows = {row["symbol"]: row for row in told["balances"]}
    assert (told["network"], rows["SOL"]["mint"], rows["USDC"]["mint"]) == ("localnet", SOL, USDC)
    worth = sum(Decimal(row["amount"]) * Decimal(row["usdPrice"]) for row in told["balances"])
    assert Decimal(told["totalUsd"]) == worth and told["unpriced"] == []
    assert [row["symbol"] for row in cli.json("balance", "usdc", SOL)["balances"]] == ["USDC", "SOL"]
    assert refused(cli, "balance", "nothing") == (2, "unknown_token")
    drawn = cli.run("balance", "SOL", "BONK").stdout.splitlines()
    assert [line.split()[1] for line in drawn] == ["wallet", "token", "SOL", "BONK", "worth"]
