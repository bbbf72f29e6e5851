"""A localnet process for a test: a chain of 20 ms slots, a wallet with play money, and its ledger's word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from solders.keypair import Keypair

from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.tokens import TOKENS
from tests.kit import forks
from tests.kit.daemons import NO_TLS

SLOT_MS = 20


@dataclass
class Local:
    address: str
    file: Path
    key: Keypair

    def __post_init__(self) -> None:
        self.wallet = Wallet(self.key)
        # Before any fault was ordered.
        self.genesis: str = self.rpc("getGenesisHash")

    def rpc(self, method: str, *params: Any) -> Any:
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return httpx.post(self.address, json=asked, trust_env=False, verify=NO_TLS).json()["result"]

    def fund(self) -> None:
        """10 SOL, and 1,000 of each of two tokens."""
        self.rpc("requestAirdrop", self.wallet.address, 10 * 10**9)
        for symbol in ("USDC", "BONK"):
            token = TOKENS[symbol]
            self.rpc("localnetMint", self.wallet.address, token.mint, 1_000 * 10**token.decimals)

    def order(self, table: str, **row: Any) -> None:
        """A row that nodes or faults are made of."""
        with sqlite3.connect(self.file, timeout=10) as db:
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608
        db.close()

    def landed(self) -> Sequence[tuple[str, str | None]]:
        """Signature and error of each landing of the wallet's, from the file itself."""
        db = sqlite3.connect(self.file, timeout=10)
        try:
            found = db.execute("SELECT signature, err FROM landings WHERE payer = ?", [self.wallet.address])
            return found.fetchall()
        finally:
            db.close()


@contextmanager
def localnet(folder: Path, *options: str) -> Iterator[Local]:
    file = folder / "chain.db"
    child, said = forks.localnet(
        [
            str(file), "--listen", "127.0.0.1:0",
            "--slot-ms", str(SLOT_MS), "--slippage", "0", "--venue-ms", "0", *options,
        ]
    )  # fmt: skip
    try:
        line = said.readline()
        assert line.startswith("ready "), line
        local = Local(f"http://{line.split()[1]}", file, Keypair.from_seed(bytes(range(32))))
        local.fund()
        yield local
    finally:
        child.kill()
        child.wait()
        said.close()
