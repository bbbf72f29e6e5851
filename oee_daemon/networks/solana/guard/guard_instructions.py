"""What the bytes of a swap may ask for: the wallet's own chores, and one swap within its bound. Pure.

Everything is refused that is not listed here, by the name of the rule that it breaks. What a listed program
would do with it, `guard_effect` judges from a simulation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from solders.pubkey import Pubkey
from solders.token.associated import get_associated_token_address

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.solana.guard.guard_message import Step, Whole, named, refuse
from oee_daemon.networks.solana.guard.guard_swap_bounds import bound_of
from oee_daemon.networks.solana.guard.guard_swap_ends import ends_of
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_priority_fees import BASE_FEE, fee_of
from oee_daemon.networks.solana.solana_programs import (
    ASSOCIATED,
    COMPUTE_BUDGET,
    MEMO,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
)
from oee_daemon.networks.solana.solana_swap_memo import read_memo

#: Lamports: more rent was never asked for a token account of 165 bytes.
MOST_RENT = 3_000_000
#: Bytes of a token account.
ACCOUNT_BYTES = 165
#: Tokens on the way from one to the other, of which the wallet's own accounts are made: Jupiter goes through
#: them where it has none that all share (https://dev.jup.ag, `useSharedAccounts`).
MOST_ON_THE_WAY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one swap may do. Amounts are base units, `fee_cap` lamports; `mode` says which amount is exact,
    `programs` which ones are the venue's."""

    wallet: str
    venue: str
    programs: Collection[str]
    input_mint: str
    output_mint: str
    most_in: int
    least_out: int
    mode: SwapMode
    order_id: UUID
    attempt: int
    fee_cap: int


@dataclass
class _Seen:
    """What was found so far."""

    units: list[int] = field(default_factory=list)
    prices: list[int] = field(default_factory=list)
    memos: int = 0
    swaps: int = 0
    wrapped: int = 0
    #: Accounts made for this swap, and whether they have become the wallet's.
    made: dict[str, bool] = field(default_factory=dict)
    #: The wallet's accounts of tokens on the way, by their addresses, and those that the swap names.
    on_the_way: dict[str, str] = field(default_factory=dict)
    used: frozenset[str] = frozenset()


def check(message: Whole, limits: Limits) -> None:
    """Raises `UnsafeSwap`."""
    seen = _Seen()
    for step in message.steps:
        if step.program in limits.programs:
            _swap(step, limits, seen)
        elif step.program in _CHORES:
            _CHORES[step.program](step, limits, seen)
        else:
            refuse("program", f"it calls {step.program}, which is none of {limits.venue}'s programs")
    if seen.swaps != 1:
        refuse("swap", f"it swaps {seen.swaps} times, not once")
    if seen.memos != 1:
        refuse("memo", "it does not say whose it is")
    if not all(seen.made.values()):
        refuse("system", "it makes an account that does not become the wallet's")
    for address, mint in seen.on_the_way.items():
        if address not in seen.used or len(seen.on_the_way) > MOST_ON_THE_WAY:
            refuse("account", f"it makes an account for {mint}, which is not part of the swap")
    if len(seen.units) != 1 or len(seen.prices) > 1:
        refuse("budget", "it does not set its compute budget once")
    fee = fee_of(seen.units[0], seen.prices[0]) if seen.prices else BASE_FEE
    if fee > limits.fee_cap:
        refuse("fee", f"its network fee is {fee} lamports, more than {limits.fee_cap}")


def _swap(step: Step, limits: Limits, seen: _Seen) -> None:
    seen.swaps += 1
    seen.used = frozenset(step.accounts)
    most_in, least_out, exact = bound_of(step)
    if exact != ("in" if limits.mode is SwapMode.EXACT_IN else "out"):
        refuse("bound", "it fixes the other side of the swap")
    given_right = most_in == limits.most_in if exact == "in" else most_in <= limits.most_in
    taken_right = least_out == limits.least_out if exact == "out" else least_out >= limits.least_out
    if not given_right:
        refuse("bound", f"it may spend {most_in}, not {limits.most_in}")
    if not taken_right:
        refuse("bound", f"it may receive {least_out}, not {limits.least_out}")
    ends = ends_of(step)
    if ends is not None:
        source, targets = ends
        if source not in _own_of(limits.input_mint, limits, seen):
            refuse("source", f"it takes from {source}, which is not where the wallet has what it spends")
        for target in targets:
            if target not in _own_of(limits.output_mint, limits, seen):
                refuse("target", f"it gives to {target}, which is not the wallet's account for it")


def _own_of(mint: str, limits: Limits, seen: _Seen) -> set[str]:
    """The wallet's accounts of that token, as far as a swap may use them."""
    made = seen.made if mint == WSOL else ()
    return {*(_associated_account(limits.wallet, mint, program) for program in (TOKEN, TOKEN_2022)), *made}


def _budget(step: Step, limits: Limits, seen: _Seen) -> None:
    tag, value = step.data[:1], step.data[1:]
    if tag == b"\x02" and len(value) == 4:
        seen.units.append(int.from_bytes(value, "little"))
    elif tag == b"\x03" and len(value) == 8:
        seen.prices.append(int.from_bytes(value, "little"))
    elif tag not in (b"\x01", b"\x04") or len(value) != 4:
        # 1 is the heap's size, 4 that of the accounts.
        refuse("budget", "it asks the compute budget for something that is not known here")


