"""The plain format of a key: the JSON list of 64 bytes that Solana's own tools write.

https://solana.com/docs/intro/installation/solana-cli-basics. Whoever can read the file can spend.
"""

from __future__ import annotations

import json

from solders.keypair import Keypair

from oee_daemon.networks.wallet.key_secret import PAIR, bad_key, read_secret_key


def keypair_content(keypair: Keypair) -> bytes:
    """What the file of `keypair` holds."""
    return json.dumps(list(bytes(keypair))).encode()


def read_keypair(content: bytes) -> Keypair:
    """The key that a file holds. Raises `InvalidInput`."""
    found = read_secret_key(content.decode(errors="replace"))
    if content.strip()[:1] != b"[" or len(json.loads(content)) != PAIR:
        raise bad_key("it is no JSON list of 64 bytes")
    return found
