"""Nodes that lag, forget, lie about height, believe in a fork that lost, or stand behind a balancer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from tests.networks.localnet.conftest import SOL, USDC, Localnet
from tests.networks.localnet.test_sending import made, paid

TOWER = {"confirm": 2, "final": 32}


def landed(net: Localnet, lamports: int = 10**7) -> str:
    return net.send(made(net, paid(net.wallet, lamports)))


def test_a_node_that_lags_sees_slots_and_landings_later(net: Localnet) -> None:
    net.order("nodes", name="late", lag=10)
    net.fund(usdc=0)
    net.blocks(3)
    signature = landed(net)
    slot = net.status(signature)["slot"]
    behind = net.rpc("getSlot", {"commitment": "processed"}, node="late")
    assert 9 <= net.rpc("getSlot", {"commitment": "processed"}) - behind <= 11
    while net.rpc("getSlot", {"commitment": "processed"}, node="late") < slot:
        assert net.status(signature, "late") is None
        context = net.rpc("getSignatureStatuses", [signature], node="late")["context"]["slot"]
        assert context == net.rpc("getSlot", {"commitment": "processed"}, node="late")
        net.blocks(1)
    assert net.status(signature, "late")["confirmationStatus"] == "processed"
    assert net.status(signature)["confirmationStatus"] == "finalized"


def test_a_node_that_lags_does_not_know_a_newer_blockhash(net: Localnet) -> None:
    net.order("nodes", name="late", lag=10)
    net.fund(usdc=0)
    tx = made(net, paid(net.wallet, 10**7))
    asked = net.signed_wire(tx), {"encoding": "base64", "preflightCommitment": "processed"}
    assert net.told("sendTransaction", *asked, node="late")["error"]["data"]["err"] == "BlockhashNotFound"
    assert "result" in net.told("sendTransaction", *asked)


@pytest.mark.parametrize("lag", [10, 200])
def test_a_node_far_behind_says_that_it_is_ill(net: Localnet, lag: int) -> None:
    net.order("nodes", name="late", lag=lag)
    told = net.told("getHealth", node="late")
    assert told.get("result") == "ok" if lag == 10 else told["error"]["data"] == {"numSlotsBehind": 200}


@pytest.mark.parametrize("history", ["full", "none", "pruned"])
def test_history_is_kept_refused_or_silently_gone(net: Localnet, history: str) -> None:
    net.order("nodes", name="other", history=history)
    net.fund(usdc=0)
    signature = landed(net)
    asked = [signature], {"searchTransactionHistory": True}
    transaction = signature, {"maxSupportedTransactionVersion": 0}
    net.blocks(5)
    if history == "none":
        assert net.told("getSignatureStatuses", *asked, node="other")["error"]["code"] == -32011
        assert net.told("getTransaction", *transaction, node="other")["error"]["code"] == -32011
        assert net.rpc("getSignatureStatuses", [signature], node="other")["value"][0]["err"] is None
        return
    assert net.status(signature, "other")["err"] is None
    net.blocks(400)
    kept = history == "full"
    assert (net.status(signature, "other") is not None) is kept
    assert (net.rpc("getTransaction", *transaction, node="other") is not None) is kept
    first = net.rpc("getFirstAvailableBlock", node="other")
    assert (first <= net.status(signature)["slot"]) is kept
    # Nobody knows it without looking into the history.
    assert net.rpc("getSignatureStatuses", [signature])["value"] == [None]


def test_the_pocket_gateway_tells_the_slot_as_height(net: Localnet) -> None:
    net.order("nodes", name="pocket", height_is_slot=1)
    info = net.rpc("getEpochInfo", node="pocket")
    assert info["blockHeight"] == info["absoluteSlot"] == net.rpc("getBlockHeight", node="pocket")
    assert info["absoluteSlot"] == net.rpc("getEpochInfo")["absoluteSlot"]
    assert info["blockHeight"] - net.rpc("getEpochInfo")["blockHeight"] > 10**7
    assert net.rpc("getLatestBlockhash", node="pocket")["value"]["lastValidBlockHeight"] > info["blockHeight"]


def test_a_balancer_asks_another_node_each_time_but_one_a_batch(net: Localnet) -> None:
    for name, lag in (("a", 0), ("b", 40), ("c", 120)):
        net.order("nodes", name=name, lag=lag)
    net.order("nodes", name="lb", members="a,b,c")
    slots = [net.rpc("getSlot", {"commitment": "processed"}, node="lb") for _ in range(6)]
    assert len(set(slots)) == 3 and slots[:3] == slots[3:]
    one = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": []}
    for _ in range(3):
        body = net.answer("POST", "/node/lb", json.dumps([one, {**one, "id": 2}]).encode()).body
        first, second = json.loads(body or b"")
        assert first["result"] == second["result"] and (first["id"], second["id"]) == (1, 2)


def test_a_node_may_take_no_batches(net: Localnet) -> None:
    net.order("nodes", name="plain", batches=0)
    net.order("nodes", name="lb", batches=0, members="main")
    one = {"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": []}
    for name in ("plain", "lb"):
        body = net.answer("POST", f"/node/{name}", json.dumps([one]).encode()).body
        assert json.loads(body or b"")["error"]["code"] == -32600
        assert net.rpc("getSlot", node=name)


def test_there_is_no_node_that_nobody_ordered(net: Localnet) -> None:
    assert net.answer("POST", "/node/nobody", b"{}").status == 404
    assert net.answer("POST", "/nowhere", b"{}").status == 404


def fork(net: Localnet, depth: int) -> None:
    net.order("faults", target="chain", kind="fork", blocks=depth, remaining=1)
    net.blocks(1)
    net.rpc("getSlot")
    assert not net.ledger.rows("faults")


def test_a_fork_takes_landings_back_and_lands_them_again(make: Callable[..., Localnet]) -> None:
    net = make(**TOWER)
    net.fund()
    net.blocks(50)
    tx = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9)))
    before = net.held(USDC), net.rpc("getBalance", str(net.wallet.pubkey()))["value"]
    signature = net.send(tx)
    slot, held = net.status(signature)["slot"], net.held(USDC)
    net.blocks(4)
    assert net.status(signature)["confirmationStatus"] == "confirmed"
    fork(net, 10)
    assert net.status(signature) is None
    assert (net.held(USDC), net.rpc("getBalance", str(net.wallet.pubkey()))["value"]) == before
    net.blocks(5)
    again = net.status(signature)
    assert again["slot"] > slot and net.held(USDC) == held
    net.reopen()
    assert net.held(USDC) == held and net.status(signature) == again


def test_what_is_final_survives_every_fork(make: Callable[..., Localnet]) -> None:
    net = make(**TOWER)
    net.fund(usdc=0)
    net.blocks(50)
    signature = landed(net)
    slot = net.status(signature)["slot"]
    net.blocks(40)
    assert net.status(signature)["confirmationStatus"] == "finalized"
    final = net.rpc("getSlot")
    fork(net, 1000)
    assert net.status(signature)["slot"] == slot and net.rpc("getSlot") >= final


def test_a_blockhash_of_a_fork_that_lost_is_of_no_block(make: Callable[..., Localnet]) -> None:
    """What was anchored there can never land; what was anchored before it can."""
    net = make(**TOWER)
    net.fund(usdc=0)
    net.blocks(50)
    final = net.rpc("getLatestBlockhash")["value"]["blockhash"]
    confirmed = net.rpc("getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
    fork(net, 20)

    def anchored(recent: str, lamports: int) -> Any:
        message = MessageV0.try_compile(
            net.wallet.pubkey(), [paid(net.wallet, lamports)], [], Hash.from_string(recent)
        )
        return net.status(net.send(VersionedTransaction(message, [net.wallet])))

    assert anchored(confirmed, 10**7) is None
    assert anchored(final, 10**7 + 1)["err"] is None
    net.reopen()
    assert anchored(confirmed, 10**7 + 2) is None


def test_a_ghost_believes_in_the_fork_for_ever(make: Callable[..., Localnet]) -> None:
    net = make(**TOWER)
    net.order("nodes", name="ghost", ghost=1)
    net.fund()
    net.blocks(50)
    signature = net.send(net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9))))
    slot = net.status(signature)["slot"]
    net.blocks(4)
    fork(net, 10)
    net.blocks(100)
    told = net.status(signature, "ghost")
    assert (told["slot"], told["confirmationStatus"]) == (slot, "confirmed")
    assert net.rpc("getEpochInfo", node="ghost")["absoluteSlot"] > slot
    assert net.status(signature)["confirmationStatus"] == "finalized"
