"""JSON-RPC: the table of methods, and those that read the chain's time and its accounts.

Shapes and errors: https://solana.com/docs/rpc/http. Each takes a node and its parameters.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from solders.account import Account
from solders.hash import Hash
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet import localnet_json, localnet_pools, localnet_slots
from oee_daemon.networks.localnet.localnet_json import Json
from oee_daemon.networks.localnet.localnet_nodes import COMMITMENTS, Node, RpcError

Params: TypeAlias = Sequence[Any]
Method: TypeAlias = Callable[[Node, Params], Any]
#: What this node says that it is; Alpenglow has been in Agave since 4.3.
VERSION = "4.3.0"
#: Accounts that one call may ask for (`MAX_MULTIPLE_ACCOUNTS` of agave).
_MOST_ACCOUNTS = 100
#: Accounts that `getTokenLargestAccounts` tells (`NUM_LARGEST_ACCOUNTS` of agave).
_MOST_LARGEST = 20
_NO_RENT_EPOCH = 2**64 - 1


def invalid(message: str) -> RpcError:
    return RpcError(-32602, message)


def options(params: Params, at: int) -> Json:
    """The object in that place; {} where there is none. Raises `RpcError`."""
    found = params[at] if len(params) > at else None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise invalid("Invalid params: expected an object")
    return found


def commitment(told: Json, name: str = "commitment") -> str:
    found = told.get(name) or "finalized"
    if found not in COMMITMENTS:
        raise invalid(f"Invalid params: unknown variant `{found}`")
    return str(found)


def text(params: Params, at: int) -> str:
    if len(params) <= at or not isinstance(params[at], str):
        raise invalid(
            "`params` should have at least 1 argument(s)" if len(params) <= at else "Invalid params"
        )
    return str(params[at])


def key(value: object) -> Pubkey:
    try:
        return Pubkey.from_string(str(value))
    except ValueError:
        raise invalid("Invalid param: WrongSize") from None


def blockhash(value: str) -> Hash:
    try:
        return Hash.from_string(value)
    except ValueError:
        raise invalid("Invalid param: WrongSize") from None


def held_to(node: Node, told: Json, level: str) -> int:
    """The slot of that commitment. Raises `RpcError` where it is below what was asked for."""
    slot, least = node.slot(level), told.get("minContextSlot")
    if least is not None and slot < least:
        raise RpcError(-32016, "Minimum context slot has not been reached", {"contextSlot": slot})
    return slot


def in_context(slot: int, value: Any) -> Json:
    return {"context": {"apiVersion": VERSION, "slot": slot}, "value": value}


def _asked_of(node: Node, params: Params, at: int = 0) -> tuple[str, int]:
    """The commitment that the options in that place ask for, and its slot. Raises `RpcError`."""
    told = options(params, at)
    level = commitment(told)
    return level, held_to(node, told, level)


def _with_context(node: Node, params: Params, at: int, value: Callable[[str], Any]) -> Json:
    level, slot = _asked_of(node, params, at)
    return in_context(slot, value(level))


# Time.


def _latest_blockhash(node: Node, params: Params) -> Json:
    def value(level: str) -> Json:
        found, last = node.blockhash(level)
        return {"blockhash": str(found), "lastValidBlockHeight": last}

    return _with_context(node, params, 0, value)


def _is_blockhash_valid(node: Node, params: Params) -> Json:
    asked = blockhash(text(params, 0))
    return _with_context(node, params, 1, lambda level: node.knows(asked, level))


def _block_height(node: Node, params: Params) -> int:
    level, _ = _asked_of(node, params)
    return node.height(level)


def _slot(node: Node, params: Params) -> int:
    return _asked_of(node, params)[1]


def _epoch_info(node: Node, params: Params) -> Json:
    level, slot = _asked_of(node, params)
    return {
        "absoluteSlot": slot,
        "blockHeight": node.height(level),
        "epoch": slot // localnet_slots.EPOCH_SLOTS,
        "slotIndex": slot % localnet_slots.EPOCH_SLOTS,
        "slotsInEpoch": localnet_slots.EPOCH_SLOTS,
        "transactionCount": node.chain.ledger.count(),
    }


def _health(node: Node, _params: Params) -> str:
    """Ill from 128 slots behind on (`DELINQUENT_VALIDATOR_SLOT_DISTANCE`)."""
    if node.row.lag > 128:
        raise unhealthy(node.row.lag)
    return "ok"


def unhealthy(slots_behind: int) -> RpcError:
    behind = {"numSlotsBehind": slots_behind}
    return RpcError(-32005, f"Node is behind by {slots_behind} slots", behind)


def _genesis_hash(node: Node, _params: Params) -> str:
    return str(Hash(node.chain.origin.genesis_hash))


def _alpenglow(node: Node, _params: Params) -> Json | None:
    """Since when blocks are final at once; null where they are by Tower's 32 slots."""
    if node.chain.rules.final > 1:
        return None
    return {"slot": localnet_slots.FIRST_SLOT, "blockId": _genesis_hash(node, ())}


def _version(_node: Node, _params: Params) -> Json:
    return {"feature-set": 3_640_012_085, "solana-core": VERSION}


# Accounts.


