"""A localnet in this process, on a clock that is held; and what a trader has to talk to it with.

Nothing of localnet's own formulas or layouts is used here: solders reads what it says, and the tests reckon
by themselves.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet.litesvm_chain import Chain, Rules
from oee_daemon.networks.localnet.localnet_http_door import Answer, House
from oee_daemon.networks.localnet.localnet_sqlite import Ledger

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
BONK = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"


#: The files of new chains, by all that decides what is in them.
_BEGUN: dict[tuple[int, bytes | None, int, bool, int], bytes] = {}


@dataclass
class Localnet:
    """`rpc` returns the result and raises `AssertionError` for an error; `raw` returns the whole answer."""

    path: Path
    rules: Rules
    ms: int = 1_800_000_000_000
    wallet: Keypair = field(default_factory=lambda: Keypair.from_seed(bytes(range(32))))

    def __post_init__(self) -> None:
        """A new one begins with a copy of what one of its kind began with, in half the time."""
        rules = self.rules
        kind = rules.seed, rules.genesis, rules.slot_ms, rules.devnet, self.ms
        begun = _BEGUN.get(kind)
        if begun is not None:
            self.path.write_bytes(begun)
        self.open()
        if begun is None:
            self.ledger.close()
            _BEGUN[kind] = self.path.read_bytes()
            self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path)
        self.chain = Chain(self.ledger, self.rules, lambda: self.ms)
        self.house = House(self.chain, venue_ms=0)

    def reopen(self) -> None:
        """As after a kill: nothing but the file is left."""
        self.ledger.close()
        self.open()

    def answer(self, verb: str, target: str, body: bytes = b"") -> Answer:
        return self.house.answer(verb, target, body)

    def raw(self, method: str, *params: Any, node: str = "") -> str:
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        found = self.answer("POST", f"/node/{node}" if node else "/", json.dumps(asked).encode())
        assert found.body is not None
        return found.body.decode()

    def told(self, method: str, *params: Any, node: str = "") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw(method, *params, node=node))
        return found

    def rpc(self, method: str, *params: Any, node: str = "") -> Any:
        found = self.told(method, *params, node=node)
        assert "result" in found, found
        return found["result"]

    def get(self, path: str, **query: Any) -> Any:
        found = self.answer("GET", f"{path}?{urlencode(query)}")
        assert found.body is not None
        return json.loads(found.body)

    def post(self, path: str, body: Any) -> Any:
        found = self.answer("POST", path, json.dumps(body).encode())
        assert found.body is not None
        return json.loads(found.body)

    def blocks(self, count: int) -> None:
        """Lets that many slots pass, of which every twentieth has no block."""
        self.ms += count * self.rules.slot_ms

    def order(self, table: str, **columns: Any) -> None:
        """A row written by somebody else."""
        with sqlite3.connect(self.path) as db:
            names = ", ".join(columns)
            marks = ", ".join("?" * len(columns))
            db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608
        db.close()

    def fund(self, lamports: int = 100 * 10**9, usdc: int = 10_000 * 10**6) -> None:
        self.rpc("requestAirdrop", str(self.wallet.pubkey()), lamports)
        if usdc:
            self.rpc("localnetMint", str(self.wallet.pubkey()), USDC, usdc)

    def held(self, mint: str) -> int:
        """Of one token, in all accounts of the wallet."""
        accounts = self.rpc(
            "getTokenAccountsByOwner", str(self.wallet.pubkey()), {"mint": mint}, {"encoding": "jsonParsed"}
        )["value"]
        return sum(int(a["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"]) for a in accounts)

    def signed(self, wire: str, *, fresh: bool = True) -> VersionedTransaction:
        """A venue's transaction with a blockhash of our own, signed."""
        message = VersionedTransaction.from_bytes(base64.b64decode(wire)).message
        assert isinstance(message, MessageV0)
        if fresh:
            recent = Hash.from_string(self.rpc("getLatestBlockhash")["value"]["blockhash"])
            message = MessageV0(
                message.header,
                message.account_keys,
                recent,
                message.instructions,
                message.address_table_lookups,
            )
        signature = self.wallet.sign_message(to_bytes_versioned(message))
        return VersionedTransaction.populate(message, [signature])

    @staticmethod
    def signed_wire(tx: VersionedTransaction) -> str:
        return base64.b64encode(bytes(tx)).decode()

    def send(self, tx: VersionedTransaction, *, node: str = "", **options: Any) -> str:
        given = {"encoding": "base64", "skipPreflight": True, **options}
        signature: str = self.rpc("sendTransaction", self.signed_wire(tx), given, node=node)
        assert signature == str(tx.signatures[0])
        return signature

    def status(self, signature: str, node: str = "") -> Any:
        asked = [signature], {"searchTransactionHistory": True}
        return self.rpc("getSignatureStatuses", *asked, node=node)["value"][0]

    def raydium(
        self, mint_in: str, mint_out: str, amount: int, bps: int = 50, *, exact_out: bool = False
    ) -> Any:
        way = "out" if exact_out else "in"
        return self.get(
            f"/raydium/compute/swap-base-{way}",
            inputMint=mint_in, outputMint=mint_out, amount=amount, slippageBps=bps, txVersion="V0",
        )  # fmt: skip

    def raydium_tx(self, quote: Any, **more: Any) -> str:
        way = "out" if quote["data"]["swapType"] == "BaseOut" else "in"
        body = {
            "computeUnitPriceMicroLamports": "1000", "swapResponse": quote, "txVersion": "V0",
            "wallet": str(self.wallet.pubkey()), "wrapSol": quote["data"]["inputMint"] == SOL,
            "unwrapSol": quote["data"]["outputMint"] == SOL, **more,
        }  # fmt: skip
        found = self.post(f"/raydium/transaction/swap-base-{way}", body)
        assert found["success"], found
        wire: str = found["data"][0]["transaction"]
        return wire

    def jupiter_tx(self, mint_in: str, mint_out: str, amount: int, bps: int = 50, **more: Any) -> str:
        asked = {"inputMint": mint_in, "outputMint": mint_out, "amount": amount, "slippageBps": bps, **more}
        quote = self.get("/jupiter/swap/v1/quote", **asked)
        assert "outAmount" in quote, quote
        body = {"userPublicKey": str(self.wallet.pubkey()), "quoteResponse": quote}
        wire: str = self.post("/jupiter/swap/v1/swap", body)["swapTransaction"]
        return wire


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Localnet]]:
    """Localnets of their own files, with rules of their own."""
    made: list[Localnet] = []

    def one(**rules: Any) -> Localnet:
        found = Localnet(tmp_path / f"chain{len(made)}.db", Rules(**{"slippage": 0, **rules}))
        made.append(found)
        return found

    yield one
    for found in made:
        found.ledger.close()


@pytest.fixture
def net(make: Callable[..., Localnet]) -> Localnet:
    return make()
