"""A transaction as the RPC shows it: what it names, what it moved, and the JSON of both.

Shapes: https://solana.com/docs/rpc/json-structures. Reads bytes and accounts, changes nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from solders.account import Account
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from oee_daemon.networks.localnet import localnet_pools

LOOKUP_HEAD = 56
#: A token account without extensions.
TOKEN_BYTES = 165
MEMO_ID = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
_TOKEN_IDS = (localnet_pools.TOKEN_ID, localnet_pools.TOKEN_2022_ID)
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
#: Bytes that a transaction may have (https://solana.com/docs/core/transactions).
MOST_BYTES = 1232

Json = dict[str, Any]


class Unreadable(Exception):
    """These bytes are no transaction that a node takes."""


@dataclass(frozen=True)
class Sent:
    """A transaction with all its keys: named in the message, then by tables, written and read."""

    tx: VersionedTransaction
    wire: bytes
    signature: str
    tabled: tuple[tuple[Pubkey, ...], tuple[Pubkey, ...]]

    @cached_property
    def message(self) -> Message | MessageV0:
        # Each time the transaction is asked for it, it is copied.
        return self.tx.message  # type: ignore[return-value]

    @cached_property
    def keys(self) -> list[Pubkey]:
        return [*self.message.account_keys, *self.tabled[0], *self.tabled[1]]

    @cached_property
    def written(self) -> list[bool]:
        """For each key, whether it may change."""
        head, total = self.message.header, len(self.keys) - len(self.tabled[0]) - len(self.tabled[1])
        signed, read_only = head.num_required_signatures, head.num_readonly_signed_accounts
        named = [
            n < signed - read_only or signed <= n < total - head.num_readonly_unsigned_accounts
            for n in range(total)
        ]
        return named + [True] * len(self.tabled[0]) + [False] * len(self.tabled[1])

    @property
    def memo(self) -> str | None:
        for instruction in self.message.instructions:
            if self.keys[instruction.program_id_index] == MEMO_ID:
                return instruction.data.decode("utf-8", "replace")
        return None

    def signed(self) -> bool:
        return all(self.tx.verify_with_results())


def read(wire: bytes, account: Callable[[Pubkey], Account | None]) -> Sent:
    """The transaction of those bytes. Raises `Unreadable`."""
    if len(wire) > MOST_BYTES:
        raise Unreadable(
            f"decoded solana_transaction::versioned::VersionedTransaction too large: {len(wire)} bytes"
        )
    try:
        tx = VersionedTransaction.from_bytes(wire)
        tx.sanitize()
    except (ValueError, OverflowError) as e:
        raise Unreadable(f"failed to deserialize transaction: {e}") from None
    if bytes(tx) != wire:
        raise Unreadable("failed to deserialize transaction: bytes are left")
    message = tx.message
    if not isinstance(message, Message | MessageV0):
        raise Unreadable("localnet takes no transaction of version 1")
    written: list[Pubkey] = []
    read_only: list[Pubkey] = []
    if isinstance(message, MessageV0):
        for lookup in message.address_table_lookups:
            table = account(lookup.account_key)
            data = b"" if table is None else table.data[LOOKUP_HEAD:]
            for wanted, found in ((lookup.writable_indexes, written), (lookup.readonly_indexes, read_only)):
                for n in wanted:
                    key = data[32 * n : 32 * n + 32]
                    if len(key) == 32:
                        found.append(Pubkey(key))
    return Sent(tx, wire, str(tx.signatures[0]), (tuple(written), tuple(read_only)))


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def amount_json(amount: int, decimals: int) -> Json:
    """As `UiTokenAmount`; the float is the RPC's own, nobody reckons with it."""
    digits = f"{amount:0{decimals + 1}d}"
    whole, part = (digits[:-decimals], digits[-decimals:].rstrip("0")) if decimals else (digits, "")
    text = f"{whole}.{part}" if part else whole
    return {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": float(text) if amount else None,
        "uiAmountString": text,
    }


