"""The sealed format of a key: its seed under ChaCha20-Poly1305, by a key that Argon2id makes of a passphrase.

The address is in clear, so that a locked wallet can be looked at; it and every parameter are authenticated
with the seed. A wrong passphrase and a file that was altered end in the same error. `cryptography` is
imported only by who seals or opens: it takes 15 ms.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import Any

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from oee_daemon.errors import WrongPassphrase
from oee_daemon.networks.wallet.key_secret import SEED

#: The version of the format, under this name.
MARK, VERSION = "oee-wallet", 1
#: Argon2id as RFC 9106 recommends it second: 64 MiB, three passes, four lanes. About 0.3 s of one processor.
KIB, PASSES, LANES = 64 * 1024, 3, 4
#: What a file may ask for, beyond which nothing is allocated: KiB, passes, lanes.
BOUNDS = {"kib": (8 * 1024, 512 * 1024), "passes": (1, 12), "lanes": (1, 8)}
#: Bytes of salt, of the cipher's nonce and of what it adds to authenticate.
SALT, NONCE, TAG = 16, 12, 16
_KDF, _CIPHER = "argon2id", "chacha20-poly1305"


class NotSealed(ValueError):
    """The content has not the form of a sealed key; the text says in what, without showing it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed key, read and not opened."""

    address: str
    _header: dict[str, Any]
    _secret: bytes

    def open(self, passphrase: bytes) -> Keypair:
        """The key. Takes about 0.3 s and 64 MiB. Raises `WrongPassphrase`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        key = _derive(passphrase, self._header["kdf"])
        nonce = base64.b64decode(self._header["cipher"]["nonce"])
        try:
            seed: bytes = ChaCha20Poly1305(key).decrypt(nonce, self._secret, _header_bytes(self._header))
        except InvalidTag:
            raise WrongPassphrase(self.address) from None
        return Keypair.from_seed(seed)


def seal(keypair: Keypair, passphrase: bytes) -> bytes:
    """What the file of `keypair` holds."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    header: dict[str, Any] = {
        MARK: VERSION,
        "address": str(keypair.pubkey()),
        "kdf": {"name": _KDF, "kib": KIB, "passes": PASSES, "lanes": LANES, "salt": _text(salt)},
        "cipher": {"name": _CIPHER, "nonce": _text(nonce)},
    }
    key = _derive(passphrase, header["kdf"])
    secret: bytes = ChaCha20Poly1305(key).encrypt(nonce, bytes(keypair)[:SEED], _header_bytes(header))
    return (json.dumps(header | {"secret": _text(secret)}, indent=1) + "\n").encode()


def is_sealed(content: bytes) -> bool:
    """Whether it means to be a sealed key, whole or not."""
    return content.lstrip()[:1] == b"{" and f'"{MARK}"'.encode() in content


def read_sealed(content: bytes) -> Sealed:
    """The sealed key in a file's content. Raises `NotSealed`; allocates nothing that the content asks for."""
    try:
        told = json.loads(content)
        secret = _bytes(told.pop("secret"), SEED + TAG)
        if told[MARK] != VERSION or type(told[MARK]) is not int:
            raise NotSealed("it is of a format that this release does not know; a newer one may have made it")
        _check_header(told)
        return Sealed(told["address"], told, secret)
    except NotSealed:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotSealed("it is cut off or altered") from None


def _check_header(told: dict[str, Any]) -> None:
    """Raises `NotSealed`, and what Python raises for a header of another shape."""
    kdf, cipher = told["kdf"], told["cipher"]
    if set(told) != {MARK, "address", "kdf", "cipher"} or (kdf["name"], cipher["name"]) != (_KDF, _CIPHER):
        raise NotSealed("it asks for a way of sealing that this release does not know")
    Pubkey.from_string(told["address"])
    _bytes(kdf["salt"], SALT)
    _bytes(cipher["nonce"], NONCE)
    if set(kdf) != {"name", "salt", *BOUNDS} or set(cipher) != {"name", "nonce"}:
        raise NotSealed("it is cut off or altered")
    for name, (low, high) in BOUNDS.items():
        if type(kdf[name]) is not int or not low <= kdf[name] <= high:
            raise NotSealed(f"it asks for a cost of Argon2id ({name}) that no wallet of oee has")


def _derive(passphrase: bytes, kdf: dict[str, Any]) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(
        salt=base64.b64decode(kdf["salt"]),
        length=32,
        iterations=kdf["passes"],
        lanes=kdf["lanes"],
        memory_cost=kdf["kib"],
    )
    key: bytes = made.derive(passphrase)
    return key


def _header_bytes(header: dict[str, Any]) -> bytes:
    """The header in one spelling, however the file is laid out."""
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str, length: int) -> bytes:
    found = base64.b64decode(text, validate=True)
    if len(found) != length:
        raise NotSealed("it is cut off or altered")
    return found
