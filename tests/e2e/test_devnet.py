"""Devnet by addresses alone: against a localnet that passes for it, by the code that would trade there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from oee_daemon.networks.solana.solana_profile import DEVNET
from tests.kit.commands import Cli, serving
from tests.kit.homes import furnished
from tests.networks.solana.local import Local, localnet

SOL = "So11111111111111111111111111111111111111112"
#: Circle's, on devnet.
USDC = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU"


def addresses(local: Local) -> dict[str, str]:
    return {"OEE_NETWORK": "devnet", "OEE_RPC_URLS": local.address}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    assert DEVNET.genesis is not None
    folder = tmp_path_factory.mktemp("localnet")
    with localnet(folder, "--genesis", DEVNET.genesis, "--devnet", "--slot-ms", "400") as found:
        found.rpc("localnetMint", found.wallet.address, USDC, 1_000 * 10**6)
        yield found


@pytest.fixture(scope="module")
def cli(servers: Servers, template: str, local: Local, file_homes: Path) -> Iterator[Cli]:
    home = file_homes / "h"
    imported = Cli(home, **addresses(local)).run(
        "wallet", "import", "-", "--no-passphrase", stdin=local.key.to_json()
    )
    assert imported.returncode == 0 and (home / "wallets" / "devnet.json").exists(), imported.stderr
    # Nobody is asked for a word: no OEE_REAL_MONEY.
    with serving(servers, template, home, **addresses(local)) as found:
        yield found[0]


def test_orders_land_by_its_own_program_and_tokens(cli: Cli, local: Local) -> None:
    sold = cli.json("sell", "SOL", "USDC", "0.1")
    bought = cli.json("buy", "SOL", "USDC", "0.1")
    for order in (sold, bought):
        assert (order["status"], order["network"]) == ("confirmed", "devnet")
        assert (order["signature"], None) in local.landed()
    quote = cli.json("quote", "SOL", "USDC", "1")
    assert [one["venue"] for one in quote["quotes"]] == ["cpmm"]
    told = cli.json("balance")
    assert {row["mint"] for row in told["balances"] if row["symbol"] == "USDC"} == {USDC}
    assert told["totalUsd"] is None
    assert {row["mint"] for row in cli.json("tokens")} == {SOL, USDC}
    checks = json.loads(cli.run("doctor", "--json", **addresses(local)).stdout)["checks"]
    assert not [row for row in checks if row["status"] == "fail"], checks


def test_no_key_is_made_by_itself(homes: Path, local: Local) -> None:
    bare = Cli(furnished(homes / "h"), XDG_CONFIG_HOME=str(homes / "c"), **addresses(local))
    done = bare.run("sell", "SOL", "USDC", "0.1")
    assert done.returncode != 0
    assert "There is no key at" in done.stderr and "oee wallet new" in done.stderr
    assert not list((bare.home / "wallets").glob("*.json"))
    bare.run("daemon", "stop")


def test_a_chain_that_is_not_devnet_gets_no_order(homes: Path, tmp_path: Path) -> None:
    with localnet(tmp_path, "--devnet", "--slot-ms", "400") as other:
        cli = Cli(furnished(homes / "h"), **addresses(other))
        cli.run("wallet", "import", "-", "--no-passphrase", stdin=other.key.to_json())
        before = other.landed()
        done = cli.run("sell", "SOL", "USDC", "0.1", "--timeout", "8")
        assert done.returncode != 0, done.stdout
        assert other.landed() == before
        told = cli.run("doctor").stdout
        assert "chain" in told and "✗" in told
        cli.run("daemon", "stop")
