"""The process: ready by a line, killed and back, one for each file, on loopback alone; and HTTP as clients
use it."""

from __future__ import annotations

import base64
import json
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.kit import forks
from tests.kit.daemons import NO_TLS

WALLET = str(Keypair.from_seed(bytes(32)).pubkey())


class Process:
    """A localnet of its own; `client` speaks to it."""

    def __init__(self, folder: Path, *options: str, listen: str | None = None) -> None:
        self.file = folder / "localnet" / "chain.db"
        self.listen = listen or str(folder / "s")
        self._options = options
        self.start()

    def start(self) -> None:
        self.child, said = forks.localnet([str(self.file), "--listen", self.listen, *self._options])
        with said:
            line = said.readline()
        assert line.startswith("ready "), line
        self.address = line.split()[1]
        there = self.address.startswith("/")
        transport = httpx.HTTPTransport(uds=self.address, verify=NO_TLS) if there else None
        self.client = httpx.Client(
            transport=transport,
            base_url="http://x" if there else f"http://{self.address}",
            trust_env=False,
            verify=NO_TLS,
        )

    def rpc(self, method: str, *params: Any) -> Any:
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        return self.client.post("/", json=asked).json()["result"]

    def end(self, number: signal.Signals) -> int:
        self.client.close()
        self.child.send_signal(number)
        return self.child.wait(10)


def paid(process: Process, key: Keypair, lamports: int) -> VersionedTransaction:
    """From a wallet to itself: it costs the fee."""
    recent = Hash.from_string(process.rpc("getLatestBlockhash")["value"]["blockhash"])
    given = TransferParams(from_pubkey=key.pubkey(), to_pubkey=key.pubkey(), lamports=lamports)
    return VersionedTransaction(MessageV0.try_compile(key.pubkey(), [transfer(given)], [], recent), [key])


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    found = Process(tmp_path, "--venue-ms", "0")
    yield found
    found.end(signal.SIGKILL)


def test_killed_at_any_time_it_has_what_it_said(process: Process) -> None:
    """Every airdrop that was answered is there after each of three kills, and the chain is the same one."""
    genesis, given = process.rpc("getGenesisHash"), 0
    for _ in range(3):
        for _ in range(5):
            process.rpc("requestAirdrop", WALLET, 10**9)
            given += 10**9
        process.end(signal.SIGKILL)
        process.start()
        assert process.rpc("getBalance", WALLET)["value"] == given
        assert process.rpc("getGenesisHash") == genesis
    with sqlite3.connect(process.file) as db:
        assert db.execute("SELECT count(*) FROM landings").fetchone() == (15,)
    db.close()


def test_killed_while_it_lands_something_it_has_all_of_it_or_nothing(process: Process) -> None:
    """Killed with a landing on its way, eight times: what the wallet has is what its landings say that they
    moved."""
    key = Keypair.from_seed(bytes(32))
    process.rpc("requestAirdrop", WALLET, 10**12)
    sent = []
    for n in range(8):
        tx = paid(process, key, 10**6 + n)
        sent.append(str(tx.signatures[0]))
        params = [base64.b64encode(bytes(tx)).decode(), {"encoding": "base64", "skipPreflight": True}]
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}).encode()
        with raw(process) as line:
            line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            if n % 2:
                answers(line, 1)
            process.end(signal.SIGKILL)
        process.start()
        statuses = process.rpc("getSignatureStatuses", sent, {"searchTransactionHistory": True})["value"]
        landed = [signature for signature, status in zip(sent, statuses, strict=True) if status is not None]
        assert set(sent[1::2]) <= set(landed)
        assert process.rpc("getBalance", WALLET)["value"] == 10**12 - 5_000 * len(landed)


def test_asked_to_stop_it_ends_well(tmp_path: Path) -> None:
    found = Process(tmp_path)
    assert found.end(signal.SIGTERM) == 0


