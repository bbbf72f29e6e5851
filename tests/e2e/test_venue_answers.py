"""What each bad answer of a venue or an endpoint ends in: sentence, code, exit, and nothing that was sent."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from tests.e2e.test_mainnet import addresses, with_key
from tests.kit.commands import Cli, serving
from tests.networks.solana.local import Local, localnet

#: By the kind of answer, what is said of the venue that gave it.
SENTENCES = {
    "html": "did not answer",
    "cut": "did not answer",
    "hang": "did not answer",
    "slow": "did not answer",
    "huge": "did not answer",
    "503": "did not answer: HTTP 503",
    "429": "did not answer: HTTP 429",
    "empty": "(gave an answer of another shape|refuses it: nothing that is known)",
    "wrong_mint": "gave an answer of another shape",
}
#: It is like an honest price until the swap is built, whose own bound then does not keep the order's.
MOVES = "'s price moves too fast to build on it"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with localnet(tmp_path_factory.mktemp("localnet"), "--slot-ms", "400") as found:
        yield found


@pytest.fixture(scope="module")
def cli(servers: Servers, template: str, local: Local, file_homes: Path) -> Iterator[Cli]:
    home = with_key(file_homes / "h", local)
    (home / "wallets" / "mainnet.json").rename(home / "wallets" / "localnet.json")
    environ = addresses(local) | {
        "OEE_NETWORK": "localnet",
        "OEE_VENUES": "raydium,jupiter",
        "OEE_MAX_ATTEMPTS": "1",
    }
    with serving(servers, template, home, **environ) as (found, _):
        # While no endpoint says which chain it is, no worker begins.
        assert found.json("sell", "SOL", "USDC", "0.01", "--slippage", "5%")["status"] == "confirmed"
        yield found


@pytest.mark.parametrize("kind", [*SENTENCES, "wrong_amount"])
def test_a_bad_answer_of_every_venue_fails_the_order_and_sends_nothing(
    cli: Cli, local: Local, kind: str
) -> None:
    before = local.landed()
    for target in ("raydium", "jupiter"):
        local.order("faults", target=target, kind=kind, ms=5000)
    try:
        done = cli.run("sell", "SOL", "USDC", "0.01", "--json")
    finally:
        with closing(sqlite3.connect(local.file, timeout=10)) as db, db:
            db.execute("DELETE FROM faults")
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"]) == (7, "failed")
    error = order["error"]
    if kind in SENTENCES:
        assert error["code"] == "no_route"
        for venue in ("raydium", "jupiter"):
            assert re.search(f"{venue} {SENTENCES[kind]}", error["message"]), error
    else:
        assert error["code"] == "venue_moves" and MOVES in error["message"]
    assert order["signature"] is None and local.landed() == before
    assert "Traceback" not in done.stderr


#: By what the one RPC endpoint answers to whatever is read, what is said of it.
ENDPOINT = {
    "html": "HTTP 200|no JSON",
    "503": "HTTP 503",
    "cut": "the connection was cut",
    "null": "no accounts|another chain|says nothing",
    "unhealthy": "error -32005",
    "hang": "nothing within|did not say within",
    "429": "HTTP 429|left alone",
}


@pytest.mark.parametrize("kind", ENDPOINT)
def test_a_bad_endpoint_fails_the_order_and_sends_nothing(cli: Cli, local: Local, kind: str) -> None:
    before = local.landed()
    local.order("faults", target="read", kind=kind, ms=5000)
    try:
        done = cli.run("sell", "SOL", "USDC", "0.01", "--json")
    finally:
        with closing(sqlite3.connect(local.file, timeout=10)) as db, db:
            db.execute("DELETE FROM faults")
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"], order["error"]["code"]) == (7, "failed", "chain_unavailable")
    assert re.search(ENDPOINT[kind], order["error"]["message"]), order["error"]
    assert order["signature"] is None and local.landed() == before
    assert "Traceback" not in done.stderr
