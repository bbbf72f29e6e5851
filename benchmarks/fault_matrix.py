"""The table of outcomes over localnet's nodes and faults: how many swaps were doubled, lost or stuck.

`python -m benchmarks.fault_matrix [--orders 30] [--seeds 1 2 3] [--only WORDS]`: in each scenario and seed so
many orders, ten at once, each until it is said to have landed, by as many swaps as that takes. The engine's
own client of Solana trades; localnet's ledger judges, once nothing can land any more.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from benchmarks.bench import until
from oee_cli.drill.drill_localnet_ledger import are_due, localnet_landings
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.solana.guard.guard_solana import SolanaGuard
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import Cases
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Landed, Lapsed, QuoteRequest, Rejected, SignedSwap, Unknown
from oee_daemon.orders.tokens import TOKENS

#: Milliseconds; slots from a signature to its proven lapse; seconds that one lapse takes.
SLOT_MS, LAPSE_SLOTS = 20, 190
LAPSE_S = LAPSE_SLOTS * SLOT_MS / 1000
#: Units of SOL that each order sells, and lamports that a swap may pay.
AMOUNT, FEE_CAP = 10**6, 200_000
DEADLINE_S = 5.0
#: Seconds for one order, with all of its attempts.
PATIENCE_S = 40 * LAPSE_S

Row = Mapping[str, Any]
#: What goes wrong in every scenario, and what in those with forks.
FAULTS: Sequence[Row] = (
    {"target": "send", "kind": "drop", "percent": 20},
    {"target": "send", "kind": "cut", "landed": 1, "percent": 15},
    {"target": "send", "kind": "503", "percent": 10},
    {"target": "fate", "kind": "never", "percent": 12},
    {"target": "fate", "kind": "late", "blocks": 1, "percent": 12},
    {"target": "fate", "kind": "delayed", "ms": 300, "percent": 10},
    {"target": "read", "kind": "503", "percent": 5},
    {"target": "read", "kind": "null", "percent": 5},
    {"target": "read", "kind": "html", "percent": 3},
)
FORKS: Sequence[Row] = ({"target": "chain", "kind": "fork", "blocks": 12, "percent": 2},)
LATE: Sequence[Row] = ({"target": "fate", "kind": "late", "blocks": 1, "percent": 50},)
LAG: Row = {"name": "late", "lag": 60}
MORE: Row = {"name": "later", "lag": 120}
LIAR: Row = {"name": "liar", "height_is_slot": 1}
GHOST: Row = {"name": "ghost", "ghost": 1}
NONE: Row = {"name": "none", "history": "none"}
PRUNED: Row = {"name": "pruned", "history": "pruned"}


@dataclass(frozen=True)
class Scenario:
    nodes: Sequence[Row]
    asked: Sequence[str]
    faults: Sequence[Row] = ()
    final: int = 1


SCENARIOS: Mapping[str, Scenario] = {
    "healthy and 60 slots behind": Scenario([LAG], ["", "node/late"]),
    "two that lag": Scenario([LAG, MORE], ["node/late", "node/later"]),
    "one balancer over three": Scenario(
        [LAG, MORE, {"name": "lb", "members": "main,late,later"}], ["node/lb"]
    ),
    "balancers without batches": Scenario(
        [LAG, {"name": "lb", "members": "main,late", "batches": 0}], ["node/lb", "node/lb"]
    ),
    "slots for heights": Scenario([LIAR], ["", "node/liar"]),
    "slots for heights, half of all late": Scenario([LIAR], ["", "node/liar"], LATE),
    "no history, pruned, full": Scenario([NONE, PRUNED], ["node/none", "node/pruned", ""]),
    "forks and ghosts": Scenario([GHOST], ["", "node/ghost"], FORKS, 32),
    "forks behind a balancer": Scenario(
        [GHOST, LAG, {"name": "lb", "members": "main,ghost,late"}], ["node/lb", ""], FORKS, 32
    ),
    "one alone": Scenario([], [""], FORKS, 8),
    "half of all late": Scenario([LAG], ["", "node/late"], LATE),
    "everything behind one name": Scenario(
        [LAG, LIAR, GHOST, NONE, PRUNED, {"name": "lb", "members": "main,late,liar,ghost,none,pruned"}],
        ["", "node/lb", "node/late"], FORKS, 8,
    ),
}  # fmt: skip


@dataclass
class Tally:
    orders: int = 0
    signed: int = 0
    lapsed: int = 0
    rejected: int = 0
    refused: int = 0
    doubled: int = 0
    lost: int = 0
    stuck: int = 0
    longest_s: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> str:
        figures = (self.orders, self.signed, self.lapsed, self.rejected, self.doubled, self.lost, self.stuck)
        return f"| {name} | {' | '.join(map(str, figures))} | {self.longest_s / LAPSE_S:.1f} |"


@contextmanager
def chain_of(scenario: Scenario, seed: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Its address and file; faults are ordered once the wallet has its money."""
    file = folder / "chain.db"
    command = [
        sys.executable, "-m", "oee_daemon.networks.localnet", str(file), "--listen", "127.0.0.1:0",
        "--slot-ms", str(SLOT_MS), "--seed", str(seed), "--final", str(scenario.final), "--venue-ms", "0",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield f"http://{child.stdout.readline().split()[1]}", file
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def order_rows(file: Path, table: str, rows: Sequence[Row]) -> None:
    with closing(sqlite3.connect(file, timeout=10)) as db, db:
        for row in rows:
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608


def ask(address: str, method: str, *params: Any) -> Any:
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx.post(address, json=asked, trust_env=False).json()["result"]


def to_itself(address: str, payer: Keypair) -> str:
    """A transfer of one lamport, in base 64."""
    me, recent = payer.pubkey(), Hash.from_string(ask(address, "getLatestBlockhash")["value"]["blockhash"])
    moved = transfer(TransferParams(from_pubkey=me, to_pubkey=me, lamports=1))
    message = MessageV0.try_compile(me, [moved], [], recent)
    return base64.b64encode(bytes(VersionedTransaction(message, [payer]))).decode()


def is_final(statuses: Any) -> bool:
    (status,) = statuses["value"]
    return status is not None and status["confirmationStatus"] == "finalized"


class Trader:
    """What a worker does with an order, with nothing but the chain and one venue."""

    def __init__(self, address: str, scenario: Scenario, wallet: Wallet, genesis: str, tally: Tally) -> None:
        self.pool = open_pool([f"{address}/{node}" for node in scenario.asked], 1000.0, 1000)
        self.api = Api("raydium", Site(f"{address}/raydium"), Bucket(1000.0, 1000))
        self.venue = RaydiumVenue(self.api, Pricing(self.pool, fee_cap=FEE_CAP))
        self.guard = SolanaGuard(self.pool, fee_cap=FEE_CAP)
        self.chain = SolanaChain(
            self.pool, wallet=wallet.address, genesis=genesis, fastest_slot_ms=SLOT_MS / 2, poll_s=0.03
        )
        self.cases = Cases(self.chain.nodes)
        self.wallet, self.tally = wallet, tally

    async def close(self) -> None:
        await self.pool.close()
        await self.api.close()

    async def signed(self, order: UUID, attempt: int) -> SignedSwap:
        request = QuoteRequest(
            input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=AMOUNT, mode=SwapMode.EXACT_IN,
            number=1, attempt=attempt,
        )  # fmt: skip
        quote = await self.venue.quote(request, DEADLINE_S)
        bound = quote.amount_out * 99 // 100
        plan = Plan(order_id=order, request=request, quote=quote, bound=bound, payer=self.wallet.address)
        anchor = await self.chain.anchor(DEADLINE_S)
        unsigned = await self.venue.build(plan, anchor, DEADLINE_S)
        await self.guard.check(unsigned, plan)
        return self.wallet.sign(unsigned, order, attempt)

    async def outcome(self, swap: SignedSwap) -> Landed | Rejected | Lapsed | None:
        """None where nobody knew it for three lapses."""
        begun = time.monotonic()
        while (took := time.monotonic() - begun) < 3 * LAPSE_S + DEADLINE_S:
            with suppress(ChainUnavailable):
                await self.chain.submit(swap, DEADLINE_S)
            with suppress(ChainUnavailable):
                said = self.cases.judge(swap, await self.chain.look(swap, 0.2))
                self.tally.longest_s = max(self.tally.longest_s, took)
                if not isinstance(said, Unknown):
                    return said
        return None

    async def bought(self) -> tuple[UUID, bool]:
        """The order, and whether it is said to have landed."""
        order, attempt, end = uuid4(), 0, time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                swap = await self.signed(order, attempt + 1)
            except (AttemptFailed, ChainUnavailable) as e:
                code = getattr(e, "code", "chain_unavailable")
                self.tally.codes[code] += 1
                self.tally.refused += str(code).startswith("unsafe")
                continue
            attempt += 1
            self.tally.signed += 1
            said = await self.outcome(swap)
            self.tally.stuck += said is None
            self.tally.lapsed += isinstance(said, Lapsed)
            self.tally.rejected += isinstance(said, Rejected)
            if said is None or isinstance(said, Landed):
                return order, said is not None
        self.tally.stuck += 1
        return order, False


async def trade(address: str, file: Path, scenario: Scenario, orders: int, tally: Tally) -> dict[UUID, bool]:
    """The orders, and whether each is said to have landed."""
    wallet = Wallet(keypair := Keypair())
    genesis = ask(address, "getGenesisHash")
    given = ask(address, "requestAirdrop", wallet.address, 100 * 10**9)
    # A fork that is ordered before could take it back.
    until(lambda: is_final(ask(address, "getSignatureStatuses", [given])) or None, 10, "the money's finality")
    # What gave the money is listed as the wallet's on Solana; on localnet what it pays for is. It is of
    # before any anchor that the node furthest behind gives.
    given = ask(address, "sendTransaction", to_itself(address, keypair), {"encoding": "base64"})
    until(lambda: is_final(ask(address, "getSignatureStatuses", [given])) or None, 10, "its first landing")
    furthest = ask(address, "getSlot") + max((row.get("lag", 0) for row in scenario.nodes), default=0)
    until(lambda: ask(address, "getSlot") > furthest or None, 10, "the slots that a node lags")
    order_rows(file, "nodes", scenario.nodes)
    order_rows(file, "faults", [*scenario.faults, *FAULTS])
    trader, slots = Trader(address, scenario, wallet, genesis, tally), asyncio.Semaphore(10)

    async def one() -> tuple[UUID, bool]:
        async with slots:
            return await trader.bought()

    try:
        return dict(await asyncio.gather(*(one() for _ in range(orders))))
    finally:
        await trader.close()


def judge(file: Path, ended: Mapping[UUID, bool], tally: Tally) -> None:
    """By the ledger, once nothing can land any more."""
    until = time.monotonic() + LAPSE_S
    while time.monotonic() < until or are_due(file):
        time.sleep(0.1)
    landed = Counter(landing.order_id for landing in localnet_landings(file))
    tally.orders += len(ended)
    tally.doubled += sum(count > 1 for count in landed.values())
    # One that nobody knew for three lapses is stuck, whatever became of it.
    tally.lost += sum(landed[order.hex] == 0 for order, said in ended.items() if said)


def main() -> int:
    read = argparse.ArgumentParser(prog="python -m benchmarks.fault_matrix", description=__doc__)
    read.add_argument("--orders", type=int, default=30, help="in each scenario and seed")
    read.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    read.add_argument("--only", default="", help="scenarios whose names have these words")
    told = read.parse_args()
    print("| scenario | orders | signed | lapsed | rejected | doubled | lost | stuck | longest, lapses |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    total = Tally()
    for name, scenario in SCENARIOS.items():
        if told.only not in name:
            continue
        tally = Tally()
        for seed in told.seeds:
            with tempfile.TemporaryDirectory() as folder, chain_of(scenario, seed, Path(folder)) as chain:
                judge(chain[1], asyncio.run(trade(*chain, scenario, told.orders, tally)), tally)
        print(tally.row(name), flush=True)
        total = replace(
            total,
            **{
                name: getattr(total, name) + getattr(tally, name)
                for name in (
                    "orders", "signed", "lapsed", "rejected", "refused", "doubled", "lost", "stuck", "codes",
                )
            },
            longest_s=max(total.longest_s, tally.longest_s),
        )  # fmt: skip
    print(total.row("all"))
    print(f"\nnot signed: {dict(total.codes)}; refused by a rule of the guard: {total.refused}")
    return 1 if total.doubled or total.lost or total.stuck else 0


if __name__ == "__main__":
    sys.exit(main())
