"""Accounts that some programs keep of whoever trades there: the first swap makes and pays them. Pure.

Their rent is not known before the swap is built; that they are needed, its route says: by that it is counted
what the wallet has to have. An account of a program that is not listed here is met in the simulation.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from solders.pubkey import Pubkey

from oee_daemon.networks.solana.solana_programs import PUMP, PUMP_SWAP

#: Lamports that a swap may pay for accounts that its programs make and keep: PumpSwap makes one for whoever
#: trades there first (1,844,400 once, less by now). They count beside the bound, as the network's fee does.
#: https://github.com/pump-fun/pump-public-docs, docs/instructions/BUY.md, `user_volume_accumulator`
MOST_LEFT = 2_000_000
#: By program, what the address of its account of a trader begins with; the trader follows.
_SEEDS = ((PUMP, b"user_volume_accumulator"), (PUMP_SWAP, b"user_volume_accumulator"))


def kept_of(trader: str, named: Iterable[str]) -> tuple[str, ...]:
    """Those of the accounts that a swap names which are kept of that trader."""
    kept = _accounts_kept(trader)
    return tuple(key for key in dict.fromkeys(named) if key in kept)


@lru_cache(maxsize=16)
def _accounts_kept(trader: str) -> frozenset[str]:
    wallet = bytes(Pubkey.from_string(trader))
    return frozenset(
        str(Pubkey.find_program_address([seed, wallet], Pubkey.from_string(program))[0])
        for program, seed in _SEEDS
    )