def account_json(account: Account | None, told: Json, node: Node) -> Json | None:
    """In base64, or for what is asked as `jsonParsed` and is a token account, by its parts."""
    if account is None:
        return None
    parts = localnet_json.token_parts(account) if told.get("encoding") == "jsonParsed" else None
    data: Any = [base64.b64encode(account.data).decode(), "base64"]
    if parts is not None:
        data = _parsed_json(account, parts, node)
    return {
        "lamports": account.lamports,
        "owner": str(account.owner),
        "executable": account.executable,
        "rentEpoch": _NO_RENT_EPOCH,
        "space": len(account.data),
        "data": data,
    }


def _parsed_json(account: Account, parts: tuple[Pubkey, Pubkey, int], node: Node) -> Json:
    mint, owner, amount = parts
    info: Json = {
        "isNative": account.data[109:113] == b"\1\0\0\0",
        "mint": str(mint),
        "owner": str(owner),
        "state": "initialized" if account.data[108] == 1 else "frozen",
        "tokenAmount": localnet_json.amount_json(amount, _decimals(node, mint)),
    }
    name = "spl-token" if account.owner == localnet_pools.TOKEN_ID else "spl-token-2022"
    return {"program": name, "space": len(account.data), "parsed": {"type": "account", "info": info}}


def _decimals(node: Node, mint: Pubkey) -> int:
    found = node.chain.account(mint)
    return found.data[44] if found and len(found.data) > 44 else 0


def _account_info(node: Node, params: Params) -> Json:
    account, told = node.chain.account(key(text(params, 0))), options(params, 1)
    return _with_context(node, params, 1, lambda _: account_json(account, told, node))


def _multiple_accounts(node: Node, params: Params) -> Json:
    asked, told = params[0] if params else None, options(params, 1)
    if not isinstance(asked, list) or len(asked) > _MOST_ACCOUNTS:
        raise invalid(f"Too many inputs provided; max {_MOST_ACCOUNTS}")
    found = [account_json(node.chain.account(key(address)), told, node) for address in asked]
    return _with_context(node, params, 1, lambda _: found)


def _balance(node: Node, params: Params) -> Json:
    account = node.chain.account(key(text(params, 0)))
    return _with_context(node, params, 1, lambda _: 0 if account is None else account.lamports)


def _token_balance(node: Node, params: Params) -> Json:
    parts = localnet_json.token_parts(node.chain.account(key(text(params, 0))))
    if parts is None:
        raise invalid("Invalid param: could not find account")
    return _with_context(
        node, params, 1, lambda _: localnet_json.amount_json(parts[2], _decimals(node, parts[0]))
    )


def _token_accounts(node: Node, params: Params) -> Json:
    owner, by, told = key(text(params, 0)), options(params, 1), options(params, 2)
    found = []
    for address, account in node.chain.token_accounts(owner):
        parts = localnet_json.token_parts(account)
        if parts is None or by.get("mint") not in (None, str(parts[0])):
            continue
        if by.get("programId") in (None, str(account.owner)):
            found.append({"pubkey": str(address), "account": account_json(account, told, node)})
    return _with_context(node, params, 2, lambda _: found)


def _largest_accounts(node: Node, params: Params) -> Json:
    """The twenty that hold most of a mint."""
    mint = key(text(params, 0))
    described = node.chain.account(mint)
    if described is None or len(described.data) < 82:
        raise invalid("Invalid param: not a Token mint")
    held = [(a, localnet_pools.token_amount(found.data)) for a, found in node.chain.accounts_of_mint(mint)]
    held.sort(key=lambda one: -one[1])
    decimals = _decimals(node, mint)
    rows = [
        {"address": str(address), **localnet_json.amount_json(amount, decimals)}
        for address, amount in held[:_MOST_LARGEST]
    ]
    return _with_context(node, params, 1, lambda _: rows)


def _token_supply(node: Node, params: Params) -> Json:
    account = node.chain.account(key(text(params, 0)))
    if account is None or len(account.data) < 82:
        raise invalid("Invalid param: not a Token mint")
    supply = int.from_bytes(account.data[36:44], "little")
    return _with_context(node, params, 1, lambda _: localnet_json.amount_json(supply, account.data[44]))


def _rent(node: Node, params: Params) -> int:
    if not params or not isinstance(params[0], int):
        raise invalid("Invalid params")
    return node.chain.rent(params[0])


def _recent_fees(node: Node, _params: Params) -> list[Json]:
    """Made up: two blocks of three had room for all, in the others the least that landed paid something."""
    last = node.slot("processed")
    told = []
    for slot in (n for n in range(last - 150, last + 1) if localnet_slots.block_at(n) == n):
        draw = int.from_bytes(hashlib.sha256(b"fee %d" % slot).digest()[:4], "big")
        told.append({"slot": slot, "prioritizationFee": draw % 20_000 if draw % 3 == 0 else 0})
    return told[-150:]


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "getLatestBlockhash": _latest_blockhash,
        "isBlockhashValid": _is_blockhash_valid,
        "getBlockHeight": _block_height,
        "getSlot": _slot,
        "getEpochInfo": _epoch_info,
        "getHealth": _health,
        "getGenesisHash": _genesis_hash,
        "getAgGenesisCert": _alpenglow,
        "getVersion": _version,
        "getAccountInfo": _account_info,
        "getMultipleAccounts": _multiple_accounts,
        "getBalance": _balance,
        "getTokenAccountBalance": _token_balance,
        "getTokenAccountsByOwner": _token_accounts,
        "getTokenSupply": _token_supply,
        "getTokenLargestAccounts": _largest_accounts,
        "getMinimumBalanceForRentExemption": _rent,
        "getRecentPrioritizationFees": _recent_fees,
    }
)
