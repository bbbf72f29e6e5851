"""The wallet: one ed25519 keypair, open or locked, and the only place that signs.

A signature is known here, before anything is sent; that is what lets the engine store it first. What a venue
built is untrusted until it was signed and read back: bytes that the chain would refuse leave no trace. A
sealed wallet begins locked: its address is known, and nothing can be signed until its passphrase opens it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from uuid import UUID

from solders.keypair import Keypair
from solders.message import from_bytes_versioned, to_bytes_versioned
from solders.transaction import VersionedTransaction

from oee_daemon.errors import VenueError, WalletLocked
from oee_daemon.networks.wallet.key_passphrase import passphrase_bytes
from oee_daemon.networks.wallet.key_sealed_file import Sealed
from oee_daemon.orders.swap import SignedSwap, UnsignedSwap


class Wallet:
    """Signs with one keypair while it is unlocked. Safe to be locked by another thread than the one that
    signs."""

    def __init__(
        self, keypair: Keypair | None, *, file: Path | None = None, sealed: Sealed | None = None
    ) -> None:
        """`sealed`: what a passphrase opens; none where the file holds the key as it is, or there is none."""
        if sealed is not None:
            self.address = sealed.address
        else:
            assert keypair is not None
            self.address = str(keypair.pubkey())
        self.file = file
        self._keypair = keypair
        self._sealed = sealed
        #: When it locks by itself, by `_now`; none where it does not.
        self._until: float | None = None

    @property
    def sealed(self) -> bool:
        """Whether a passphrase guards the key."""
        return self._sealed is not None

    @property
    def locked(self) -> bool:
        return self._open_key() is None

    def unlock(self, passphrase: str, for_s: float | None = None) -> None:
        """Opens the key, for so many seconds or until it is locked: about 0.3 s.

        Raises `WrongPassphrase`, and `InvalidInput` for what is no text; then it is as it was.
        """
        if self._sealed is not None:
            found = self._sealed.open(passphrase_bytes(passphrase))
            self._until = None if for_s is None else _now() + for_s
            self._keypair = found

    def lock(self) -> None:
        """Forgets the key; what is being signed at this moment is still signed."""
        self._keypair = None

    def _open_key(self) -> Keypair | None:
        if self._until is not None and _now() >= self._until:
            self.lock()
        return self._keypair

    def sign(self, swap: UnsignedSwap, order_id: UUID, attempt: int) -> SignedSwap:
        """The transaction, legacy or versioned, of a message that needs this wallet's signature alone.

        The same message always gives the same signature (ed25519, RFC 8032). Raises `VenueError`, and
        nothing is signed for anybody to use, where the message is none, or asks for another signer; raises
        `WalletLocked` where the key is not there.
        """
        keypair = self._open_key()
        if keypair is None:
            raise WalletLocked(self.address)
        try:
            signature, raw = self._sign_message(keypair, swap.message)
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

    def _sign_message(self, keypair: Keypair, content: bytes) -> tuple[str, bytes]:
        message = from_bytes_versioned(content)
        signers = message.account_keys[: message.header.num_required_signatures]
        if signers != [keypair.pubkey()]:
            asked = ", ".join(map(str, signers)) or "nobody"
            raise _unsignable(f"it asks for the signature of {asked}, and this wallet is {self.address}")
        signature = keypair.sign_message(content)
        raw = bytes(VersionedTransaction.populate(message, [signature]))
        # Read back from the bytes that will be sent: only so it is certain that they carry that message.
        made = VersionedTransaction.from_bytes(raw)
        made.sanitize()
        if to_bytes_versioned(made.message) != content or made.verify_with_results() != [True]:
            raise _unsignable("its message does not survive being read and written")
        return str(signature), raw


def _now() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps where there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


def _unsignable(why: str) -> VenueError:
    return VenueError(
        f"The swap that the venue built is not signed: {why}.", code="unsignable", retryable=True
    )
