"""A venue's transaction made ours: on our anchor, with our memo, at our price, all or nothing. Pure.

Nothing else of it is changed, and nothing of it is believed: what comes out is for the guard to judge.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from solders.hash import Hash
from solders.instruction import CompiledInstruction
from solders.message import Message, MessageAddressTableLookup, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.errors import SwapTooLong, VenueError
from oee_daemon.networks.solana.guard.guard_message import MOST_BYTES
from oee_daemon.networks.solana.solana_programs import CLMM, COMPUTE_BUDGET, MEMO

_MEMO = Pubkey.from_string(MEMO)
_LIMIT, _PRICE = b"\x02", b"\x03"
#: `swap` and `swap_v2` of Raydium's concentrated pools: amount, threshold, a price limit from byte 24, and
#: whether the input is exact.
_CONCENTRATED = (bytes.fromhex("f8c69e91e17587c8"), bytes.fromhex("2b04ed0b1ac91e62"))


def message_of(text: object) -> Message | MessageV0:
    """The message of a transaction in base 64, as venues give it. Raises `VenueError`."""
    try:
        content = base64.b64decode(str(text), validate=True)
        must_fit(len(content))
        message = VersionedTransaction.from_bytes(content).message
    except (ValueError, binascii.Error):
        raise VenueError("The venue's transaction can't be read.", retryable=True) from None
    if not isinstance(message, Message | MessageV0):
        raise VenueError("The venue's transaction is of a version that is not known.", retryable=True)
    return message


def must_fit(size: int) -> None:
    """Before solders counts it: of more parts than a message can have it makes no error but a panic, which
    nothing of ours catches. Raises `SwapTooLong`."""
    if size > MOST_BYTES:
        raise SwapTooLong(f"The venue's swap is longer than the {MOST_BYTES} bytes of a transaction.")


def unit_limit_of(message: Message | MessageV0) -> int:
    """The compute units that it asks for; 0 where it does not say."""
    asked = [step for step in message.instructions if _asks(message, step, _LIMIT, 5)]
    return int.from_bytes(bytes(asked[0].data)[1:], "little") if asked else 0


def stamped(
    message: Message | MessageV0,
    blockhash: str,
    memo: bytes,
    unit_price: int,
    tables: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> bytes:
    """The message's bytes, on that blockhash, with the memo as its last instruction and with that price, in
    micro-lamports for each unit, where it sets one. `tables`: what its lookup tables hold.

    An exact output of a concentrated pool loses its price limit, at which less of it could arrive: without
    one the program fills all or fails, within the same bound.
    https://github.com/raydium-io/raydium-clmm, swap_v2.rs
    """
    keys, head = list(message.account_keys), message.header
    own = len(keys)
    known = _MEMO in keys
    lookups, loaded = _without_memo(message, tables)
    if not known:
        # The last of its own keys; those of its lookup tables come after it, and move by one.
        keys.append(_MEMO)

    def moved(number: int) -> int:
        if known or number < own:
            return number
        if number == loaded:
            return own
        return number if loaded is not None and number > loaded else number + 1

    steps = []
    for step in message.instructions:
        data = _price_step(message, step, unit_price)
        steps.append(
            CompiledInstruction(step.program_id_index, data, bytes(map(moved, bytes(step.accounts))))
        )
    steps.append(CompiledInstruction(keys.index(_MEMO), memo, b""))
    readonly = head.num_readonly_unsigned_accounts + (not known)
    made = Message.new_with_compiled_instructions(
        head.num_required_signatures,
        head.num_readonly_signed_accounts,
        readonly,
        keys,
        Hash.from_string(blockhash),
        steps,
    )
    if isinstance(message, MessageV0):
        return to_bytes_versioned(MessageV0(made.header, keys, made.recent_blockhash, steps, lookups))
    return bytes(made)


def _price_step(message: Message | MessageV0, step: CompiledInstruction, unit_price: int) -> bytes:
    """What the step is called with: at that price of a unit, and with no price limit of a pool's."""
    data = bytes(step.data)
    if _asks(message, step, _PRICE, 9):
        return _PRICE + unit_price.to_bytes(8, "little")
    return data[:24] + bytes(16) + data[40:] if _stops_early(message, step) else data


def _without_memo(
    message: Message | MessageV0, tables: Mapping[str, Sequence[str]]
) -> tuple[list[MessageAddressTableLookup], int | None]:
    """Its lookups without the memo program, which Raydium's table holds and a message may name once, and the
    number that it had. What is called has to be the message's own."""
    lookups = list(message.address_table_lookups) if isinstance(message, MessageV0) else []
    number = len(message.account_keys)
    for side in (0, 1):
        for n, lookup in enumerate(lookups):
            sides = [bytes(lookup.writable_indexes), bytes(lookup.readonly_indexes)]
            entries = tables.get(str(lookup.account_key), ())
            for place in sides[side]:
                if place < len(entries) and entries[place] == MEMO:
                    sides[side] = sides[side].replace(bytes([place]), b"")
                    left = [MessageAddressTableLookup(lookup.account_key, *sides)] if any(sides) else []
                    return [*lookups[:n], *left, *lookups[n + 1 :]], number
                number += 1
    return lookups, None


def _stops_early(message: Message | MessageV0, step: CompiledInstruction) -> bool:
    data = bytes(step.data)
    return _program(message, step) == CLMM and data.startswith(_CONCENTRATED) and data[40:] == b"\0"


def _asks(message: Message | MessageV0, step: CompiledInstruction, tag: bytes, length: int) -> bool:
    data = bytes(step.data)
    return _program(message, step) == COMPUTE_BUDGET and len(data) == length and data.startswith(tag)


def _program(message: Message | MessageV0, step: CompiledInstruction) -> str:
    named = step.program_id_index < len(message.account_keys)
    return str(message.account_keys[step.program_id_index]) if named else ""
