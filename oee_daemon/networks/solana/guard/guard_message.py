"""A message as the guard reads it: who pays, what is called with which accounts and data. Pure.

What can't be read, or needs another's signature, is refused here: `UnsafeSwap`, by the rule in its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from solders.message import Message, MessageV0, from_bytes_versioned, to_bytes_versioned

from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.solana.solana_programs import (
    ASSOCIATED,
    COMPUTE_BUDGET,
    MEMO,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
)

#: Bytes of a transaction: of what it takes beside its message, and in all.
SIGNATURE_BYTES, MOST_BYTES = 65, 1232
_NAMES = {
    SYSTEM: "System", TOKEN: "Token", TOKEN_2022: "Token-2022", ASSOCIATED: "AssociatedToken", MEMO: "Memo",
    COMPUTE_BUDGET: "ComputeBudget",
}  # fmt: skip


def refuse(rule: str, why: str) -> NoReturn:
    """`rule`: the name of what it breaks."""
    raise UnsafeSwap(f"The swap that the venue built is not signed: {why}.", code=f"unsafe.{rule}")


def named(program: str) -> str:
    """A program as people know it."""
    return _NAMES.get(program, program)


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction."""

    program: str
    accounts: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """The message, before its lookup tables are read. `tables`: each with the places that it gives, the
    writable ones first."""

    message: Message | MessageV0
    keys: tuple[str, ...]
    tables: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Whole:
    """The message with all of its accounts, in the order in which the chain numbers them."""

    keys: tuple[str, ...]
    writable: frozenset[str]
    steps: tuple[Step, ...]


def read(content: bytes, payer: str) -> Reading:
    """Raises `UnsafeSwap`."""
    if len(content) + SIGNATURE_BYTES > MOST_BYTES:
        refuse("too_long", f"it has {len(content)} bytes")
    try:
        message = from_bytes_versioned(content)
    except Exception:
        # solders words each kind of broken bytes by another class.
        refuse("unreadable", "its message can't be read")
    # Version 1 sets its budget outside of its instructions (SIMD-0385), which nothing here reads.
    if not isinstance(message, Message | MessageV0):
        refuse("version", "its message is of a version that is not known here")
    if to_bytes_versioned(message) != content:
        refuse("unreadable", "its message is not what is read of it")
    return _sane(message, payer)


def _sane(message: Message | MessageV0, payer: str) -> Reading:
    keys = tuple(map(str, message.account_keys))
    lookups = message.address_table_lookups if isinstance(message, MessageV0) else []
    tables = {str(t.account_key): (tuple(t.writable_indexes), tuple(t.readonly_indexes)) for t in lookups}
    head = message.header
    if not keys or keys[0] != payer:
        refuse("payer", f"{keys[0] if keys else 'nobody'} would pay, not {payer}")
    if head.num_required_signatures != 1:
        refuse("signers", f"it asks for {head.num_required_signatures} signatures")
    if head.num_readonly_signed_accounts != 0 or head.num_readonly_unsigned_accounts >= len(keys):
        refuse("unreadable", "its header contradicts itself")
    if len(set(keys)) != len(keys) or len(tables) != len(lookups):
        refuse("unreadable", "it names an account twice")
    for step in message.instructions:
        # Programs come from the message itself: one of a table could change until it lands.
        if not 0 < step.program_id_index < len(keys):
            refuse("program", "it calls a program that it does not name itself")
    return Reading(message, keys, tables)


def whole(reading: Reading, tables: Mapping[str, Sequence[str]]) -> Whole:
    """The message with the accounts of its lookup tables, as the chain has them. Raises `UnsafeSwap`."""
    loaded: list[list[str]] = [[], []]
    for table, places in reading.tables.items():
        entries = tables.get(table)
        if entries is None:
            refuse("table", f"{table} is no lookup table")
        for side, indexes in enumerate(places):
            if any(index >= len(entries) for index in indexes):
                refuse("table", f"{table} has not as many accounts as it uses")
            loaded[side] += [entries[index] for index in indexes]
    keys = (*reading.keys, *loaded[0], *loaded[1])
    if len(set(keys)) != len(keys):
        refuse("table", "a lookup table gives an account that it names already")
    head, own = reading.message.header, len(reading.keys)
    writable = {*reading.keys[: own - head.num_readonly_unsigned_accounts], *loaded[0]}
    steps = []
    for step in reading.message.instructions:
        numbers = bytes(step.accounts)
        if any(number >= len(keys) for number in numbers):
            refuse("unreadable", "an instruction names an account that is not there")
        accounts = tuple(keys[number] for number in numbers)
        steps.append(Step(keys[step.program_id_index], accounts, bytes(step.data)))
    return Whole(keys, frozenset(writable), tuple(steps))
