"""Sealed keys that open in a hundredth of the time: for tests of everything but that work."""

from __future__ import annotations

import pytest
from solders.keypair import Keypair

from oee_daemon.networks.wallet import key_sealed_file


def sealed(keypair: Keypair, passphrase: str) -> bytes:
    """What a wallet's file holds; it asks for the least that `key_sealed_file` takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_sealed_file, "KIB", key_sealed_file.BOUNDS["kib"][0])
        patch.setattr(key_sealed_file, "PASSES", key_sealed_file.BOUNDS["passes"][0])
        return key_sealed_file.seal(keypair, passphrase.encode())
