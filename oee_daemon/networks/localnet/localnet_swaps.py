"""The instructions of which the venues make their swaps. Pure: addresses and numbers in, instructions out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import (
    CreateAccountWithSeedParams,
    TransferParams,
    create_account_with_seed,
    transfer,
)
from solders.token.associated import get_associated_token_address

from oee_daemon.networks.localnet import localnet_dialects, localnet_pools
from oee_daemon.networks.localnet.localnet_json import MEMO_ID
from oee_daemon.networks.localnet.localnet_pools import Pool
from oee_daemon.networks.localnet.sbpf_subroutines import BPS

ATA_ID = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
RENT_ID = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
_SYSTEM_ID = Pubkey.default()
#: Jupiter's own, named by each of its swaps.
_EVENT_AUTHORITY = Pubkey.from_string("D8cy77BBepLMngZx6ZukaTff5hCt1HrWyKk3Hnd9oitf")
_TOKEN_ACCOUNT_BYTES = 165
#: How Jupiter's IDL numbers a hop; `Whirlpool` says its direction too.
_HOPS = {localnet_pools.METEORA.label: 38, localnet_pools.ORCA.label: 17}


class Side(NamedTuple):
    """One end of a swap: the user's account there, and what is done before and after."""

    account: Pubkey
    before: Sequence[Instruction] = ()
    after: Sequence[Instruction] = ()


def memo(text: bytes) -> Instruction:
    return Instruction(MEMO_ID, text, [])


def own_account(owner: Pubkey, mint: Pubkey, token_program: Pubkey) -> Pubkey:
    return get_associated_token_address(owner, mint, token_program)


def create_account(
    payer: Pubkey, owner: Pubkey, mint: Pubkey, token_program: Pubkey
) -> tuple[Pubkey, Instruction]:
    """`CreateIdempotent` (1): the owner's own account of that mint, unless it is there."""
    address = own_account(owner, mint, token_program)
    accounts = [
        AccountMeta(payer, True, True),
        AccountMeta(address, False, True),
        *(AccountMeta(key, False, False) for key in (owner, mint, _SYSTEM_ID, token_program)),
    ]
    return address, Instruction(ATA_ID, b"\1", accounts)


def close_account(account: Pubkey, owner: Pubkey) -> Instruction:
    """`CloseAccount` (9): what wrapped SOL it holds goes to the owner, with the rent."""
    accounts = [
        AccountMeta(account, False, True),
        AccountMeta(owner, False, True),
        AccountMeta(owner, True, False),
    ]
    return Instruction(localnet_pools.TOKEN_ID, b"\x09", accounts)


def wrapped_beside(owner: Pubkey, seed: str, lamports: int) -> Side:
    """Wrapped SOL in an account made for this swap alone, as Raydium does it: `InitializeAccount` (1)."""
    address = Pubkey.create_with_seed(owner, seed, localnet_pools.TOKEN_ID)
    created = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=owner,
            to_pubkey=address,
            base=owner,
            seed=seed,
            lamports=lamports,
            space=_TOKEN_ACCOUNT_BYTES,
            owner=localnet_pools.TOKEN_ID,
        )
    )
    accounts = [
        AccountMeta(address, False, True),
        *(AccountMeta(key, False, False) for key in (localnet_pools.WRAPPED_SOL, owner, RENT_ID)),
    ]
    begun = Instruction(localnet_pools.TOKEN_ID, b"\1", accounts)
    return Side(address, (created, begun), (close_account(address, owner),))


def wrapped_own(owner: Pubkey, lamports: int) -> Side:
    """Wrapped SOL in the owner's own account, as Jupiter does it: `SyncNative` (17)."""
    address, made = create_account(owner, owner, localnet_pools.WRAPPED_SOL, localnet_pools.TOKEN_ID)
    before = [made]
    if lamports:
        before.append(transfer(TransferParams(from_pubkey=owner, to_pubkey=address, lamports=lamports)))
        before.append(Instruction(localnet_pools.TOKEN_ID, b"\x11", [AccountMeta(address, False, True)]))
    return Side(address, before, (close_account(address, owner),))


def _roles(pool: Pool, payer: Pubkey, mint_in: Pubkey, user: tuple[Pubkey, Pubkey]) -> list[AccountMeta]:
    """In the order of the program's roles."""
    taker, giver = pool.facing(mint_in)
    written = {pool.address, *user, taker.vault, giver.vault}
    keys = (
        pool.authority, pool.config, pool.address, *user, taker.vault, giver.vault,
        taker.program, giver.program, taker.mint, giver.mint,
    )  # fmt: skip
    return [AccountMeta(payer, True, True), *(AccountMeta(key, False, key in written) for key in keys)]


def raydium_swap(
    pool: Pool,
    payer: Pubkey,
    mint_in: Pubkey,
    user: tuple[Pubkey, Pubkey],
    first: int,
    second: int,
    *,
    exact_out: bool,
) -> Instruction:
    """Amount and least out, or for exact output most in and amount."""
    way = localnet_dialects.CPMM.exact_out if exact_out else localnet_dialects.CPMM.exact_in
    accounts = [*_roles(pool, payer, mint_in, user), AccountMeta(pool.observation, False, True)]
    return Instruction(localnet_pools.CPMM_ID, way.tag + struct.pack("<QQ", first, second), accounts)


def jupiter_swap(
    pool: Pool, payer: Pubkey, mint_in: Pubkey, user: tuple[Pubkey, Pubkey], amount: int, quoted: int,
    slippage_bps: int, *, exact_out: bool, v2: bool = False,
) -> Instruction:  # fmt: skip
    """`route` by one hop: amount, what was quoted for it, and how much less or more may be. `v2`: by the
    second version, with these before the route."""
    hop = struct.pack("<IB", 1, _HOPS[pool.market.label])
    if pool.market is localnet_pools.ORCA:
        hop += bytes([pool.sides[0].mint == mint_in])
    if v2:
        data = (
            struct.pack("<QQHHH", amount, quoted, slippage_bps, 0, 0) + hop + struct.pack("<HBB", BPS, 0, 1)
        )
    else:
        data = hop + bytes([100, 0, 1]) + struct.pack("<QQHB", amount, quoted, slippage_bps, 0)
    dialect = localnet_dialects.JUPITER
    ways = (dialect.exact_in_v2, dialect.exact_out_v2) if v2 else (dialect.exact_in, dialect.exact_out)
    way = ways[exact_out]
    assert way is not None
    # An account that is not wanted is named by the program itself, as Anchor has it.
    accounts = [AccountMeta(localnet_pools.JUPITER_ID, False, False)] * (1 + max(way.roles))
    for role, place in zip(_roles(pool, payer, mint_in, user), way.roles, strict=True):
        accounts[place] = role
    if not v2:
        accounts[0] = AccountMeta(pool.facing(mint_in)[0].program, False, False)
    accounts[8 if v2 else 9 if exact_out else 7] = AccountMeta(_EVENT_AUTHORITY, False, False)
    return Instruction(localnet_pools.JUPITER_ID, way.tag + data, accounts)
