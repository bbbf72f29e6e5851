"""A landed transaction as the RPC tells it, read as what it did for one wallet. Pure.

The bytes say whose it was, the balances what it moved; the node's own words count for neither.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.solana_fill import Unreadable, keys_of, moved
from oee_daemon.networks.solana.solana_look_evidence import LONGEST_BLOCKS, Anchored, Shown, anchored_at
from oee_daemon.networks.solana.solana_programs import MEMO
from oee_daemon.networks.solana.solana_refusals import rejection
from oee_daemon.networks.solana.solana_swap_memo import Memo, read_memo
from oee_daemon.orders.swap import Fill, Landed, SignedSwap

_MEMO = Pubkey.from_string(MEMO)
#: What `getTransaction` is asked for beside the signature.
OPTIONS: Mapping[str, object] = {
    "encoding": "base64",
    "commitment": "finalized",
    "maxSupportedTransactionVersion": 1,
}


def memo_of(transaction: VersionedTransaction) -> Memo | None:
    """The memo of ours in it."""
    keys = transaction.message.account_keys
    for step in transaction.message.instructions:
        if step.program_id_index < len(keys) and keys[step.program_id_index] == _MEMO:
            memo = read_memo(bytes(step.data))
            if memo is not None:
                return memo
    return None


def anchored_of(swap: SignedSwap) -> Anchored:
    """Where its anchor was, by its own memo; without one, as early as it can have been."""
    try:
        memo = memo_of(VersionedTransaction.from_bytes(swap.raw))
    except ValueError:
        memo = None
    if memo is not None and anchored_at(memo.anchored.slot, memo.anchored.height, swap.last_valid_height):
        return memo.anchored
    earliest = max(0, swap.last_valid_height - LONGEST_BLOCKS)
    return Anchored(slot=earliest, height=earliest)


def shown_of(said: Mapping[str, Any], signature: str, wallet: str, mints: Collection[str] = ()) -> Shown:
    """What `getTransaction` said of that signature; `mints` as in `moved`. Raises `Unreadable`, where it says
    another's, or nothing that a swap is."""
    try:
        slot, meta = said["slot"], said["meta"]
        if type(slot) is not int:
            raise Unreadable("no slot")
        transaction = _read(said["transaction"])
        if str(transaction.signatures[0]) != signature:
            raise Unreadable("another transaction")
        if meta["err"] is not None:
            return Shown(slot=slot, result=rejection(meta["err"], meta.get("logMessages")))
        keys = keys_of({"accountKeys": transaction.message.account_keys}, meta)
        return Shown(slot=slot, result=Landed(_fill(said, transaction, meta, keys, wallet, mints)))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError, OSError):
        raise Unreadable("a transaction of another shape") from None


def whose(said: Mapping[str, Any], wallet: str) -> UUID | None:
    """The order that a landing says it is for, though what it moved can't be read; none where somebody else
    has paid for it, since anybody can write any memo."""
    try:
        transaction = _read(said["transaction"])
        memo = memo_of(transaction) if str(transaction.message.account_keys[0]) == wallet else None
        return None if memo is None or said["meta"]["err"] is not None else memo.order_id
    except (Unreadable, KeyError, TypeError, AttributeError, IndexError, ValueError):
        return None


def _fill(
    said: Mapping[str, Any],
    transaction: VersionedTransaction,
    meta: Mapping[str, Any],
    keys: Sequence[str],
    wallet: str,
    mints: Collection[str],
) -> Fill:
    if keys[0] != wallet:
        # Our swaps are paid for by the wallet; what another has sent may bear any memo, and move tokens in.
        raise Unreadable("somebody else has paid for it")
    what, memo = moved(meta, keys, wallet, mints), memo_of(transaction)
    unix = said.get("blockTime")
    return Fill(
        signature=str(transaction.signatures[0]),
        input_mint=what.input_mint,
        output_mint=what.output_mint,
        amount_in=what.amount_in,
        amount_out=what.amount_out,
        # The chain does not know what the venue kept.
        fee=None,
        slot=said["slot"],
        # Some blocks have no time, which is in whole seconds.
        at=datetime.fromtimestamp(unix if type(unix) is int else 0, UTC),
        order_id=None if memo is None else memo.order_id,
        network_fee=meta["fee"],
    )


def _read(said: Any) -> VersionedTransaction:
    content, encoding = said
    if encoding != "base64":
        raise Unreadable("an encoding that was not asked for")
    try:
        transaction = VersionedTransaction.from_bytes(base64.b64decode(content, validate=True))
        genuine = transaction.verify_with_results()[:1] == [True]
    except (ValueError, binascii.Error):
        raise Unreadable("a transaction that can't be read") from None
    if not genuine:
        # Whoever tells it could have made it up, for whatever order.
        raise Unreadable("a transaction that its payer has not signed")
    return transaction