def test_a_second_one_on_the_same_file_ends_at_once(process: Process, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "oee_daemon.networks.localnet",
        str(process.file),
        "--listen",
        str(tmp_path / "t"),
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 75 and "another localnet" in second.stderr
    assert process.rpc("getHealth") == "ok"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.168.1.1:80", "localhost:80", "::1:x"])
def test_it_listens_to_nobody_elsewhere(tmp_path: Path, listen: str) -> None:
    command = [sys.executable, "-m", "oee_daemon.networks.localnet", str(tmp_path / "c"), "--listen", listen]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 2 and "loopback" in told.stderr
    assert not (tmp_path / "c").exists()


def test_it_answers_on_a_loopback_port(tmp_path: Path) -> None:
    found = Process(tmp_path, listen="127.0.0.1:0")
    assert found.rpc("getHealth") == "ok"
    assert found.client.get("/health").status_code == 404 and found.client.get("/").text == "ok"
    found.end(signal.SIGKILL)


def test_a_fault_that_another_process_orders_counts_at_once(process: Process) -> None:
    with sqlite3.connect(process.file) as db:
        db.execute("INSERT INTO faults (target, kind, remaining) VALUES ('read', '429', 1)")
    db.close()
    asked = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}
    refused = process.client.post("/", json=asked)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert process.client.post("/", json=asked).json()["result"] > 0


def test_a_line_may_be_cut_and_the_next_one_holds(process: Process) -> None:
    with sqlite3.connect(process.file) as db:
        db.execute("INSERT INTO faults (target, kind, remaining) VALUES ('read', 'cut', 1)")
    db.close()
    with pytest.raises(httpx.RemoteProtocolError):
        process.rpc("getSlot")
    assert process.rpc("getSlot")


def raw(process: Process) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.connect(process.address)
    line.settimeout(10)
    return line


def answers(line: socket.socket, count: int) -> list[Any]:
    got = b""
    found: list[Any] = []
    while len(found) < count:
        while b"\r\n\r\n" not in got:
            got += line.recv(65536)
        head, _, rest = got.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(rest) < size:
            rest += line.recv(65536)
        found.append(json.loads(rest[:size]))
        got = rest[size:]
    return found


def test_requests_one_after_another_are_answered_in_their_order(tmp_path: Path) -> None:
    """Three on one line at once, of which the first takes its time; and one that is cut into pieces."""
    process = Process(tmp_path, "--venue-ms", "50")
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "getSlot"}).encode()
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    get = b"GET /jupiter/swap/v1/program-id-to-label HTTP/1.1\r\nHost: x\r\n\r\n"
    with raw(process) as line:
        line.sendall(get + post + get)
        labels, slot, again = answers(line, 3)
        assert labels == again and slot["id"] == 7
        line.sendall(post[:20])
        assert not select.select([line], [], [], 0)[0]
        line.sendall(post[20:])
        assert answers(line, 1)[0]["id"] == 7
        line.sendall(b"no http at all\r\n\r\n")
        assert line.recv(10) == b""
    process.end(signal.SIGKILL)


def test_a_request_that_is_too_long_is_refused(process: Process) -> None:
    told = process.client.post("/", content=b" " * 60_000 + b"{}")
    assert told.status_code == 413
    assert process.rpc("getSlot")


def test_what_is_delayed_lands_although_nobody_asks(tmp_path: Path) -> None:
    """Seen from the file alone."""
    process = Process(tmp_path, "--slot-ms", "10")
    process.rpc("requestAirdrop", WALLET, 10**9)
    with sqlite3.connect(process.file, timeout=30, isolation_level=None) as db:
        db.execute("INSERT INTO faults (target, kind, ms) VALUES ('fate', 'delayed', 100)")

        key = Keypair.from_seed(bytes(32))
        tx = paid(process, key, 5)
        options = {"encoding": "base64", "skipPreflight": True}
        signature = process.rpc("sendTransaction", base64.b64encode(bytes(tx)).decode(), options)
        version = db.execute("PRAGMA data_version").fetchone()
        found = "SELECT count(*) FROM landings WHERE signature = ?"
        while db.execute(found, (signature,)).fetchone() == (0,):
            while db.execute("PRAGMA data_version").fetchone() == version:
                assert process.child.poll() is None
            version = db.execute("PRAGMA data_version").fetchone()
    db.close()
    process.end(signal.SIGKILL)
