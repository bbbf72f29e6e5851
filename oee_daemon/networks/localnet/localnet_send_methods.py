"""JSON-RPC: the methods that execute: send, simulate, the price of a message, and the two taps of play money.

In the order of agave's `send_transaction` (`rpc/src/rpc.rs`): decode, then with preflight signatures, health
and a simulation, then pass on. Without preflight nothing is checked, and the answer is the signature whatever
becomes of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from solders.compute_budget import ID as BUDGET_ID
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0, from_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_genesis, localnet_json, localnet_slots
from oee_daemon.networks.localnet.litesvm_chain import Dropped, Simulated
from oee_daemon.networks.localnet.localnet_json import Json, Sent
from oee_daemon.networks.localnet.localnet_methods import (
    Method,
    Params,
    account_json,
    commitment,
    held_to,
    in_context,
    invalid,
    key,
    options,
    text,
    unhealthy,
)
from oee_daemon.networks.localnet.localnet_nodes import Node, RpcError
from oee_daemon.networks.localnet.localnet_swaps import create_account, memo

#: Lamports for each signature (https://solana.com/docs/core/fees).
SIGNATURE_FEE = 5_000
#: What agave says of an error, https://github.com/anza-xyz/solana-sdk, `transaction-error/src/lib.rs`.
_WORDS = {
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "SignatureFailure": "Transaction did not pass signature verification",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
}


def _decode_transaction(params: Params, told: Json) -> bytes:
    encoding = told.get("encoding") or "base58"
    if encoding != "base64":
        raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base64")
    try:
        return base64.b64decode(text(params, 0), validate=True)
    except (binascii.Error, ValueError) as e:
        raise invalid(f"invalid base64 encoding: {e}") from None


def _read(node: Node, params: Params, told: Json) -> Sent:
    try:
        return node.chain.read(_decode_transaction(params, told))
    except localnet_json.Unreadable as e:
        raise invalid(str(e)) from None


def _words(err: Any) -> str:
    """An error as a sentence."""
    if isinstance(err, dict) and "InstructionError" in err:
        place, what = err["InstructionError"]
        if isinstance(what, dict) and "Custom" in what:
            return f"Error processing Instruction {place}: custom program error: {what['Custom']:#x}"
        return f"Error processing Instruction {place}: {what}"
    return _WORDS.get(str(err), str(err))


def signature_of(node: Node, params: Params) -> str:
    """What a node says that takes a transaction and forgets it."""
    return _read(node, params, options(params, 1)).signature


def _send(node: Node, params: Params) -> str:
    told = options(params, 1)
    sent = _read(node, params, told)
    level = commitment(told, "preflightCommitment")
    if not told.get("skipPreflight"):
        held_to(node, told, level)
        if not sent.signed():
            raise RpcError(-32003, "Transaction signature verification failure")
        if node.row.lag > 128:
            raise unhealthy(node.row.lag)
        found = _try_transaction(node, sent, level, fresh=True)
        if found.err is not None:
            message = f"Transaction simulation failed: {_words(found.err)}"
            raise RpcError(-32002, message, _simulation_json(node, sent, found, {}))
    pass_on(node, sent)
    return sent.signature


def pass_on(node: Node, sent: Sent) -> None:
    """To the leader: it lands at once, later or never, as it was drawn when it came for the first time."""
    chain = node.chain
    if chain.ledger.fate(sent.signature) is not None:
        return
    fault = node.faults.draw("fate", node.row.name)
    age = chain.hashes.age(sent.message.recent_blockhash, chain.height)
    if fault is None or age is None:
        try:
            chain.land(sent)
        except Dropped:
            return
    elif fault.kind == "never":
        chain.land_at(sent, None)
    elif fault.kind == "late":
        chain.land_at(sent, chain.height - age + localnet_slots.HASH_BLOCKS + fault.blocks)
    else:
        wait = max(fault.ms // max(chain.origin.slot_ms, 1), 1)
        chain.land_at(sent, localnet_slots.height_of(localnet_slots.block_at(chain.tip + wait)))


def _try_transaction(node: Node, sent: Sent, level: str, *, fresh: bool) -> Simulated:
    """A simulation; what never gets as far as being executed has neither logs nor balances."""
    if node.chain.ledger.status(sent.signature) is not None:
        return Simulated("AlreadyProcessed", None, [], {})
    if fresh and not node.knows(sent.message.recent_blockhash, level):
        return Simulated("BlockhashNotFound", None, [], {})
    return node.chain.simulate(sent)


def _simulation_json(node: Node, sent: Sent, found: Simulated, told: Json) -> Json:
    meta = found.meta
    value: Json = {
        "err": found.err,
        "logs": [] if meta is None else meta.logs(),
        "accounts": None,
        "unitsConsumed": 0 if meta is None else meta.compute_units_consumed(),
        "loadedAccountsDataSize": 0,
        "returnData": None,
        "innerInstructions": localnet_json.inner_json(meta)
        if meta and told.get("innerInstructions")
        else None,
        "replacementBlockhash": None,
        "fee": None if meta is None else meta.fee(),
        "loadedAddresses": localnet_json.tables_json(sent),
    }
    after = [found.after.get(key) for key in sent.keys] if found.before else []
    held = localnet_json.balances_json(found.before, after, node.chain.account)
    value |= held if meta is not None else dict.fromkeys(held)
    wanted = told.get("accounts")
    if wanted is not None and found.err is None:
        value["accounts"] = [
            account_json(
                found.after[address] if address in found.after else node.chain.account(address), wanted, node
            )
            for address in map(key, wanted.get("addresses") or ())
        ]
    return value


def _simulate(node: Node, params: Params) -> Json:
    told = options(params, 1)
    level = commitment(told)
    slot = held_to(node, told, level)
    sent = _read(node, params, told)
    replaced = bool(told.get("replaceRecentBlockhash"))
    if told.get("sigVerify"):
        if replaced:
            raise invalid("sigVerify may not be used with replaceRecentBlockhash")
        if not sent.signed():
            raise RpcError(-32003, "Transaction signature verification failure")
    found = _try_transaction(node, sent, level, fresh=not replaced)
    value = _simulation_json(node, sent, found, told)
    if replaced:
        blockhash, last = node.blockhash(level)
        value["replacementBlockhash"] = {"blockhash": str(blockhash), "lastValidBlockHeight": last}
    return in_context(slot, value)


def _fee(node: Node, params: Params) -> Json:
    told = options(params, 1)
    level = commitment(told)
    try:
        message = from_bytes_versioned(base64.b64decode(text(params, 0), validate=True))
    except (binascii.Error, ValueError) as e:
        raise invalid(f"failed to deserialize message: {e}") from None
    known = isinstance(message, Message | MessageV0) and node.knows(message.recent_blockhash, level)
    return in_context(held_to(node, told, level), fee_of(message) if known else None)


def fee_of(message: Any) -> int:
    """Signatures, and the price of the units that are asked for, 200,000 an instruction if nothing is
    said."""
    limit = price = None
    others = 0
    for instruction in message.instructions:
        if message.account_keys[instruction.program_id_index] != BUDGET_ID:
            others += 1
        elif instruction.data[:1] == b"\2":
            limit = int.from_bytes(instruction.data[1:5], "little")
        elif instruction.data[:1] == b"\3":
            price = int.from_bytes(instruction.data[1:9], "little")
    units = min(1_400_000, 200_000 * others if limit is None else limit)
    priority = -(-units * (price or 0) // 1_000_000)
    return int(SIGNATURE_FEE * message.header.num_required_signatures + priority)


# Play money.


def _land_gift(node: Node, instructions: list[Instruction], who: Pubkey) -> str:
    """Lands a transaction of the faucet's, and says which; a number in its memo makes each another one."""
    note = memo(f"localnet gives {node.chain.ledger.count()} to {who} at {node.chain.tip}".encode())
    recent = node.chain.hashes.of(node.chain.height)
    payer = localnet_genesis.FAUCET.pubkey()
    message = MessageV0.try_compile(payer, [*instructions, note], [], recent)
    sent = node.chain.read(bytes(VersionedTransaction(message, [localnet_genesis.FAUCET])))
    landing = node.chain.land(sent)
    if landing.err is not None:
        raise RpcError(-32603, f"airdrop request failed: {landing.err}")
    return landing.signature


