"""The wallet: one keypair, made once, closed to others, and signatures that are known beforehand."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import Transaction, VersionedTransaction

from oee_daemon.errors import AttemptFailed
from oee_daemon.networks.wallet import Wallet, make_wallet, open_wallet
from oee_daemon.orders.swap import UnsignedSwap
from oee_daemon.start_errors import OtherEngine, StartFailed


def _unsigned(wallet: Wallet, data: bytes = b"x") -> UnsignedSwap:
    payer = Pubkey.from_string(wallet.address)
    message = Message.new_with_blockhash([Instruction(Pubkey.default(), data, [])], payer, Hash.default())
    return UnsignedSwap(message=bytes(message), last_valid_height=150)


def made(path: Path) -> Wallet:
    make_wallet(path)
    return open_wallet(path)


def test_a_wallet_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "wallets" / "simulated.json"
    former = os.umask(0)
    try:
        address = made(path).address
    finally:
        os.umask(former)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["simulated.json"]
    assert made(path).address == address


def test_opening_makes_no_key(tmp_path: Path) -> None:
    path = tmp_path / "wallets" / "w.json"
    with pytest.raises(StartFailed, match=r"There is no key at .*w\.json") as caught:
        open_wallet(path)
    assert caught.value.code == "key_file"
    with pytest.raises(OtherEngine, match=r"whose wallet is somebody"):
        open_wallet(path, lambda: "somebody")
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_one_that_solanas_own_tools_read(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    address = made(path).address
    content = json.loads(path.read_text())
    assert len(content) == 64 and all(type(n) is int for n in content)
    assert str(Keypair.from_json(path.read_text()).pubkey()) == address


def test_processes_that_make_it_at_once_share_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from oee_daemon.networks.wallet import make_wallet, open_wallet\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "make_wallet(Path(sys.argv[1])); print(open_wallet(Path(sys.argv[1])).address)\n"
    )
    path = tmp_path / "w.json"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    addresses = {process.communicate("go\n", timeout=30)[0].strip() for process in started}
    assert addresses == {open_wallet(path).address}
    assert all(process.returncode == 0 for process in started)
    assert [p.name for p in tmp_path.iterdir()] == ["w.json"]


def test_two_of_one_process_id_that_make_it_at_once_share_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.json"
    link, linked, go_on = os.link, threading.Event(), threading.Event()
    first: list[str] = []

    def slow_link(source: Path, target: Path) -> None:
        """The first is held just before it takes its draft away."""
        link(source, target)
        if not linked.is_set():
            first.append(str(Keypair.from_json(path.read_text()).pubkey()))
            linked.set()
            assert go_on.wait(30)

    monkeypatch.setattr(os, "link", slow_link)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(made, path)
        assert linked.wait(30)
        try:
            # The second had looked for the file before the first linked it.
            make_wallet(path)
        finally:
            go_on.set()
        assert [found.result(30).address] == first == [open_wallet(path).address]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o611, 0o644])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "w.json"
    make_wallet(path)
    path.chmod(mode)
    with pytest.raises(StartFailed) as caught:
        open_wallet(path)
    assert caught.value.code == "key_file"
    assert f"chmod 600 {path}" in caught.value.message
    path.chmod(0o600)
    open_wallet(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "[1,2,3]", "null", "{}", '"x"', "[256]", f"{[0] * 64}", "64", "�"]
)
def test_a_file_that_is_no_keypair_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "w.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StartFailed) as caught:
        open_wallet(path)
    assert caught.value.code == "key_file"
    assert caught.value.message.startswith(f"{path} is no keypair: it takes a JSON list of 64 bytes")
    assert not content or content not in caught.value.message.removeprefix(str(path)) or content == "64"


def test_the_same_bytes_have_the_same_signature_and_others_another(tmp_path: Path) -> None:
    opened = made(tmp_path / "w.json")
    one = opened.sign(_unsigned(opened), UUID(int=1), 1)
    again = open_wallet(tmp_path / "w.json").sign(_unsigned(opened), UUID(int=1), 1)
    other = opened.sign(_unsigned(opened, b"y"), UUID(int=1), 1)
    assert one == again
    assert one.signature != other.signature
    assert (one.order_id, one.attempt, one.last_valid_height) == (UUID(int=1), 1, 150)


def test_what_is_signed_verifies_and_carries_the_message_unchanged(tmp_path: Path) -> None:
    opened = made(tmp_path / "w.json")
    unsigned = _unsigned(opened)
    signed = opened.sign(unsigned, UUID(int=1), 1)
    transaction = Transaction.from_bytes(signed.raw)
    transaction.verify()
    assert bytes(transaction.message) == unsigned.message
    assert [str(s) for s in transaction.signatures] == [signed.signature]
    assert str(transaction.message.account_keys[0]) == opened.address


def _v0(wallet: Wallet) -> UnsignedSwap:
    payer = Pubkey.from_string(wallet.address)
    message = MessageV0.try_compile(payer, [Instruction(Pubkey.default(), b"x", [])], [], Hash.default())
    return UnsignedSwap(message=to_bytes_versioned(message), last_valid_height=150)


@pytest.mark.parametrize("build", [_unsigned, _v0])
def test_a_message_of_either_kind_is_signed_into_bytes_that_verify(
    tmp_path: Path, build: Callable[[Wallet], UnsignedSwap]
) -> None:
    opened = made(tmp_path / "w.json")
    unsigned = build(opened)
    signed = opened.sign(unsigned, UUID(int=1), 1)
    transaction = VersionedTransaction.from_bytes(signed.raw)
    assert transaction.verify_with_results() == [True]
    assert to_bytes_versioned(transaction.message) == unsigned.message
    assert [str(s) for s in transaction.signatures] == [signed.signature]


@pytest.mark.parametrize("build", [_unsigned, _v0])
def test_a_message_of_another_signer_is_refused(
    tmp_path: Path, build: Callable[[Wallet], UnsignedSwap]
) -> None:
    opened, other = made(tmp_path / "w.json"), made(tmp_path / "other.json")
    with pytest.raises(AttemptFailed, match=f"the signature of {other.address}") as caught:
        opened.sign(build(other), UUID(int=1), 1)
    assert caught.value.code == "unsignable"


def test_a_message_that_needs_a_second_signer_is_refused(tmp_path: Path) -> None:
    opened = made(tmp_path / "w.json")
    meta = AccountMeta(Pubkey.new_unique(), is_signer=True, is_writable=True)
    payer = Pubkey.from_string(opened.address)
    message = Message.new_with_blockhash([Instruction(Pubkey.default(), b"", [meta])], payer, Hash.default())
    with pytest.raises(AttemptFailed, match=str(meta.pubkey)):
        opened.sign(UnsignedSwap(message=bytes(message), last_valid_height=1), UUID(int=1), 1)


@given(place=st.integers(0, 200), cut=st.booleans(), byte=st.integers(1, 255), versioned=st.booleans())
def test_a_spoilt_message_is_signed_as_it_is_or_refused(
    place: int, cut: bool, byte: int, versioned: bool
) -> None:
    """Never into bytes that do not verify: those would be stored and sent for nothing."""
    wallet = Wallet(Keypair.from_seed(bytes(32)))
    content = bytearray((_v0 if versioned else _unsigned)(wallet).message)
    place %= len(content)
    if cut:
        content = content[:place]
    else:
        content[place] ^= byte
    spoilt = UnsignedSwap(message=bytes(content), last_valid_height=1)
    try:
        signed = wallet.sign(spoilt, UUID(int=1), 1)
    except AttemptFailed as e:
        assert e.code == "unsignable"
    else:
        transaction = VersionedTransaction.from_bytes(signed.raw)
        assert transaction.verify_with_results() == [True]
        assert to_bytes_versioned(transaction.message) == spoilt.message


@pytest.mark.parametrize("content", [b"", b"x", b"nonsense" * 20, bytes(300), b"\x81" * 100])
def test_what_is_no_message_is_refused(tmp_path: Path, content: bytes) -> None:
    opened = made(tmp_path / "w.json")
    with pytest.raises(AttemptFailed) as caught:
        opened.sign(UnsignedSwap(message=content, last_valid_height=1), UUID(int=1), 1)
    assert (caught.value.code, caught.value.retryable) == ("unsignable", True)
