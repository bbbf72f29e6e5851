"""How long it takes until lapsed swaps of long ago are decided at one poor RPC endpoint.

`python -m benchmarks.old_swaps [--orders 16] [--delay 0.4] [--per-s 10]`: the endpoint takes no
batches, so long for each call, and lists nothing: its blocks alone tell. Ten threads hold the orders as a
worker's do, and let go of each as those do. Blocks come as fast as mainnet's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from oee_daemon.engine.engine_moves import backoff
from oee_daemon.errors import ChainUnavailable
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.localnet.litesvm_chain import Chain, Rules
from oee_daemon.networks.localnet.localnet_http_door import House
from oee_daemon.networks.localnet.localnet_sqlite import Ledger
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_programs import MEMO
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.verdict import Cases
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import SignedSwap, Unknown, UnsignedSwap
from oee_daemon.timing import USUAL

#: Seconds of a slot; slots between two of the swaps, and after which no node's cache knows them.
SLOT_S, BETWEEN, LONG = 0.214, 3, 1_000
THREADS = 10
#: Seconds after which it is given up.
PATIENCE_S = 420.0
#: What it does not sell.
UNSOLD = "getSignaturesForAddress"


class PoorSite(Site):
    """A localnet behind a line of `delay` seconds that takes no batches."""

    def __init__(self, house: House, delay: float) -> None:
        self.name, self.transport = "poor.example", "https"
        self._house, self._delay = house, delay
        self.asked: Counter[str] = Counter()

    async def post(self, path: str, body: bytes) -> Reply:
        await asyncio.sleep(self._delay)
        call = json.loads(body)
        if isinstance(call, list):
            return _refuse(None, -32600, "no batches")
        self.asked[call["method"]] += 1
        if call["method"] == UNSOLD:
            return _refuse(call["id"], -32601, "Method not found")
        return Reply(200, {}, self._house.answer("POST", "/", body).body or b"")

    async def close(self) -> None:
        pass


def _refuse(number: int | None, code: int, message: str) -> Reply:
    said = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
    return Reply(200, {}, json.dumps(said).encode())


class Clock:
    """The chain's, milliseconds: set by hand at first, then as fast as mainnet."""

    def __init__(self, slot_ms: float) -> None:
        self.slot_ms, self.at, self._since = slot_ms, 1_800_000_000_000.0, 0.0

    def __call__(self) -> int:
        slots = (time.monotonic() - self._since) / SLOT_S if self._since else 0.0
        return int(self.at + slots * self.slot_ms)

    def pass_slots(self, count: int) -> None:
        self.at += count * self.slot_ms

    def run(self) -> None:
        self._since = time.monotonic()


def _sign(key: Keypair, told: Any, epoch: Any) -> SignedSwap:
    """A transfer to oneself with the memo that a swap has."""
    anchored = Anchored(slot=epoch["absoluteSlot"], height=epoch["blockHeight"])
    order_id, me = uuid4(), key.pubkey()
    memo = Instruction(Pubkey.from_string(MEMO), Memo(order_id, 1, anchored).text(), [])
    pay = transfer(TransferParams(from_pubkey=me, to_pubkey=me, lamports=1))
    recent = Hash.from_string(told["value"]["blockhash"])
    message = to_bytes_versioned(MessageV0.try_compile(me, [pay, memo], [], recent))
    last = told["value"]["lastValidBlockHeight"]
    return Wallet(key).sign(UnsignedSwap(message=message, last_valid_height=last), order_id, 1)


async def measure(folder: Path, asked: argparse.Namespace) -> None:
    rules = Rules(slippage=0)
    clock = Clock(rules.slot_ms)
    house = House(Chain(Ledger(folder / "chain.db"), rules, clock), venue_ms=0)
    key = Keypair()

    def rpc(method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [*params]}
        return json.loads(house.answer("POST", "/", json.dumps(body).encode()).body or b"")["result"]

    rpc("requestAirdrop", str(key.pubkey()), 10**9)
    clock.pass_slots(100)
    swaps = []
    for _ in range(asked.orders):
        swaps.append(_sign(key, rpc("getLatestBlockhash"), rpc("getEpochInfo")))
        clock.pass_slots(BETWEEN)
    clock.pass_slots(LONG)
    site = PoorSite(house, asked.delay)
    pool = Pool([Endpoint(site, Bucket(asked.per_s, 10))])
    chain = BoundedChain(
        SolanaChain(pool, wallet=str(key.pubkey()), genesis=rpc("getGenesisHash"), fastest_slot_ms=1e-6),
        FaultLog(),
    )
    clock.run()
    took = await _decide(chain, swaps)
    told = f"{len(took)} of {asked.orders} decided, the last after {max(took, default=0):.0f} s"
    print(f"{told}; {site.asked.total()} calls, {site.asked['getBlock']} of them for blocks")


async def _decide(chain: BoundedChain, swaps: list[SignedSwap]) -> list[float]:
    """Seconds after which each was."""
    begun, threads, cases, took = time.monotonic(), asyncio.Semaphore(THREADS), Cases(1), list[float]()

    async def hold(swap: SignedSwap) -> bool:
        until = time.monotonic() + chain.expected_s() + USUAL.ask_s
        while time.monotonic() < until:
            with suppress(ChainUnavailable):
                await chain.submit(swap)
            try:
                outcome = cases.judge(swap, await chain.look(swap, wait_s=USUAL.resend_s))
            except ChainUnavailable:
                await asyncio.sleep(USUAL.resend_s / 4)
                continue
            if not isinstance(outcome, Unknown):
                took.append(time.monotonic() - begun)
                return True
        return False

    async def follow(swap: SignedSwap) -> None:
        asks = 0
        while True:
            async with threads:
                if await hold(swap):
                    return
            asks += 1
            await asyncio.sleep(backoff(asks, USUAL.pause_s).total_seconds())

    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*map(follow, swaps))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=16)
    parser.add_argument("--delay", type=float, default=0.4)
    parser.add_argument("--per-s", type=float, default=10.0)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), parser.parse_args()))


if __name__ == "__main__":
    main()
