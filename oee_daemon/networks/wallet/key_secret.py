"""What people import, as the 32 bytes of a seed: a key as wallets export it, a list as Solana's tools write
it, or the seed alone. Pure; no error shows any of what was given.

An ed25519 key is a seed of 32 bytes and the public key that follows from it
(https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5); both together are what wallets call the private key.
"""

from __future__ import annotations

import json
import re

from solders.keypair import Keypair

from oee_daemon.errors import InvalidInput

#: Bytes of a seed, and of a seed with its public key.
SEED, PAIR = 32, 64
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TAKES = (
    "It takes what a wallet exports as the private key (base58), a JSON list of 64 or 32 bytes, or 64 hex"
    " digits."
)


def bad_key(why: str) -> InvalidInput:
    return InvalidInput(f"That is no secret key: {why}.", code="bad_key", hint=_TAKES)


def read_secret_key(text: str) -> Keypair:
    """The key that `text` gives. Raises `InvalidInput`, which shows nothing of it."""
    text = text.strip()
    if not text:
        raise bad_key("nothing came")
    if text.startswith("["):
        return of_bytes(_read_list(text))
    if re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text):
        return Keypair.from_seed(bytes.fromhex(text[-64:]))
    if len(text.split()) > 1:
        words = len(text.split())
        if words in (12, 15, 18, 21, 24):
            raise bad_key(f"{words} words are a recovery phrase, from which wallets derive many keys")
        raise bad_key("it has spaces or lines in it")
    found = _read_base58(text)
    if len(found) == SEED:
        raise bad_key("32 bytes in base58 look the same as an address; give a seed as 64 hex digits")
    return of_bytes(found)


def of_bytes(found: bytes) -> Keypair:
    """The key of a seed, or of a seed with its public half, which has to fit. Raises `InvalidInput`."""
    if len(found) not in (SEED, PAIR):
        raise bad_key(f"it has {len(found)} bytes, and a key has 64, or 32 without its public half")
    pair = Keypair.from_seed(found[:SEED])
    if found[SEED:] not in (b"", bytes(pair.pubkey())):
        raise bad_key("its public half is not that of its secret half, so one of them was altered")
    return pair


def _read_list(text: str) -> bytes:
    try:
        numbers = json.loads(text)
        if not all(type(n) is int for n in numbers):
            raise TypeError
        return bytes(numbers)
    except (ValueError, TypeError, RecursionError):
        raise bad_key("it is no JSON list of bytes, which are numbers from 0 to 255") from None


def _read_base58(text: str) -> bytes:
    """As https://datatracker.ietf.org/doc/html/draft-msporny-base58-03 has it."""
    if len(text) > 2 * PAIR:
        raise bad_key(f"it has {len(text)} characters")
    number = 0
    for character in text:
        digit = _BASE58.find(character)
        if digit < 0:
            raise bad_key("it has characters that base58 does not have")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
