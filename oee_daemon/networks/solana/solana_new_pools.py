"""The pools of a token that is only just traded, as the chain stores them: open or not, empty or not. Pure.

What a swap gives is `venues.cpmm_pool`'s; whether anybody should buy, nobody decides here. Layout:
https://github.com/raydium-io/raydium-cp-swap, `states/pool.rs`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from solders.pubkey import Pubkey

from oee_daemon.networks.solana.solana_mint_reader import data_of
from oee_daemon.networks.solana.venues.cpmm_pool import CONFIG_BYTES, LAST_FEE_ON, POOL_BYTES, Addresses

#: Where the pool says of which shares there are how many, and from when on it is open, Unix seconds.
_SHARES_MINT, _SHARES, _OPENS = 136, 333, 373
#: Of what its maker's fee is taken.
_FEE_ON = 389
#: In its status: no swaps.
_NO_SWAP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """`held`: of the token that is paid with, base units, owed fees apart. `shares`: that were given out for
    what is in it; `shares_left`: of these, that nobody has burnt. `opens_at`: Unix seconds, none where it is
    shut."""

    at: Addresses
    held: int
    shares: int
    shares_mint: str
    shares_left: int
    opens_at: int | None
    #: Of several endpoints' words: the most that one says it holds, and whether each of them shows the pool.
    held_at_most: int = 0
    shown_by_all: bool = True


# As `addresses`: it is asked for at every look at a token that is waited for.
@lru_cache(maxsize=1024)
def shares_mint_of(at: Addresses) -> str:
    return str(Pubkey.find_program_address([b"pool_lp_mint", bytes(at.pool)], at.program)[0])


def keys_of(at: Addresses) -> list[str]:
    """What has to be read of it."""
    return [*at.to_read(), shares_mint_of(at)]


def read_new_pool(at: Addresses, against: str, rows: Mapping[str, Any]) -> PoolFacts | None:
    """`rows`: accounts as `getMultipleAccounts` tells them, by address. None where there is no such pool, or
    one that no venue here trades in, since nobody knows what its maker's fee is taken of.

    Raises `NoAnswer` for accounts of another shape.
    """
    found = {key: rows[key] for key in keys_of(at)}
    if any(row is None for row in found.values()):
        return None
    pool, config = found[str(at.pool)], found[str(at.config)]
    data = data_of(pool)
    if {pool["owner"], config["owner"]} != {str(at.program)} or len(data) != POOL_BYTES:
        return None
    if len(data_of(config)) != CONFIG_BYTES or data[_FEE_ON] > LAST_FEE_ON:
        return None
    shares_mint = shares_mint_of(at)
    stated = [Pubkey(data[n : n + 32]) for n in (8, 72, 104, 168, 200, 296)]
    stated_shares = str(Pubkey(data[_SHARES_MINT : _SHARES_MINT + 32]))
    if stated != [at.config, *at.vaults, *at.mints, at.observation] or stated_shares != shares_mint:
        return None
    side = 0 if str(at.mints[0]) == against else 1
    vault, lp = data_of(found[str(at.vaults[side])]), data_of(found[shares_mint])
    if len(vault) < 72 or len(lp) < 44:
        return None
    owed = struct.unpack_from("<QQQQ", data, 341), struct.unpack_from("<QQ", data, 397)
    held = struct.unpack_from("<Q", vault, 64)[0] - owed[0][side] - owed[0][side + 2] - owed[1][side]
    shut = data[329] & _NO_SWAP
    return PoolFacts(
        at=at,
        held=max(0, held),
        shares=struct.unpack_from("<Q", data, _SHARES)[0],
        shares_mint=shares_mint,
        shares_left=struct.unpack_from("<Q", lp, 36)[0],
        opens_at=None if shut else struct.unpack_from("<Q", data, _OPENS)[0],
    )
