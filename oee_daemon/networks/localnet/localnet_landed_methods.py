"""JSON-RPC: the methods that read what has landed: statuses, transactions, blocks, a wallet's list."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from solders.transaction import Legacy, VersionedTransaction

from oee_daemon.networks.localnet import localnet_json, localnet_slots
from oee_daemon.networks.localnet.localnet_json import Json
from oee_daemon.networks.localnet.localnet_methods import (
    Method,
    Params,
    commitment,
    held_to,
    in_context,
    invalid,
    options,
    text,
)
from oee_daemon.networks.localnet.localnet_nodes import Node, RpcError
from oee_daemon.networks.localnet.localnet_sqlite import Landing

#: Signatures that one call may ask for, and that a list has (`MAX_GET_…` of agave).
_MOST_STATUSES, _MOST_LISTED = 256, 1000
#: Blocks (`MAX_GET_CONFIRMED_BLOCKS_RANGE`).
_MOST_BLOCKS = 500_000


def _error(err: str | None) -> Any:
    return None if err is None else json.loads(err)


def _statuses(node: Node, params: Params) -> Json:
    asked = params[0] if params else None
    if not isinstance(asked, list) or len(asked) > _MOST_STATUSES:
        raise invalid(f"Too many inputs provided; max {_MOST_STATUSES}")
    search = bool(options(params, 1).get("searchTransactionHistory"))
    value: list[Json | None] = []
    for signature in asked:
        found = node.status(str(signature), search)
        if found is None:
            value.append(None)
            continue
        (slot, err), level = found
        value.append(
            {
                "slot": slot,
                "confirmations": None if level == "finalized" else max(node.tip - slot, 0),
                "err": _error(err),
                "status": {"Ok": None} if err is None else {"Err": _error(err)},
                "confirmationStatus": level,
            }
        )
    # The bank that is asked is the processed one, and no option says otherwise.
    return in_context(node.tip, value)


def _transaction_json(landing: Landing, told: Json) -> Json:
    """Transaction and meta, in base64 or as JSON. Raises `RpcError` for a version that the asker can't
    read."""
    tx = VersionedTransaction.from_bytes(landing.wire)
    version: Any = tx.version()
    version = "legacy" if isinstance(version, Legacy) else version
    if version != "legacy" and told.get("maxSupportedTransactionVersion") is None:
        raise RpcError(
            -32015,
            f"Transaction version ({version}) is not supported by the requesting client. Please try the"
            " request again with the following configuration parameter:"
            f' "maxSupportedTransactionVersion": {version}',
        )
    encoding = told.get("encoding") or "json"
    if encoding == "base64":
        shown: Any = [base64.b64encode(landing.wire).decode(), "base64"]
    elif encoding == "json":
        shown = localnet_json.transaction_json(tx)
    else:
        raise invalid(f"Invalid params: localnet has no encoding {encoding}")
    return {
        "transaction": shown,
        "meta": localnet_json.read_meta(landing.meta),
        "version": version,
    }


def _level(told: Json) -> str:
    level = commitment(told)
    if level == "processed":
        raise invalid("Method does not support commitment below `confirmed`")
    return level


def _transaction(node: Node, params: Params) -> Json | None:
    signature, told = text(params, 0), options(params, 1)
    landing = node.landing(signature, _level(told))
    if landing is None:
        return None
    return {"slot": landing.slot, "blockTime": landing.unix, **_transaction_json(landing, told)}


def _signatures(node: Node, params: Params) -> list[Json]:
    """Of a fee payer, or a new token's mint: other accounts are not listed."""
    payer, told = text(params, 0), options(params, 1)
    level = _level(told)
    held_to(node, told, level)
    limit = told.get("limit") or _MOST_LISTED
    if not 0 < limit <= _MOST_LISTED:
        raise invalid(f"Invalid limit; max {_MOST_LISTED}")
    if node.row.history == "none":
        raise RpcError(-32011, "Transaction history is not available from this node")
    span = node.first_block, node.slot(level)
    found = node.chain.ledger.of_address(
        payer, slots=span, limit=limit, before=told.get("before"), until=told.get("until")
    )
    return [
        {
            "signature": landing.signature,
            "slot": landing.slot,
            "err": _error(landing.err),
            "memo": landing.memo and f"[{len(landing.memo.encode())}] {landing.memo}",
            "blockTime": landing.unix,
            "confirmationStatus": "finalized" if landing.slot <= node.slot("finalized") else "confirmed",
        }
        for landing in found
    ]


def _block(node: Node, params: Params) -> Json:
    if not params or not isinstance(params[0], int):
        raise invalid("Invalid params")
    slot, told = params[0], options(params, 1)
    if slot > node.slot(_level(told)):
        raise RpcError(-32004, f"Block not available for slot {slot}")
    if slot < node.first_block:
        raise RpcError(
            -32001, f"Block {slot} cleaned up, does not exist on node. First available: {node.first_block}"
        )
    if localnet_slots.block_at(slot) != slot:
        raise RpcError(-32007, f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot")
    height = localnet_slots.height_of(slot)
    block: Json = {
        "blockhash": str(node.hash_at(height)),
        "previousBlockhash": str(node.hash_at(height - 1)),
        "parentSlot": localnet_slots.block_at(slot - 1),
        "blockHeight": height,
        "blockTime": node.chain.unix_of(slot),
    }
    details = told.get("transactionDetails") or "full"
    landings = node.chain.ledger.block(slot)
    if details == "full":
        block["transactions"] = [_transaction_json(landing, told) for landing in landings]
    elif details == "signatures":
        block["signatures"] = [landing.signature for landing in landings]
    if told.get("rewards", True):
        block["rewards"] = []
    return block


def _blocks(node: Node, params: Params) -> list[int]:
    """The slots of so many blocks from that slot on."""
    if len(params) < 2 or not all(isinstance(number, int) for number in params[:2]):
        raise invalid("Invalid params")
    start, limit = max(params[0], node.first_block), params[1]
    if not 0 <= limit <= _MOST_BLOCKS:
        raise invalid(f"Limit too large; max {_MOST_BLOCKS}")
    slots = range(start, node.slot(_level(options(params, 2))) + 1)
    return list(islice((slot for slot in slots if localnet_slots.block_at(slot) == slot), limit))


def _first_block(node: Node, _params: Params) -> int:
    return node.first_block


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "getSignatureStatuses": _statuses,
        "getTransaction": _transaction,
        "getSignaturesForAddress": _signatures,
        "getBlock": _block,
        "getBlocksWithLimit": _blocks,
        "getFirstAvailableBlock": _first_block,
    }
)