def _airdrop(node: Node, params: Params) -> str:
    who = key(text(params, 0))
    if len(params) < 2 or not isinstance(params[1], int) or not 0 < params[1] <= 10**15:
        raise invalid("Invalid params: lamports")
    given = transfer(
        TransferParams(from_pubkey=localnet_genesis.FAUCET.pubkey(), to_pubkey=who, lamports=params[1])
    )
    return _land_gift(node, [given], who)


_GIVEN = {token.mint for token in (*localnet_genesis.TOKENS, localnet_genesis.DEVNET_USDC)}


def _mint(node: Node, params: Params) -> str:
    """Not Solana's: so many base units of that mint into the owner's own account, which is made."""
    who, mint = key(text(params, 0)), key(text(params, 1))
    described = node.chain.account(mint)
    if len(params) < 3 or not isinstance(params[2], int) or not 0 < params[2] < 2**63:
        raise invalid("Invalid params: amount")
    if described is None or mint not in _GIVEN:
        raise invalid("Invalid params: no token of localnet")
    faucet = localnet_genesis.FAUCET.pubkey()
    account, made = create_account(faucet, who, mint, described.owner)
    minted = Instruction(
        described.owner,
        b"\7" + params[2].to_bytes(8, "little"),
        [AccountMeta(mint, False, True), AccountMeta(account, False, True), AccountMeta(faucet, True, False)],
    )
    return _land_gift(node, [made, minted], who)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "sendTransaction": _send,
        "simulateTransaction": _simulate,
        "getFeeForMessage": _fee,
        "requestAirdrop": _airdrop,
        "localnetMint": _mint,
    }
)
