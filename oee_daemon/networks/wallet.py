"""The wallet: one ed25519 keypair in a file of the home, and the only place that signs.

A signature is known here, before anything is sent; that is what lets the engine store it first. What a venue
built is untrusted until it was signed and read back: bytes that the chain would refuse leave no trace. The
file has the format of Solana's own tools, a JSON list of 64 bytes
(https://solana.com/docs/intro/installation/solana-cli-basics). Making a key is a call of its own.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from solders.keypair import Keypair
from solders.message import from_bytes_versioned, to_bytes_versioned
from solders.transaction import VersionedTransaction

from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.errors import OtherEngine, StartFailed, VenueError
from oee_daemon.orders.swap import SignedSwap, UnsignedSwap


class Wallet:
    """Signs with one keypair."""

    def __init__(self, keypair: Keypair) -> None:
        self._keypair = keypair
        self.address = str(keypair.pubkey())

    def sign(self, swap: UnsignedSwap, order_id: UUID, attempt: int) -> SignedSwap:
        """The transaction, legacy or versioned, of a message that needs this wallet's signature alone.

        The same message always gives the same signature (ed25519, RFC 8032). Raises `VenueError`, and
        nothing is signed for anybody to use, where the message is none, or asks for another signer.
        """
        try:
            signature, raw = self._signed(swap.message)
        except VenueError:
            raise
        except Exception as e:
            # solders words each kind of broken bytes by another class.
            raise _unsignable(f"its message can't be read: {e}") from None
        return SignedSwap(
            order_id=order_id,
            attempt=attempt,
            signature=signature,
            raw=raw,
            last_valid_height=swap.last_valid_height,
        )

    def _signed(self, content: bytes) -> tuple[str, bytes]:
        message = from_bytes_versioned(content)
        signers = message.account_keys[: message.header.num_required_signatures]
        if signers != [self._keypair.pubkey()]:
            asked = ", ".join(map(str, signers)) or "nobody"
            raise _unsignable(f"it asks for the signature of {asked}, and this wallet is {self.address}")
        signature = self._keypair.sign_message(content)
        raw = bytes(VersionedTransaction.populate(message, [signature]))
        # Read back from the bytes that will be sent: only so it is certain that they carry that message.
        made = VersionedTransaction.from_bytes(raw)
        made.sanitize()
        if to_bytes_versioned(made.message) != content or made.verify_with_results() != [True]:
            raise _unsignable("its message does not survive being read and written")
        return str(signature), raw


def _unsignable(why: str) -> VenueError:
    return VenueError(
        f"The swap that the venue built is not signed: {why}.", code="unsignable", retryable=True
    )


def open_wallet(path: Path, named: Callable[[], str | None] = lambda: None) -> Wallet:
    """The keypair at `path`. `named` tells the wallet that the database belongs to.

    Raises `OtherEngine` where that one's file is missing, and `StartFailed` where there is none, where others
    can read it, or where it is no keypair.
    """
    if not path.exists():
        address = named()
        if address is None:
            raise StartFailed(f"There is no key at {path}.", code="key_file")
        raise OtherEngine(
            f"This database belongs to an engine whose wallet is {address}, and {path} does not exist."
            f" Copy wallets/{path.name} from the home of the daemon that has worked on this database."
            " Where that key is lost: docs/operations.md, One engine."
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartFailed(f"{path} can be read by others. Close it: chmod 600 {path}", code="key_file")
    try:
        return Wallet(Keypair.from_bytes(bytes(json.loads(path.read_text()))))
    except (ValueError, TypeError):
        raise StartFailed(
            f"{path} is no keypair: it takes a JSON list of 64 bytes.", code="key_file"
        ) from None


def make_wallet(path: Path) -> None:
    """Writes a new keypair with mode 0600, unless there is one. Of several at once the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError), atomic_file(path, replace=False) as file:
        file.write(json.dumps(list(bytes(Keypair()))).encode())
