"""Which token accounts there are, by owner and by mint. That one was closed is seen when it is read."""

from __future__ import annotations

from collections import defaultdict

from solders.account import Account
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet.localnet_json import TOKEN_BYTES


class TokenIndex:
    def __init__(self) -> None:
        self._owned: dict[bytes, set[Pubkey]] = defaultdict(set)
        self._of_mint: dict[bytes, set[Pubkey]] = defaultdict(set)

    def note(self, key: Pubkey, account: Account | None) -> None:
        """Whatever has as many bytes: what it is, is seen when it is read."""
        # Each time it is asked for, it is copied.
        data = b"" if account is None else account.data
        if len(data) >= TOKEN_BYTES:
            self._of_mint[data[:32]].add(key)
            self._owned[data[32:64]].add(key)

    def owned_by(self, owner: Pubkey) -> list[Pubkey]:
        return sorted(self._owned[bytes(owner)], key=bytes)

    def of_mint(self, mint: Pubkey) -> list[Pubkey]:
        return sorted(self._of_mint[bytes(mint)], key=bytes)
