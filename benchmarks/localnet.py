"""What localnet costs: a landing, a restart with 100,000 of them behind it, a quote, memory and idleness.

`python -m benchmarks.localnet [LANDED]`. CPU of this process where it says CPU; the rest is by the clock.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0, to_bytes_versioned
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet.litesvm_chain import Chain, Rules
from oee_daemon.networks.localnet.localnet_http_door import House
from oee_daemon.networks.localnet.localnet_sqlite import Ledger

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
#: Swaps that are really made; the file is filled up with copies of their rows.
REAL = 1_000


def trader(house: House, key: Keypair) -> Callable[[int], bytes]:
    """Makes the signed bytes of a swap; no two are the same."""

    def make(number: int) -> bytes:
        query = f"inputMint={SOL}&outputMint={USDC}&amount={10**6 + number}&slippageBps=100&txVersion=V0"
        quote = json.loads(house.answer("GET", f"/raydium/compute/swap-base-in?{query}", b"").body or b"")
        body = {
            "computeUnitPriceMicroLamports": "1", "swapResponse": quote, "txVersion": "V0",
            "wallet": str(key.pubkey()), "wrapSol": True, "unwrapSol": False,
        }  # fmt: skip
        told = house.answer("POST", "/raydium/transaction/swap-base-in", json.dumps(body).encode()).body
        wire = base64.b64decode(json.loads(told or b"")["data"][0]["transaction"])
        message = VersionedTransaction.from_bytes(wire).message
        assert isinstance(message, MessageV0)
        signature = key.sign_message(to_bytes_versioned(message))
        return bytes(VersionedTransaction.populate(message, [signature]))

    return make


def landings(chain: Chain, house: House) -> None:
    key = Keypair.from_seed(bytes(range(32)))
    params = [str(key.pubkey()), 10**13]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "requestAirdrop", "params": params}
    house.answer("POST", "/", json.dumps(asked).encode())
    make, spent, walls, whole = trader(house, key), [], [], []
    for number in range(REAL):
        begun = time.process_time()
        wire = make(number)
        made, wall = time.process_time(), time.perf_counter()
        chain.land(chain.read(wire))
        walls.append(time.perf_counter() - wall)
        ended = time.process_time()
        spent.append(ended - made)
        whole.append(ended - begun)
    cpu, wall = 1000 * median(spent), 1000 * median(walls)
    print(f"a landing            {cpu:8.2f} ms CPU, {wall:.2f} ms with its flush")
    print(f"with quote, signing  {1000 * median(whole):8.2f} ms CPU")


def fill(file: Path, count: int) -> None:
    """Copies of landings under other signatures, until there are so many."""
    with sqlite3.connect(file) as db:
        (there,) = db.execute("SELECT count(*) FROM landings").fetchone()
        for round_ in range(1, count // there + 1):
            db.execute(
                "INSERT INTO landings (signature, slot, unix, payer, memo, err, wire, meta)"
                " SELECT substr(signature, 1, 70) || ?, slot, unix, payer, memo, err, wire, meta"
                " FROM landings"
                " WHERE n <= ? LIMIT max(0, ? - (SELECT count(*) FROM landings))",
                (f"x{round_}", there, count),
            )
    db.close()


def restart(file: Path) -> None:
    took = []
    for _ in range(9):
        begun, wall = time.process_time(), time.perf_counter()
        ledger = Ledger(file)
        Chain(ledger, Rules(), lambda: time.time_ns() // 10**6)
        took.append((time.process_time() - begun, time.perf_counter() - wall))
        ledger.close()
    cpu, clock = (1000 * median(column) for column in zip(*took, strict=True))
    print(f"restart, in process  {cpu:8.1f} ms CPU, {clock:.1f} ms")


def process(file: Path, listen: Path) -> None:
    took = []
    for _ in range(7):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "oee_daemon.networks.localnet", str(file), "--listen", str(listen)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stdout.readline().startswith("ready")
        took.append(time.perf_counter() - begun)
        if len(took) == 7:
            usage = Path(f"/proc/{child.pid}/stat").read_text().split()
            time.sleep(5)
            later = Path(f"/proc/{child.pid}/stat").read_text().split()
            ticks = sum(int(later[n]) - int(usage[n]) for n in (13, 14))
            status = Path(f"/proc/{child.pid}/status").read_text()
            rss = int(status.partition("VmRSS:")[2].split()[0]) / 1024
            share = 100 * ticks / os.sysconf("SC_CLK_TCK") / 5
            print(f"idle                 {share:8.2f} % of a core, {rss:.0f} MB")
        child.terminate()
        child.wait()
        child.stdout.close()
    print(f"process to ready     {1000 * median(took):8.0f} ms")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.db"
        ledger = Ledger(file)
        chain = Chain(ledger, Rules(slippage=0), lambda: time.time_ns() // 10**6)
        landings(chain, House(chain, 0))
        ledger.close()
        fill(file, count)
        print(f"file of {count:,}     {file.stat().st_size / 10**6:8.0f} MB")
        restart(file)
        ledger = Ledger(file)
        some = Hash.default()
        begun = time.perf_counter()
        for _ in range(1_000):
            ledger.status(str(some))
        print(f"a status             {1000 * (time.perf_counter() - begun):8.1f} µs")
        ledger.close()
        process(file, Path(folder) / "s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