def token_parts(account: Account | None) -> tuple[Pubkey, Pubkey, int] | None:
    """Mint, owner and amount of an initialized token account; None of anything else."""
    if account is None or account.executable or account.owner not in _TOKEN_IDS:
        return None
    data = account.data
    if len(data) < TOKEN_BYTES or data[108] == 0 or (len(data) > TOKEN_BYTES and data[TOKEN_BYTES] != 2):
        return None
    return Pubkey(data[:32]), Pubkey(data[32:64]), localnet_pools.token_amount(data)


#: Accounts by the places of a transaction's keys.
State = Sequence[Account | None]


def balances_json(before: State, after: State, mint_account: Callable[[Pubkey], Account | None]) -> Json:
    """What each account held before and after, in lamports and in tokens."""
    decimals: dict[Pubkey, int] = {}

    def tokens(n: int, account: Account | None) -> list[Json]:
        parts = token_parts(account)
        if parts is None or account is None:
            return []
        mint, owner, amount = parts
        if mint not in decimals:
            described = mint_account(mint)
            decimals[mint] = described.data[44] if described else 0
        told: Json = {
            "accountIndex": n,
            "mint": str(mint),
            "owner": str(owner),
            "programId": str(account.owner),
            "uiTokenAmount": amount_json(amount, decimals[mint]),
        }
        return [told]

    held = [tokens(n, account) for n, account in enumerate(before)]
    # What nobody could write was not read again, and is the same.
    left = [
        held[n] if new is old else tokens(n, new)
        for n, (old, new) in enumerate(zip(before, after, strict=True))
    ]
    return {
        "preBalances": [0 if account is None else account.lamports for account in before],
        "postBalances": [0 if account is None else account.lamports for account in after],
        "preTokenBalances": [one for found in held for one in found],
        "postTokenBalances": [one for found in left for one in found],
    }


def outcome(result: TransactionMetadata | FailedTransactionMetadata) -> tuple[Any, TransactionMetadata]:
    """The error as the RPC writes it, or None, and what came along with it."""
    if isinstance(result, FailedTransactionMetadata):
        return json.loads(result.to_json())["err"], result.meta()
    return None, result


def inner_json(meta: TransactionMetadata) -> list[Json]:
    return [
        {
            "index": n,
            "instructions": [
                instruction_json(inner.instruction()) | {"stackHeight": inner.stack_height()}
                for inner in inners
            ],
        }
        for n, inners in enumerate(meta.inner_instructions())
        if inners
    ]


def instruction_json(instruction: Any) -> Json:
    """A compiled instruction, its accounts as places in the transaction's keys."""
    return {
        "programIdIndex": instruction.program_id_index,
        "accounts": list(instruction.accounts),
        "data": base58(instruction.data),
        "stackHeight": None,
    }


def tables_json(sent: Sent) -> Json:
    written, read_only = sent.tabled
    return {"writable": [str(key) for key in written], "readonly": [str(key) for key in read_only]}


def meta_json(
    sent: Sent,
    err: Any,
    meta: TransactionMetadata,
    before: State,
    after: State,
    mint: Callable[[Pubkey], Any],
) -> bytes:
    """`meta` of `getTransaction`, compressed."""
    told = {
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "fee": meta.fee(),
        **balances_json(before, after, mint),
        "innerInstructions": inner_json(meta),
        "logMessages": meta.logs(),
        "computeUnitsConsumed": meta.compute_units_consumed(),
        "loadedAddresses": tables_json(sent),
        "rewards": [],
    }
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 1)


def read_meta(meta: bytes) -> Any:
    return json.loads(zlib.decompress(meta))


def _message_json(message: Any) -> Json:
    head = message.header
    told: Json = {
        "header": {
            "numRequiredSignatures": head.num_required_signatures,
            "numReadonlySignedAccounts": head.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": head.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [instruction_json(instruction) for instruction in message.instructions],
    }
    if isinstance(message, MessageV0):
        told["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    return told


def transaction_json(tx: VersionedTransaction) -> Json:
    return {
        "signatures": [str(signature) for signature in tx.signatures],
        "message": _message_json(tx.message),
    }
