"""Mainnet by addresses alone: against a localnet that passes for it, by the code that would trade there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.embedded import Servers
from oee_daemon.networks.solana.solana_profile import MAINNET
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli, serving
from tests.kit.daemons import until
from tests.kit.homes import furnished
from tests.kit.terminal import Terminal
from tests.networks.solana.local import Local, localnet


def addresses(local: Local) -> dict[str, str]:
    return {
        "OEE_NETWORK": "mainnet",
        "OEE_RPC_URLS": local.address,
        "OEE_RAYDIUM_URL": f"{local.address}/raydium",
        "OEE_JUPITER_URL": f"{local.address}/jupiter",
        "OEE_JUPITER_RATE": "50",
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    assert MAINNET.genesis is not None
    folder = tmp_path_factory.mktemp("localnet")
    with localnet(folder, "--genesis", MAINNET.genesis, "--slot-ms", "400") as found:
        yield found


def with_key(home: Path, local: Local) -> Path:
    (home / "wallets").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    key = home / "wallets" / "mainnet.json"
    key.touch(0o600)
    key.write_text(json.dumps(list(bytes(local.key))))
    return home


@pytest.fixture(scope="module")
def mainnet(servers: Servers, template: str, local: Local, file_homes: Path) -> Iterator[tuple[Cli, Shared]]:
    home = with_key(file_homes / "h", local)
    with serving(servers, template, home, OEE_REAL_MONEY="mainnet", **addresses(local)) as found:
        yield found


@pytest.fixture(scope="module")
def cli(mainnet: tuple[Cli, Shared]) -> Cli:
    return mainnet[0]


def test_an_order_lands_and_every_line_and_object_says_where(cli: Cli, local: Local) -> None:
    order = cli.json("sell", "SOL", "USDC", "0.1")
    assert (order["status"], order["network"]) == ("confirmed", "mainnet")
    assert (order["signature"], None) in local.landed()
    for command in (
        "sell SOL USDC 0.1", "history", "fills", "show last", "quote SOL USDC 1", "top --once", "stats",
        "daemon status", "doctor", "balance", "sell SOL USDC 99999", "sell NOPE USDC 1",
    ):  # fmt: skip
        done = cli.run(*command.split())
        lines = (done.stdout + done.stderr).splitlines()
        assert lines and not [line for line in lines if not line.startswith("mainnet")], command
    bought = cli.json("buy", "SOL", "USDC", "1.5")
    assert (bought["status"], bought["filledOut"]) == ("confirmed", "1.5")
    assert Decimal(bought["filledIn"]) <= Decimal(bought["maxSpend"])
    assert (bought["signature"], None) in local.landed()
    quotes = {one["venue"]: one for one in cli.json("quote", "SOL", "USDC", "1.5")["quotes"]}
    assert quotes.pop("meteora")["error"]["code"] == "exact_out_unsupported"
    assert {one["amountOut"] for one in quotes.values()} == {"1.5"} and len(quotes) == 4
    asked = cli.json("quote", "SOL", "USDC", "--spend", "10")
    assert asked["network"] == "mainnet"
    fees = [Decimal(one["networkFee"]) for one in asked["quotes"]]
    assert len(fees) == 5 and all(Decimal("0.000005") <= fee <= Decimal("0.0001") for fee in fees)
    told = cli.run("buy", "SOL", "USDC", "--spend", "10", "--dry-run").stdout
    assert told.count("network 0.0000") == 5 and "the network takes up to 0.0001 SOL" in told
    # Addresses that are shown by their hosts alone are compared by these.
    assert "rpc_urls" not in cli.run("doctor").stdout
    told = cli.run("doctor", OEE_RPC_URLS="http://127.0.0.1:1").stdout
    assert "rpc_urls is http://127.0.0.1:1, but the daemon was started with http://127.0.0.1:" in told
    terminal = Terminal(cli, "sell", "SOL", "USDC", "0.1")
    assert terminal.end() == 0
    assert not [line for line in terminal.screen.said if not line.startswith("mainnet")]


@pytest.fixture
def bare(homes: Path, local: Local) -> Cli:
    """A home that has nothing, whose daemon is not started yet."""
    return Cli(homes / "h", XDG_CONFIG_HOME=str(homes / "c"), **addresses(local))


def test_nothing_begins_until_it_was_confirmed(bare: Cli) -> None:
    done = bare.run("sell", "SOL", "USDC", "0.1")
    assert done.returncode != 0
    for part in ("real money", "oee config set network mainnet", "OEE_REAL_MONEY=mainnet"):
        assert part in " ".join(done.stderr.split()), done.stderr
    assert not (bare.home / "postgres").exists()


def test_no_key_is_made_by_itself(bare: Cli, local: Local) -> None:
    before = local.landed()
    for new in (True, False):
        if not new:
            furnished(bare.home)
        done = bare.run("sell", "SOL", "USDC", "0.1", OEE_REAL_MONEY="mainnet")
        assert done.returncode != 0
        assert "There is no key at" in done.stderr and "oee wallet new" in done.stderr
        # Of a new home that is known before anything is started or made.
        assert (bare.home / "postgres").exists() is not new
    assert not list((bare.home / "wallets").glob("*.json")) and local.landed() == before
    bare.run("daemon", "stop")


def test_a_chain_that_is_not_mainnet_gets_no_order(homes: Path, tmp_path: Path) -> None:
    with localnet(tmp_path, "--slot-ms", "400") as other:
        cli = Cli(furnished(with_key(homes / "h", other)), OEE_REAL_MONEY="mainnet", **addresses(other))
        before = other.landed()
        done = cli.run("sell", "SOL", "USDC", "0.1", "--timeout", "8")
        assert done.returncode != 0, done.stdout
        assert other.landed() == before
        cli.run("daemon", "stop")


def test_the_word_has_to_be_typed(homes: Path) -> None:
    cli = Cli(homes / "h", XDG_CONFIG_HOME=str(homes / "c"))
    config = homes / "c" / "oee" / "config.toml"
    refused = cli.run("config", "set", "network", "mainnet", "--json")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"]["code"] == "real_money_unconfirmed"
    for typed, code in ((b"yes\n", 10), (b"\n", 10), (b"mainnet\n", 0)):
        assert not config.exists()
        terminal = Terminal(cli, "config", "set", "network", "mainnet")
        terminal.until(lambda screen: any("Type mainnet" in line for line in screen.said))
        terminal.type(typed)
        ended = terminal.end()
        assert (ended == 0) == (code == 0)
    assert config.read_text() == 'real_money = "mainnet"\nnetwork = "mainnet"\n'
    assert cli.run("config", "set", "network", "paper").returncode == 0
    assert config.read_text() == 'network = "paper"\n'
    assert cli.run("config", "set", "network", "mainnet", "--yes-real-money").returncode == 0
    assert cli.run("config", "unset", "network").returncode == 0
    assert config.read_text() == ""
    assert cli.run("config", "set", "real_money", "mainnet").returncode == 2


def test_an_order_waits_for_its_price_and_fires_by_firm_quotes(cli: Cli, local: Local) -> None:
    done = cli.run(
        "limit", "sell", "SOL", "USDC", "0.1", "--at", "-4%", "--wait", "--timeout", "50", "--json"
    )
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"], order["firings"]) == (0, "confirmed", 1), done.stderr
    assert (order["signature"], None) in local.landed()
    far = cli.run("stop", "sell", "SOL", "USDC", "0.1", "--at", "-10%").stdout.split()[-1]
    assert cli.json("show", far)["status"] == "waiting" and cli.run("cancel", far).returncode == 0


def test_a_new_token_is_bought_once_it_is_traded_and_a_trap_is_not(cli: Cli, local: Local) -> None:
    for trap in (None, "honeypot"):
        local.order("listings", trap=trap, after=12)
    good, bad = (row["mint"] for row in local.rpc("localnetListings"))
    ids = [cli.json("snipe", mint, "USDC", "--spend", "20")["orderId"] for mint in (good, bad)]
    bought, refused = (until(partial(ended, cli, one), within=40) for one in ids)
    assert (bought["status"], bought["venue"], bought["firings"]) == ("confirmed", "cpmm", 1)
    assert (bought["signature"], None) in local.landed()
    assert (refused["status"], refused["error"]["code"]) == ("failed", "unsafe_token")
    assert refused["signature"] is None and "sellback: 0 % of it comes back" in refused["error"]["message"]
    done = cli.run("tokens", "new")
    assert done.returncode == 3 and "On mainnet nobody tells which tokens come next" in done.stderr


def ended(cli: Cli, order_id: str) -> dict[str, Any] | None:
    order: dict[str, Any] = cli.json("show", order_id)
    return order if order["status"] in ("confirmed", "failed", "expired") else None
