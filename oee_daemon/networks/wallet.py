"""The wallet: one ed25519 keypair in a file of the home, and the only place that signs.

A signature is known here, before anything is sent; that is what lets the engine store it first. The file
is the format of Solana's own tools: a JSON list of 64 bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from solders.keypair import Keypair
from solders.message import Message
from solders.transaction import Transaction

from oee_daemon.errors import OtherEngine, StartFailed
from oee_daemon.orders.swap import SignedSwap, UnsignedSwap


class Wallet:
    """Signs with one keypair."""

    def __init__(self, keypair: Keypair) -> None:
        self._keypair = keypair
        self.address = str(keypair.pubkey())

    def sign(self, swap: UnsignedSwap, order_id: UUID, attempt: int) -> SignedSwap:
        """The same message always gives the same signature (ed25519, RFC 8032)."""
        signature = self._keypair.sign_message(swap.message)
        transaction = Transaction.populate(Message.from_bytes(swap.message), [signature])
        return SignedSwap(
            order_id=order_id,
            attempt=attempt,
            signature=str(signature),
            raw=bytes(transaction),
            last_valid_height=swap.last_valid_height,
        )


def open_wallet(path: Path, named: Callable[[], str | None] = lambda: None) -> Wallet:
    """The keypair at `path`, made on first use with mode 0600, but never beside one that is `named` already.

    Raises `StartFailed` where that one's file is missing, can be read by others, or is no keypair.
    """
    if not path.exists():
        address = named()
        if address is not None:
            raise OtherEngine(
                f"This database belongs to an engine whose wallet is {address}, and {path} does not exist."
                f" Copy wallets/{path.name} from the home of the daemon that has worked on this database."
                " Where that key is lost: docs/operations.md, One engine."
            )
        _make(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartFailed(f"{path} can be read by others. Close it: chmod 600 {path}", code="key_file")
    try:
        return Wallet(Keypair.from_bytes(bytes(json.loads(path.read_text()))))
    except (ValueError, TypeError):
        raise StartFailed(
            f"{path} is no keypair: it takes a JSON list of 64 bytes.", code="key_file"
        ) from None


def _make(path: Path) -> None:
    """Complete or not there: written under another name, flushed, then linked; the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not named by the process: in two containers on one volume both are process 1.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        json.dump(list(bytes(Keypair())), file)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
