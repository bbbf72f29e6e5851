"""What the pool program refuses before it swaps, and which rates of a creator's fee it finds.

A pool of another market, one that is shut or not open yet, vaults that are not its own, and no amount.
"""

from __future__ import annotations

import hashlib

from oee_daemon.networks.localnet.sbpf_subroutines import (
    AMOUNT,
    CONFIG_CREATOR,
    CREATOR_ENABLED,
    CREATOR_ON,
    DATA,
    KEY,
    LENGTH,
    OWED,
    OWNER,
    POOL_OPENS,
    POOL_SIZE,
    POOL_STATUS,
    POOL_VAULTS,
    R1,
    R2,
    R3,
    R7,
    R8,
    R9,
    SIGNER,
    Writer,
)

#: In a pool's status: one way is shut, that of the side which the bit below says.
SHUT = 0x80


def check_pool(w: Writer) -> None:
    """The pool is ours, takes swaps, and these are its config and vaults; what it owes is nobody's
    reserve."""
    w.get(R7, "pool")
    w.get(R8, "me")
    w.same_key(R7, OWNER, R8, 0, "bad owner")
    w.load(R1, R7, LENGTH)
    w.when(R1, "ne", POOL_SIZE, "bad pool")
    w.load(R1, R7, DATA)
    w.wide(R2, int.from_bytes(hashlib.sha256(b"account:PoolState").digest()[:8], "little"))
    w.when(R1, "ne", R2, "bad pool")
    w.of(R1, "payer", SIGNER, 1)
    w.when(R1, "eq", 0, "no signer")
    w.load(R1, R7, POOL_STATUS, 1)
    w.and_(R1, 4)
    w.when(R1, "ne", 0, "not approved")
    w.load(R8, R7, POOL_OPENS)
    w.when(R8, "eq", 0, "is open")
    w.now(R1)
    w.when(R1, "lt", R8, "not approved")
    w.label("is open")
    w.get(R8, "config")
    w.same_key(R7, DATA + 8, R8, KEY, "bad config")
    w.get(R8, "vault_in")
    w.get(R9, "vault_out")
    for side in (0, 1):
        w.label(f"side {side}")
        otherwise = "side 1" if side == 0 else "bad vault"
        w.same_key(R7, POOL_VAULTS[side], R8, KEY, otherwise)
        w.same_key(R7, POOL_VAULTS[1 - side], R9, KEY, otherwise)
        w.put("side", side)
        for place, vault, index in (("reserve_in", R8, side), ("reserve_out", R9, 1 - side)):
            w.load(R1, vault, AMOUNT)
            for owed in OWED[index]:
                w.load(R2, R7, owed)
                w.sub(R1, R2)
            w.put(place, R1)
        w.jump("checked")


def check_market(w: Writer) -> None:
    """Some amount, and a way that is not shut: a trap of this chain's own, which Raydium's has not."""
    w.label("checked")
    w.load(R1, R7, POOL_STATUS, 1)
    w.mov(R2, R1)
    w.and_(R2, SHUT)
    w.when(R2, "eq", 0, "both ways")
    w.rsh(R1, 6)
    w.and_(R1, 1)
    w.get(R2, "side")
    w.when(R1, "eq", R2, "not approved")
    w.label("both ways")
    _find_creators_fee(w)
    w.get(R1, "amount")
    w.when(R1, "eq", 0, "no amount")
    w.get(R1, "exact_out")
    w.when(R1, "ne", 0, "exact out")


def _find_creators_fee(w: Writer) -> None:
    """Its rate on the input or on the output: by which token the pool takes it in (`CreatorFeeOn`). Both are
    zero where it takes none."""
    w.load(R1, R7, CREATOR_ENABLED, 1)
    w.when(R1, "eq", 0, "creator known")
    w.of(R2, "config", CONFIG_CREATOR)
    w.load(R1, R7, CREATOR_ON, 1)
    w.when(R1, "eq", 0, "creator in")
    w.sub(R1, 1)
    w.get(R3, "side")
    w.when(R1, "eq", R3, "creator in")
    w.put("creator_out", R2)
    w.jump("creator known")
    w.label("creator in")
    w.put("creator_in", R2)
    w.label("creator known")
