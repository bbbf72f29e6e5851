"""A wallet's file: what is made can be opened, and whatever else is there ends in one sentence of its own."""

from __future__ import annotations

import base64
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey

from oee_daemon.errors import InvalidInput, WalletLocked, WrongPassphrase
from oee_daemon.networks.wallet.key_file import read_wallet, write_wallet
from oee_daemon.networks.wallet.key_passphrase import check_new, read_passphrase_file
from oee_daemon.networks.wallet.key_sealed_file import read_sealed, seal
from oee_daemon.orders.swap import UnsignedSwap
from oee_daemon.start_errors import StartFailed
from tests.kit.wallets import sealed

PAIR = Keypair.from_seed(bytes(range(32)))
ADDRESS = str(PAIR.pubkey())
PASSPHRASE = "five random words, or so"
SEALED = sealed(PAIR, PASSPHRASE)


def _unsigned() -> UnsignedSwap:
    message = Message.new_with_blockhash(
        [Instruction(Pubkey.default(), b"x", [])], PAIR.pubkey(), Hash.default()
    )
    return UnsignedSwap(message=bytes(message), last_valid_height=1)


def _put(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_sealed_wallet_shows_its_address_and_signs_once_it_is_unlocked(tmp_path: Path) -> None:
    path = tmp_path / "wallets" / "main.json"
    write_wallet(path, SEALED)
    wallet = read_wallet(path)
    assert (wallet.address, wallet.locked, wallet.sealed) == (ADDRESS, True, True)
    with pytest.raises(WalletLocked, match=ADDRESS):
        wallet.sign(_unsigned(), UUID(int=1), 1)
    wallet.unlock(PASSPHRASE)
    assert wallet.sign(_unsigned(), UUID(int=1), 1).signature == str(PAIR.sign_message(_unsigned().message))
    wallet.lock()
    with pytest.raises(WalletLocked):
        wallet.sign(_unsigned(), UUID(int=1), 1)
    with pytest.raises(FileExistsError):
        write_wallet(path, b"another")
    assert path.read_bytes() == SEALED


def test_the_file_says_no_secret_and_two_of_one_key_have_nothing_in_common() -> None:
    told, other = json.loads(SEALED), json.loads(seal(PAIR, PASSPHRASE.encode()))
    # RFC 9106, section 4, the second recommendation: 64 MiB.
    assert [other["kdf"][name] for name in ("name", "kib", "passes", "lanes")] == ["argon2id", 65_536, 3, 4]
    assert told["address"] == other["address"] == ADDRESS
    assert told["kdf"]["salt"] != other["kdf"]["salt"] and told["secret"] != other["secret"]
    secret = base64.b64decode(told["secret"])
    assert len(secret) == 48 and bytes(PAIR)[:32] not in secret and PASSPHRASE.encode() not in SEALED


def test_one_passphrase_however_it_is_composed() -> None:
    composed, apart = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert composed != apart and check_new(composed) == check_new(apart)


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    told = json.loads(SEALED)
    change(told)
    return json.dumps(told).encode()


def _flip(told: dict[str, Any], name: str) -> None:
    secret = bytearray(base64.b64decode(told[name]))
    secret[5] ^= 1
    told[name] = base64.b64encode(secret).decode()


OTHER = str(Keypair.from_seed(bytes(32)).pubkey())
ALTERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "address": lambda t: t.update(address=OTHER),
    "passes": lambda t: t["kdf"].update(passes=2),
    "lanes": lambda t: t["kdf"].update(lanes=2),
    "memory": lambda t: t["kdf"].update(kib=16_384),
    "salt": lambda t: _flip(t["kdf"], "salt"),
    "nonce": lambda t: _flip(t["cipher"], "nonce"),
    "secret": lambda t: _flip(t, "secret"),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_wrong_passphrase_and_an_altered_file_end_in_one_error(what: str) -> None:
    with pytest.raises(WrongPassphrase) as wrong:
        read_sealed(SEALED).open(b"another passphrase")
    with pytest.raises(WrongPassphrase) as altered:
        read_sealed(_changed(ALTERED[what])).open(PASSPHRASE.encode())
    said, told = altered.value.as_dict(), wrong.value.as_dict()
    assert said == told or (what == "address" and OTHER in str(said))
    assert str(read_sealed(SEALED).open(PASSPHRASE.encode()).pubkey()) == ADDRESS


_LIST = json.dumps(list(bytes(PAIR))).encode()
_UNFIT = json.dumps(list(bytes(PAIR)[:32] + bytes(Keypair.from_seed(bytes(32)).pubkey()))).encode()
#: What may be in the place of a key, and what the sentence about it says.
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "nothing came"),
    "html": (b"<html><body>404 Not Found</body></html>", "is no keypair"),
    "short list": (json.dumps(list(bytes(PAIR)[:63])).encode(), "it has 63 bytes"),
    "seed alone": (json.dumps(list(bytes(PAIR)[:32])).encode(), "JSON list of 64 bytes"),
    "base58": (str(PAIR).encode(), "JSON list of 64 bytes"),
    "wrong public half": (_UNFIT, "its public half is not that of its secret half"),
    "bytes": (b"\xff\xfe\x00", "is no keypair"),
    "huge": (_LIST + b" " * 100_000, "has 1002.. bytes"),
    "cut off": (SEALED[:200], "is no sealed key: it is cut off or altered"),
    "no secret": (_changed(lambda t: t.pop("secret")), "cut off or altered"),
    "short secret": (_changed(lambda t: t.update(secret="AAAA")), "cut off or altered"),
    "newer": (_changed(lambda t: t.update({"oee-wallet": 2})), "a format that this release does not know"),
    "other kdf": (_changed(lambda t: t["kdf"].update(name="scrypt")), "a way of sealing"),
    "other cipher": (_changed(lambda t: t["cipher"].update(name="none")), "a way of sealing"),
    "more fields": (_changed(lambda t: t.update(more=1)), "a way of sealing"),
    "no address": (_changed(lambda t: t.update(address="me")), "cut off or altered"),
    "huge memory": (_changed(lambda t: t["kdf"].update(kib=1 << 40)), r"a cost of Argon2id \(kib\)"),
    "many passes": (_changed(lambda t: t["kdf"].update(passes=10**9)), r"a cost of Argon2id \(passes\)"),
    "many lanes": (_changed(lambda t: t["kdf"].update(lanes=255)), r"a cost of Argon2id \(lanes\)"),
    "no number": (_changed(lambda t: t["kdf"].update(kib=True)), r"a cost of Argon2id \(kib\)"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_key_is_refused_in_a_sentence_that_names_it(tmp_path: Path, what: str) -> None:
    content, said = BAD[what]
    path = _put(tmp_path / "w.json", content)
    tracemalloc.start()
    with pytest.raises(StartFailed, match=said) as caught:
        read_wallet(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "key_file" and str(path) in caught.value.message
    assert most < 1 << 20
    assert base64.b64encode(bytes(PAIR)[:32]).decode() not in caught.value.message


def _link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


#: Places that are none, made below a folder, and what is said of each.
PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: None, "There is no {what} at "),
    "open to others": (lambda p: _put(p, _LIST, 0o644), "can be read by others. Close it: chmod 600 "),
    "open to the group": (lambda p: _put(p, _LIST, 0o640), "can be read by others"),
    "folder": (lambda p: p.mkdir(mode=0o700), "is no file"),
    "pipe": (lambda p: os.mkfifo(p, 0o600), "is no file"),
    "dangling link": (lambda p: _link(p, p.with_name("gone")), "is a link to a file that does not exist"),
    "link to itself": (lambda p: _link(p, p), "can't be opened: Too many levels of symbolic links"),
    "link to an open file": (
        lambda p: _link(p, _put(p.with_name("other"), _LIST, 0o644)),
        "can be read by others",
    ),
}


