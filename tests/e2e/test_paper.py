"""Orders on paper, by addresses alone that lead to localnet's APIs: its prices, and nothing lands there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.embedded import Servers
from oee_daemon.networks.solana.solana_profile import MAINNET
from oee_daemon.orders.tokens import TOKENS
from tests.e2e.test_cli_top import Top
from tests.kit.api_daemon import Shared
from tests.kit.commands import PATIENT, Cli, Done, serving
from tests.kit.daemons import until
from tests.kit.terminal import Terminal
from tests.networks.solana.local import Local, localnet

#: Each place in a worker's way at which it dies once.
DEATHS = ("signed", "after_submitted", "sent", "landed", "before_confirmed", "after_confirmed")
SOL, USDC = TOKENS["SOL"], TOKENS["USDC"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    # Tokens are read from the chain, which has to be mainnet's by its hash.
    assert MAINNET.genesis is not None
    # Slots of mainnet's length: shorter ones no honest node of it could show.
    rules = "--genesis", MAINNET.genesis, "--slot-ms", "400"
    with localnet(tmp_path_factory.mktemp("localnet"), *rules) as found:
        yield found


@pytest.fixture(scope="module")
def paper(servers: Servers, template: str, local: Local, file_homes: Path) -> Iterator[tuple[Cli, Shared]]:
    addresses = {
        "OEE_RPC_URLS": local.address,
        "OEE_RAYDIUM_URL": f"{local.address}/raydium",
        "OEE_JUPITER_URL": f"{local.address}/jupiter",
        "OEE_JUPITER_RATE": "50",
    }
    deaths = ",".join(f"{place}=kill*1" for place in DEATHS)
    environ = {"OEE_NETWORK": "paper", "OEE_FAILPOINTS": deaths} | addresses | PATIENT
    with serving(servers, template, file_homes / "h", **environ) as found:
        yield found


@pytest.fixture(scope="module")
def cli(paper: tuple[Cli, Shared]) -> Cli:
    return paper[0]


@pytest.fixture(scope="module")
def api(paper: tuple[Cli, Shared]) -> Shared:
    return paper[1]


def refusal_of(done: Done) -> str:
    return str(json.loads(done.stdout.splitlines()[-1])["error"]["code"])


def ended(cli: Cli, order_id: str) -> dict[str, Any] | None:
    order: dict[str, Any] = cli.json("show", order_id)
    return order if order["status"] in ("confirmed", "failed", "expired") else None


def test_each_order_lands_once_on_paper_though_its_worker_dies_everywhere(
    cli: Cli, api: Shared, local: Local
) -> None:
    trades = (("sell", "0.1"), ("buy", "0.2"), ("sell", "0.3"), ("buy", "0.15"))
    ids = [cli.json(side, "SOL", "USDC", amount, "--detach")["orderId"] for side, amount in trades * 2]
    orders = [until(partial(ended, cli, one), within=90) for one in ids]
    assert Counter(order["status"] for order in orders) == {"confirmed": len(ids)}
    marks = {path.name for path in (cli.home / "failpoints").iterdir()}
    assert {f"{place}.0" for place in DEATHS} <= marks, "it died at each place"

    ledger = "SELECT signature, state, network_fee FROM paper_ledger"
    rows = api.sql.execute(ledger).fetchall()
    landed = [signature for signature, state, _ in rows if state == "landed"]
    assert sorted(landed) == sorted(order["signature"] for order in orders)
    assert all(signature.startswith("paper:") for signature in landed)
    # To the unit: what the orders say has moved, and what the network took of every landing.
    held = {mint: int(units) for mint, units in api.sql.execute("SELECT mint, units FROM paper_balance")}
    moved = {"SOL": Decimal(100), "USDC": Decimal(10_000)}
    for order in orders:
        moved[order["inputToken"]] -= Decimal(order["filledIn"])
        moved[order["outputToken"]] += Decimal(order["filledOut"])
    fees = [int(fee) for _, _, fee in rows if fee is not None]
    assert min(fees) > 5_000
    assert held == {SOL.mint: int(moved["SOL"] * 10**9) - sum(fees), USDC.mint: int(moved["USDC"] * 10**6)}
    told = {row["symbol"]: row["amount"] for row in cli.json("balance")["balances"]}
    assert told == {"SOL": SOL.text(held[SOL.mint]), "USDC": USDC.text(held[USDC.mint])}
    assert not local.landed(), "nothing was sent to the chain whose prices these are"


def test_what_the_balance_does_not_hold_is_refused_before_anything_is_asked(cli: Cli) -> None:
    done = cli.run("sell", "SOL", "USDC", "5000", "--json")
    assert (done.returncode, refusal_of(done)) == (3, "insufficient_funds")


@pytest.mark.parametrize(
    "command",
    [
        "history", "fills", "show last", "quote SOL USDC 1", "top --once", "stats", "daemon status",
        "balance", "sell SOL USDC 0.1", "sell SOL USDC 0.1 --dry-run", "sell SOL USDC 5000", "show nothing",
        "doctor", "config show", "tokens", "watch last", "cancel last",
    ],
)  # fmt: skip
def test_every_line_of_every_screen_says_it(cli: Cli, command: str) -> None:
    done = cli.run(*command.split())
    lines = (done.stdout + done.stderr).splitlines()
    assert lines
    assert not [line for line in lines if line.split(" ")[0] != "paper"]


@pytest.mark.parametrize(
    "command",
    ["history", "fills", "show last", "quote SOL USDC 1", "stats", "daemon status", "balance", "top --once"],
)
def test_every_object_says_it(cli: Cli, command: str) -> None:
    found = cli.json(*command.split())
    assert {one["network"] for one in (found if isinstance(found, list) else [found])} == {"paper"}


def test_every_line_of_a_live_screen_says_it_and_fits(cli: Cli) -> None:
    for command in ("sell SOL USDC 0.1", "history", "show last"):
        terminal = Terminal(cli, *command.split(), columns=72)
        assert terminal.end() == 0
        assert not [line for line in terminal.screen.said if not line.startswith("paper")]
        assert terminal.screen.widest <= 72
    top = Top(cli, columns=72)
    assert not [line for line in top.screen.said if not line.startswith("paper")]
    assert top.screen.widest <= 72
    top.type(b"q")
    assert top.left() == 0


def test_a_batch_says_it_in_its_summary_and_its_objects(cli: Cli) -> None:
    done = cli.run("submit", "-", stdin="inputToken,outputToken,amount\nSOL,USDC,0.01\nSOL,USDC,0.02\n")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if not line.startswith("paper")]
    assert {json.loads(line)["network"] for line in done.stdout.splitlines()} == {"paper"}


def test_an_order_that_is_meant_for_another_network_is_refused(cli: Cli, api: Shared) -> None:
    before = api.stored()
    done = cli.run("sell", "SOL", "USDC", "0.1", "--json", OEE_NETWORK="simulated")
    error = refusal_of(done)
    assert (done.returncode, error) == (3, "other_network")
    assert "this daemon trades on paper" in done.stderr and "oee daemon restart" in done.stderr
    assert "is not in force" not in done.stderr
    assert cli.run("sell", "SOL", "USDC", "0.1", OEE_NETWORK="paper").returncode == 0
    assert api.stored() == before + 1


@pytest.mark.parametrize(
    "typed",
    ("history", "fills", "show last", "watch last", "balance", "waiting", "stats", "limits", "top --once",
     "quote SOL USDC 0.1", "tokens search SOL", "watch --timeout 0.2s", "daemon status"),
)  # fmt: skip
def test_what_looks_says_of_which_network_it_tells(cli: Cli, typed: str) -> None:
    cli.placed()
    for options in ([], ["--json"]):
        meant = cli.run(*typed.split(), *options, OEE_NETWORK="paper")
        done = cli.run(*typed.split(), *options, OEE_NETWORK="mainnet")
        assert (done.returncode, "is not in force" in meant.stderr) == (meant.returncode, False)
        assert done.stderr.count("OEE_NETWORK=mainnet is not in force") == 1, done.stderr
        assert "The daemon works on paper" in done.stderr and "oee daemon restart" in done.stderr
        assert "not in force" not in done.stdout


def test_the_file_is_named_where_it_says_the_network(cli: Cli) -> None:
    file = Path(cli.environ["XDG_CONFIG_HOME"]) / "oee" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('network = "localnet"\n')
    try:
        assert (
            "network = localnet in config.toml is not in force" in cli.run("balance", OEE_NETWORK="").stderr
        )
        assert cli.run("doctor", OEE_NETWORK="").stderr == ""
    finally:
        file.unlink()


def test_what_can_be_taken_back_is_not_bought_on_paper_either(cli: Cli) -> None:
    """By the chain's word of the mint: localnet's PULL has a permanent delegate."""
    (pull,) = cli.json("tokens", "search", "PULL")
    done = cli.run("buy", pull["mint"], "USDC", "--spend", "5", "--json")
    assert (done.returncode, refusal_of(done)) == (3, "unsafe_token")
    assert cli.json("buy", "JUP", "USDC", "--spend", "5")["status"] == "confirmed"


def test_no_key_is_made(cli: Cli) -> None:
    refused = cli.run("wallet", "show", OEE_NETWORK="paper")
    assert refused.returncode == 3 and "Nothing is signed on paper" in refused.stderr
    assert refused.stderr == cli.run("wallet", "new", "--no-passphrase", OEE_NETWORK="paper").stderr
    assert "none   nothing is signed" in cli.run("daemon", "status").stdout
    assert "none: nothing is signed on paper" in cli.run("doctor").stdout
    assert list((Path(cli.home) / "wallets").iterdir()) == []


def test_an_order_waits_for_mainnets_price(cli: Cli) -> None:
    done = cli.run(
        "limit", "sell", "SOL", "USDC", "0.1", "--at", "-4%", "--wait", "--timeout", "50", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    order = json.loads(done.stdout)
    assert (order["status"], order["firings"]) == ("confirmed", 1)


def test_a_new_token_is_bought_on_paper_too(cli: Cli, local: Local) -> None:
    local.order("listings", trap=None, after=12)
    mint = local.rpc("localnetListings")[0]["mint"]
    order_id = cli.json("snipe", mint, "USDC", "--spend", "20")["orderId"]
    order = until(partial(ended, cli, order_id), within=40)
    assert (order["status"], order["venue"], order["firings"]) == ("confirmed", "cpmm", 1), order["error"]
