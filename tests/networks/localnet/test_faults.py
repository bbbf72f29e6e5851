"""Faults that are ordered as rows: what a request meets, what has landed nevertheless, and fates of
signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from oee_daemon.networks.localnet.localnet_http_door import Answer
from tests.networks.localnet.conftest import SOL, USDC, Localnet
from tests.networks.localnet.test_sending import made, paid
from tests.networks.localnet.test_time import height, latest, to_height, transfer_of


def sent(net: Localnet, lamports: int = 10**7) -> tuple[str, Answer]:
    tx = made(net, paid(net.wallet, lamports))
    params = [net.signed_wire(tx), {"encoding": "base64", "skipPreflight": True}]
    asked = {"jsonrpc": "2.0", "id": 1, "method": "sendTransaction", "params": params}
    return str(tx.signatures[0]), net.answer("POST", "/", json.dumps(asked).encode())


def looks_like(answer: Answer, kind: str) -> bool:
    body = answer.body or b""
    return {
        "429": answer.status == 429 and json.loads(body or b"{}").get("error", {}).get("code") == 429,
        "503": answer.status == 503,
        "unhealthy": b'"code":-32005' in body and b"numSlotsBehind" in body,
        "html": body.startswith(b"<html>") and answer.kind == "text/html",
        "cut": answer.body is None and answer.after_s == 0,
        "hang": answer.body is None and answer.after_s > 60,
    }[kind]  # fmt: skip


@pytest.mark.parametrize("kind", ["429", "503", "unhealthy", "html", "cut", "hang"])
@pytest.mark.parametrize("landed", [0, 1])
def test_a_send_that_fails_has_landed_or_not_as_ordered(net: Localnet, kind: str, landed: int) -> None:
    net.fund(usdc=0)
    net.order("faults", target="send", kind=kind, landed=landed, remaining=1)
    signature, answer = sent(net)
    assert looks_like(answer, kind)
    assert (net.status(signature) is not None) is bool(landed)
    # The row was used up.
    _, answer = sent(net, 10**7 + 1)
    assert b'"result"' in (answer.body or b"")


def test_a_send_may_be_taken_and_forgotten(net: Localnet) -> None:
    net.fund(usdc=0)
    net.order("faults", target="send", kind="drop", remaining=1)
    signature, answer = sent(net)
    assert json.loads(answer.body or b"")["result"] == signature
    assert net.status(signature) is None


@pytest.mark.parametrize("kind", ["429", "503", "unhealthy", "html", "cut", "hang"])
def test_a_read_meets_its_fault_on_the_node_and_method_of_the_row(net: Localnet, kind: str) -> None:
    net.order("nodes", name="bad")
    net.order("faults", target="read", kind=kind, node="bad", method="getSlot")
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getSlot"}).encode()
    assert looks_like(net.answer("POST", "/node/bad", asked), kind)
    assert net.rpc("getSlot") and net.rpc("getBlockHeight", node="bad")


def test_a_read_may_know_of_nothing(net: Localnet) -> None:
    net.fund(usdc=0)
    signature = net.send(made(net, paid(net.wallet, 10**7)))
    net.order("faults", target="read", kind="null", remaining=2)
    assert net.status(signature) is None
    assert net.rpc("getTransaction", signature, {"maxSupportedTransactionVersion": 0}) is None
    assert net.status(signature)["err"] is None


def test_a_share_of_requests_meets_it_the_same_one_every_time(make: Callable[..., Localnet]) -> None:
    runs = []
    for _ in range(2):
        net = make(seed=5)
        net.order("faults", target="read", kind="503", percent=30)
        asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getSlot"}).encode()
        runs.append([net.answer("POST", "/", asked).status for _ in range(200)])
    assert runs[0] == runs[1] and 35 <= runs[0].count(503) <= 85


def test_a_fate_of_never_holds_for_every_send(net: Localnet) -> None:
    net.fund(usdc=0)
    net.order("faults", target="fate", kind="never", remaining=1)
    tx = made(net, paid(net.wallet, 10**7))
    for _ in range(5):
        signature = net.send(tx)
        net.blocks(3)
    net.reopen()
    net.send(tx)
    assert net.status(signature) is None


@pytest.mark.parametrize("blocks", [1, 0, -3])
def test_a_fate_of_late_lands_in_its_block_and_not_before(net: Localnet, blocks: int) -> None:
    """The latest block that takes it is one after the last valid height; nobody saw that block without it."""
    net.fund(usdc=0)
    net.order("faults", target="fate", kind="late", blocks=blocks, remaining=1)
    blockhash, last = latest(net)
    tx = transfer_of(net, blockhash)
    signature = net.send(tx)
    to_height(net, last + blocks - 1)
    net.send(tx)
    assert net.status(signature) is None
    if blocks == 0:
        net.reopen()
    # Far beyond it at once: it landed in its block, not in the one in which somebody looks.
    net.blocks(50)
    net.rpc("getSlot")
    slot = net.status(signature)["slot"]
    net.blocks(3)
    assert net.rpc("getBlock", slot, {"transactionDetails": "none"})["blockHeight"] == last + blocks


def test_a_fate_beyond_the_last_block_is_never(net: Localnet) -> None:
    net.fund(usdc=0)
    net.order("faults", target="fate", kind="late", blocks=2, remaining=1)
    blockhash, last = latest(net)
    signature = net.send(tx := transfer_of(net, blockhash))
    to_height(net, last + 5)
    net.send(tx)
    assert net.status(signature) is None and height(net) > last


def test_a_fate_of_delayed_lands_by_itself(net: Localnet) -> None:
    net.fund(usdc=0)
    net.order("faults", target="fate", kind="delayed", ms=3_000, remaining=1)
    signature, _ = sent(net)
    assert net.status(signature) is None
    wait = net.house.tick()
    assert wait is not None and 2_000 <= wait <= 3_600
    net.ms += wait
    assert net.house.tick() is None
    assert net.status(signature)["err"] is None


@pytest.mark.parametrize("api", ["raydium", "jupiter"])
@pytest.mark.parametrize("kind", ["429", "503", "html", "cut", "hang", "empty", "huge", "slow"])
def test_a_venue_answers_badly(net: Localnet, api: str, kind: str) -> None:
    net.order("faults", target=api, kind=kind, ms=700, remaining=1)
    path = "/raydium/main/auto-fee" if api == "raydium" else "/jupiter/swap/v1/program-id-to-label"
    answer = net.answer("GET", path)
    if kind == "empty":
        assert answer.body == b"{}"
    elif kind == "huge":
        assert len(answer.body or b"") > 10_000_000
    elif kind == "slow":
        assert answer.after_s == 0.7 and json.loads(answer.body or b"")
    else:
        assert looks_like(answer, kind)
    assert net.answer("GET", path).status == 200


@pytest.mark.parametrize("api", ["raydium", "jupiter"])
def test_a_venue_answers_in_shape_and_wrong(net: Localnet, api: str) -> None:
    def quote() -> Any:
        if api == "raydium":
            return net.raydium(SOL, USDC, 10**9)["data"]
        return net.get("/jupiter/swap/v1/quote", inputMint=SOL, outputMint=USDC, amount=10**9)

    amount = "outputAmount" if api == "raydium" else "outAmount"
    good = quote()
    net.order("faults", target=api, kind="wrong_amount", remaining=1)
    assert int(quote()[amount]) == 2 * int(good[amount])
    net.order("faults", target=api, kind="wrong_mint", remaining=1)
    assert quote()["outputMint"] == SOL
    assert quote()[amount] == good[amount]