def _memo(step: Step, limits: Limits, seen: _Seen) -> None:
    memo = read_memo(step.data)
    whose = None if memo is None else (memo.order_id, memo.attempt)
    if step.accounts or whose != (limits.order_id, limits.attempt):
        refuse("memo", "its memo is another's")
    seen.memos += 1


def _system(step: Step, limits: Limits, seen: _Seen) -> None:
    tag = int.from_bytes(step.data[:4], "little") if len(step.data) >= 4 else -1
    if tag == 2 and len(step.data) == 12:
        _wrap(step, limits, seen)
    elif tag == 3:
        _make(step, limits, seen)
    elif tag == 4:
        refuse("nonce", "it names a durable nonce, by which it could land at any time")
    else:
        refuse("system", f"it asks System for {tag}")


def _wrap(step: Step, limits: Limits, seen: _Seen) -> None:
    """A transfer of SOL to the wallet's own account of wrapped SOL."""
    lamports = int.from_bytes(step.data[4:], "little")
    own = {_associated_account(limits.wallet, WSOL, TOKEN), *seen.made}
    if len(step.accounts) != 2 or step.accounts[0] != limits.wallet or step.accounts[1] not in own:
        refuse("transfer", f"it sends {lamports} lamports to {', '.join(step.accounts[1:])}")
    seen.wrapped += lamports
    _must_be_wrapped_for_it(limits, seen)


def _make(step: Step, limits: Limits, seen: _Seen) -> None:
    """A token account for this swap alone: `CreateAccountWithSeed`."""
    try:
        base, seed, lamports, space, owner = _read_seeded(step.data)
    except (struct.error, UnicodeDecodeError, IndexError):
        refuse("unreadable", "what it asks System for can't be read")
    if {base, step.accounts[0] if step.accounts else ""} != {limits.wallet} or len(step.accounts) < 2:
        refuse("system", "it makes an account for somebody else")
    if owner != TOKEN or space != ACCOUNT_BYTES:
        refuse("system", "it makes an account that is no token account")
    if step.accounts[1] != str(
        Pubkey.create_with_seed(Pubkey.from_string(base), seed, Pubkey.from_string(owner))
    ):
        refuse("system", "it makes another account than it says")
    seen.made[step.accounts[1]] = False
    seen.wrapped += max(0, lamports - MOST_RENT)
    _must_be_wrapped_for_it(limits, seen)


def _read_seeded(data: bytes) -> tuple[str, str, int, int, str]:
    """base, seed, lamports, bytes, owner (https://github.com/solana-program/system, interface)."""
    (length,) = struct.unpack_from("<Q", data, 36)
    if length > 32 or len(data) != 44 + length + 48:
        raise struct.error
    seed = data[44 : 44 + length].decode()
    lamports, space = struct.unpack_from("<QQ", data, 44 + length)
    return str(Pubkey(data[4:36])), seed, lamports, space, str(Pubkey(data[-32:]))


def _must_be_wrapped_for_it(limits: Limits, seen: _Seen) -> None:
    most = limits.most_in if limits.input_mint == WSOL else 0
    if seen.wrapped > most:
        refuse("transfer", f"it wraps {seen.wrapped} lamports, and may spend {most}")


def _token(step: Step, limits: Limits, seen: _Seen) -> None:
    tag, accounts = step.data[0] if step.data else -1, step.accounts
    own = {_associated_account(limits.wallet, WSOL, TOKEN), *seen.made}
    if tag not in (1, 9, 17, 18) or step.program != TOKEN:
        refuse("token", f"it asks {named(step.program)} for {tag}, which is not on the list")
    if not accounts or accounts[0] not in own:
        refuse("token", "it touches an account that is not the wallet's wrapped SOL")
    if tag == 9 and accounts[1:] != (limits.wallet, limits.wallet):
        refuse("close", "it closes an account in favour of somebody else")
    if tag == 17 and len(accounts) != 1:
        refuse("token", "it asks for more than to count wrapped SOL")
    if tag in (1, 18):
        owner = accounts[2:3] if tag == 1 else (str(Pubkey(step.data[1:33])) if len(step.data) == 33 else "",)
        if accounts[0] not in seen.made or accounts[1:2] != (WSOL,) or tuple(owner) != (limits.wallet,):
            refuse("token", "it makes an account that is not the wallet's")
        seen.made[accounts[0]] = True


def _own_account(step: Step, limits: Limits, seen: _Seen) -> None:
    """`Create` and `CreateIdempotent` of an account of the wallet's own: its rent stays the wallet's."""
    if step.data not in (b"", b"\x00", b"\x01") or len(step.accounts) < 6:
        refuse("account", "it asks AssociatedToken for something that is not on the list")
    payer, address, owner, mint, _, program = step.accounts[:6]
    if (payer, owner) != (limits.wallet, limits.wallet):
        refuse("account", f"it makes an account for {owner}, paid by {payer}")
    if mint not in (limits.input_mint, limits.output_mint, WSOL):
        seen.on_the_way[address] = mint
    if program not in (TOKEN, TOKEN_2022) or address != _associated_account(owner, mint, program):
        refuse("account", "it makes another account than it says")


@lru_cache(maxsize=1024)
def _associated_account(owner: str, mint: str, program: str) -> str:
    keys = (Pubkey.from_string(key) for key in (owner, mint, program))
    return str(get_associated_token_address(*keys))


_CHORES: Mapping[str, Callable[[Step, Limits, _Seen], None]] = {
    COMPUTE_BUDGET: _budget,
    SYSTEM: _system,
    TOKEN: _token,
    TOKEN_2022: _token,
    ASSOCIATED: _own_account,
    MEMO: _memo,
}
