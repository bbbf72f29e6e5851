"""A swap made of instructions: with our memo, a limit of what it really takes, and a price for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.token.associated import get_associated_token_address

from oee_daemon.errors import VenueError
from oee_daemon.networks.solana.guard.guard_message import SIGNATURE_BYTES
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_priority_fees import MOST_UNITS, limit_of
from oee_daemon.networks.solana.solana_programs import ASSOCIATED, MEMO, SYSTEM, TOKEN
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.solana.solana_swap_stamp import must_fit
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, UnsignedSwap


async def assembled(
    plan: Plan,
    anchor: Anchor,
    steps: Sequence[Instruction],
    tables: Sequence[AddressLookupTableAccount],
    pricing: Pricing,
    *,
    hint: int,
    left_s: Callable[[], float],
) -> UnsignedSwap:
    """`hint`: micro-lamports for each unit; `left_s`: seconds that are left.

    Raises `VenueError` where no message can be made of them, `AttemptFailed` where it would fail.
    """
    amount = plan.request.amount
    way = tuple(map(_way_of, steps))
    taken = pricing.lately(way, amount) if plan.request.attempt == 1 else None
    if taken is None:
        keys = {str(meta.pubkey) for step in steps for meta in step.accounts if meta.is_writable}
        message = compiled(plan, anchor, steps, tables, limit=MOST_UNITS, price=0)
        taken = await pricing.units(message, way, amount, sorted(keys), left_s())
    units, paid = taken
    limit = limit_of(units)
    price = pricing.price(paid, hint, plan, limit)
    made = compiled(plan, anchor, steps, tables, limit=limit, price=price)
    return UnsignedSwap(message=made, last_valid_height=anchor.last_valid_height)


def compiled(
    plan: Plan,
    anchor: Anchor,
    steps: Sequence[Instruction],
    tables: Sequence[AddressLookupTableAccount],
    *,
    limit: int,
    price: int,
) -> bytes:
    """The message of these, with our memo and that budget. Raises `VenueError` where none can be made."""
    noted = [*steps, Instruction(Pubkey.from_string(MEMO), memo_for(plan, anchor), [])]
    # At least: a byte for each account's number, and three for the program's, and both lengths.
    must_fit(sum(3 + len(step.accounts) + len(step.data) for step in noted))
    budget = [set_compute_unit_limit(limit), set_compute_unit_price(price)]
    try:
        payer, blockhash = Pubkey.from_string(plan.payer), Hash.from_string(anchor.blockhash)
        content = to_bytes_versioned(MessageV0.try_compile(payer, [*budget, *noted], list(tables), blockhash))
    except Exception:
        # solders words each reason by another class.
        raise VenueError("The venue's instructions make no message.", retryable=True) from None
    must_fit(SIGNATURE_BYTES + len(content))
    return content


def _way_of(step: Instruction) -> tuple[object, ...]:
    """What tells one way from another: programs, what they are called for, accounts; no amount."""
    # System's instructions have four bytes for a tag, and an amount behind it; Anchor's have eight.
    tag = bytes(step.data[: 4 if str(step.program_id) == SYSTEM else 8])
    return step.program_id, tag, *(meta.pubkey for meta in step.accounts)


def memo_for(plan: Plan, anchor: Anchor) -> bytes:
    anchored = Anchored(slot=anchor.slot, height=anchor.height)
    return Memo(plan.order_id, plan.request.attempt, anchored).text()


# To find it takes some ten microseconds, and one order asks for the same four a dozen times.
@lru_cache(maxsize=4096)
def own_account(owner: str, mint: str, program: str) -> str:
    """Where a wallet holds a token."""
    keys = (Pubkey.from_string(key) for key in (owner, mint, program))
    return str(get_associated_token_address(*keys))


def make_account(owner: str, mint: str, program: str) -> Instruction:
    """`CreateIdempotent`: nothing happens where it is there."""
    keys = [(owner, True, True), (own_account(owner, mint, program), False, True), (owner, False, False)]
    keys += [(key, False, False) for key in (mint, SYSTEM, program)]
    metas = [AccountMeta(Pubkey.from_string(key), signer, writable) for key, signer, writable in keys]
    return Instruction(Pubkey.from_string(ASSOCIATED), b"\x01", metas)


def wrap(owner: str, lamports: int) -> list[Instruction]:
    """SOL into the wallet's own account of wrapped SOL: a transfer, then `SyncNative`."""
    account = Pubkey.from_string(own_account(owner, WSOL, TOKEN))
    paid = TransferParams(from_pubkey=Pubkey.from_string(owner), to_pubkey=account, lamports=lamports)
    counted = Instruction(Pubkey.from_string(TOKEN), b"\x11", [AccountMeta(account, False, True)])
    return [make_account(owner, WSOL, TOKEN), transfer(paid), counted]


def unwrap(owner: str) -> Instruction:
    """`CloseAccount`: all wrapped SOL becomes SOL again, the account's rent with it."""
    account, wallet = Pubkey.from_string(own_account(owner, WSOL, TOKEN)), Pubkey.from_string(owner)
    metas = [AccountMeta(account, False, True), AccountMeta(wallet, False, True)]
    return Instruction(Pubkey.from_string(TOKEN), b"\x09", [*metas, AccountMeta(wallet, True, False)])