@pytest.mark.parametrize("what", PLACES)
def test_a_place_that_holds_no_secret_is_refused(tmp_path: Path, what: str) -> None:
    make, said = PLACES[what]
    path = tmp_path / "secret"
    make(path)
    with pytest.raises(StartFailed) as key:
        read_wallet(path)
    with pytest.raises(StartFailed) as passphrase:
        read_passphrase_file(path)
    assert (key.value.code, passphrase.value.code) == ("key_file", "passphrase_file")
    assert said.format(what="key") in key.value.message and str(path) in key.value.message
    assert said.format(what="passphrase") in passphrase.value.message


def test_a_link_to_a_closed_file_is_followed(tmp_path: Path) -> None:
    link = _link(tmp_path / "w.json", _put(tmp_path / "key", _LIST))
    assert read_wallet(link).address == ADDRESS


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xff", b"x" * 9000])
def test_a_file_that_holds_no_passphrase_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(StartFailed) as caught:
        read_passphrase_file(_put(tmp_path / "p", content))
    assert caught.value.code == "passphrase_file"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_passphrase_is_the_one_line_of_its_file(tmp_path: Path, end: str) -> None:
    assert read_passphrase_file(_put(tmp_path / "p", f" {PASSPHRASE} {end}".encode())) == f" {PASSPHRASE} "


@pytest.mark.parametrize("text", ["", "seven77", "x" * 1025, "a lone \ud800 half"])
def test_a_passphrase_that_would_not_guard_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_new(text)
    assert caught.value.code == "bad_passphrase"
