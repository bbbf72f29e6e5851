"""Every answer is read by solders' own types, which were made for real nodes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import MessageV0, to_bytes_versioned
from solders.rpc import responses
from solders.signature import Signature

from oee_daemon.networks.localnet.localnet_http_door import METHODS
from tests.networks.localnet.conftest import SOL, USDC, Localnet

#: Ours alone, or newer than solders: read in tests of their own.
_OTHERS = {"localnetMint", "getAgGenesisCert"}


class Asked:
    """One landed swap, and what there is to ask about it."""

    def __init__(self, net: Localnet) -> None:
        net.fund()
        self.net, self.me = net, str(net.wallet.pubkey())
        swap = net.raydium_tx(net.raydium(SOL, USDC, 10**9))
        self.landed = net.send(net.signed(swap))
        net.blocks(2)
        tx = net.signed(swap)
        self.wire = base64.b64encode(bytes(tx)).decode()
        self.message = base64.b64encode(to_bytes_versioned(tx.message)).decode()
        self.hash = net.rpc("getLatestBlockhash")["value"]["blockhash"]
        self.slot = net.status(self.landed)["slot"]
        accounts = net.rpc("getTokenAccountsByOwner", self.me, {"mint": USDC}, {"encoding": "jsonParsed"})
        self.account = accounts["value"][0]["pubkey"]

    def params(self, method: str) -> list[Any]:
        b64, parsed = {"encoding": "base64"}, {"encoding": "jsonParsed"}
        given: dict[str, list[Any]] = {
            "isBlockhashValid": [self.hash],
            "getAccountInfo": [self.me, b64],
            "getMultipleAccounts": [[self.me, USDC, str(Hash.default())], b64],
            "getBalance": [self.me],
            "getTokenAccountBalance": [self.account],
            "getTokenAccountsByOwner": [self.me, {"mint": USDC}, parsed],
            "getTokenSupply": [USDC],
            "getTokenLargestAccounts": [USDC],
            "getMinimumBalanceForRentExemption": [165],
            "getRecentPrioritizationFees": [[self.me]],
            "getSignatureStatuses": [
                [self.landed, str(Signature.default())],
                {"searchTransactionHistory": True},
            ],
            "getTransaction": [self.landed, {"encoding": "json", "maxSupportedTransactionVersion": 1}],
            "getSignaturesForAddress": [self.me],
            "getBlocksWithLimit": [self.slot, 5],
            "getBlock": [self.slot, {"encoding": "json", "maxSupportedTransactionVersion": 0}],
            "sendTransaction": [self.wire, b64],
            "simulateTransaction": [
                self.wire,
                {
                    **b64,
                    "innerInstructions": True,
                    "accounts": {"encoding": "base64", "addresses": [self.me]},
                },
            ],
            "getFeeForMessage": [self.message],
            "requestAirdrop": [self.me, 5_000_000],
        }
        return given.get(method, [])


def response(method: str) -> Any:
    special = {
        "getTokenAccountsByOwner": "GetTokenAccountsByOwnerJsonParsedResp",
        "simulateTransaction": "SimulateTransactionResp",
    }
    return getattr(responses, special.get(method, method[0].upper() + method[1:] + "Resp"))


@pytest.mark.parametrize("method", sorted(set(METHODS) - _OTHERS))
def test_solders_reads_the_answer(net: Localnet, method: str) -> None:
    asked = Asked(net)
    raw = net.raw(method, *asked.params(method))
    found = response(method).from_json(raw)
    assert isinstance(found, response(method)), raw[:300]


def test_there_are_as_many_as_a_trader_needs() -> None:
    assert len(METHODS) - len(_OTHERS) >= 22


def test_what_solders_reads_is_what_happened(net: Localnet) -> None:
    asked = Asked(net)
    raw = net.raw("getTransaction", *asked.params("getTransaction"))
    found = responses.GetTransactionResp.from_json(raw)
    assert isinstance(found, responses.GetTransactionResp) and found.value is not None
    meta = found.value.transaction.meta
    assert meta is not None and meta.err is None and meta.fee == 5_000 + 200 and meta.inner_instructions
    statuses = responses.GetSignatureStatusesResp.from_json(
        net.raw("getSignatureStatuses", *asked.params("getSignatureStatuses"))
    )
    assert isinstance(statuses, responses.GetSignatureStatusesResp)
    one, none = statuses.value
    assert none is None and one is not None and one.slot == asked.slot and one.err is None
    block = responses.GetBlockResp.from_json(net.raw("getBlock", *asked.params("getBlock")))
    assert isinstance(block, responses.GetBlockResp) and block.value is not None
    assert [str(tx.transaction.signatures[0]) for tx in block.value.transactions or ()][-1] == asked.landed


def test_the_wire_is_given_back_as_it_came(net: Localnet) -> None:
    asked = Asked(net)
    told = net.rpc(
        "getTransaction", asked.landed, {"encoding": "base64", "maxSupportedTransactionVersion": 0}
    )
    assert net.ledger.find(asked.landed) is not None
    assert base64.b64decode(told["transaction"][0])[1:65] == bytes(Signature.from_string(asked.landed))


def test_a_preflight_failure_is_read_with_its_error(net: Localnet) -> None:
    asked = Asked(net)
    raw = net.raw("sendTransaction", asked.wire, {"encoding": "base64"})
    assert "result" in json.loads(raw)
    raw = net.raw("sendTransaction", asked.wire, {"encoding": "base64"})
    found: Any = responses.SendTransactionResp.from_json(raw)
    assert type(found).__name__ == "SendTransactionPreflightFailureMessage"
    assert str(found.data.err) == "TransactionErrorFieldless.AlreadyProcessed"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda one: {**one, "method": "getNothing"}, -32601),
        (lambda one: {**one, "jsonrpc": "1.0"}, -32600),
        (lambda one: {**one, "params": {"a": 1}}, -32602),
        (lambda one: {**one, "params": ["x"]}, -32602),
        (lambda one: {**one, "params": []}, -32602),
        (lambda one: {**one, "params": [str(Hash.default()), {"commitment": "sure"}]}, -32602),
        (lambda one: {**one, "params": [str(Hash.default()), {"minContextSlot": 10**12}]}, -32016),
        (lambda _: [], -32600),
        (lambda _: 7, -32600),
    ],
)  # fmt: skip
def test_a_bad_call_is_answered_by_its_code(net: Localnet, spoil: Callable[[Any], Any], code: int) -> None:
    one = {"jsonrpc": "2.0", "id": 1, "method": "getBalance", "params": [str(Hash.default())]}
    body = net.answer("POST", "/", json.dumps(spoil(one)).encode()).body
    assert body is not None and json.loads(body)["error"]["code"] == code
    assert "result" in json.loads(net.answer("POST", "/", json.dumps(one).encode()).body or b"")


def test_what_is_no_json_is_said_to_be_none(net: Localnet) -> None:
    body = net.answer("POST", "/", b"{").body
    assert body is not None and json.loads(body)["error"]["code"] == -32700


def test_a_message_costs_its_signature_and_the_price_of_its_units(net: Localnet) -> None:
    asked = Asked(net)
    told = net.rpc("getFeeForMessage", asked.message)["value"]
    assert told == 5_000 + 200_000 * 1_000 // 1_000_000
    message = MessageV0.from_bytes(base64.b64decode(asked.message)[1:])
    old = MessageV0(
        message.header,
        message.account_keys,
        Hash.default(),
        message.instructions,
        message.address_table_lookups,
    )
    assert net.rpc("getFeeForMessage", base64.b64encode(to_bytes_versioned(old)).decode())["value"] is None


def test_alpenglow_is_told_by_its_certificate(net: Localnet, make: Callable[..., Localnet]) -> None:
    assert net.rpc("getAgGenesisCert")["slot"] > 0
    assert make(confirm=2, final=32).rpc("getAgGenesisCert") is None
