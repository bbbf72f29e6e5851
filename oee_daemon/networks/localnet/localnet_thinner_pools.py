"""The price that moves between quote and landing: in a share of them the pool can give less for the moment.

Drawn by the signature. What was taken is given back, whatever becomes of the swap.
"""

from __future__ import annotations

import hashlib

from solders.account import Account
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet import localnet_pools
from oee_daemon.networks.localnet.localnet_json import Sent

#: By how much the pool is thinner, percent.
_THINNER = 3


def thin(
    machine: LiteSVM, sent: Sent, vaults: set[Pubkey], seed: int, percent: int
) -> tuple[Pubkey, int] | None:
    """Takes part of what the pool can give, in `percent` of the landings; the vault, and what is taken."""
    draw = hashlib.blake2b(f"{seed} {sent.signature}".encode(), digest_size=8).digest()
    if int.from_bytes(draw, "big") % 100 >= percent:
        return None
    vault = _gives(sent, vaults)
    account = None if vault is None else machine.get_account(vault)
    if vault is None or account is None:
        return None
    taken = localnet_pools.token_amount(account.data) * _THINNER // 100
    machine.set_account(vault, _with_amount(account, -taken))
    return vault, taken


def thicken(
    machine: LiteSVM, thinned: tuple[Pubkey, int] | None, sent: Sent, state: list[Account | None]
) -> None:
    """Gives it back: in the machine, and in what was read of it after the landing."""
    if thinned is not None:
        vault, taken = thinned
        place = sent.keys.index(vault)
        state[place] = given_back = _with_amount(state[place], taken)
        machine.set_account(vault, given_back)


def _gives(sent: Sent, vaults: set[Pubkey]) -> Pubkey | None:
    """The vault that a swap takes from: of an instruction's two, the second."""
    for instruction in sent.message.instructions:
        if sent.keys[instruction.program_id_index] in localnet_pools.PROGRAMS:
            named = [key for n in instruction.accounts if (key := sent.keys[n]) in vaults]
            return named[1] if len(named) > 1 else None
    return None


def _with_amount(account: Account | None, more: int) -> Account:
    """A token account that holds that much more."""
    assert account is not None
    data = bytearray(account.data)
    data[64:72] = (localnet_pools.token_amount(account.data) + more).to_bytes(8, "little")
    native = more if data[109:113] == b"\1\0\0\0" else 0
    return Account(account.lamports + native, bytes(data), account.owner, False, account.rent_epoch)
