"""Slots, heights that are not slots, how long a blockhash is good, when a landing is final, and what a
restart leaves."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from solders.hash import Hash
from solders.message import MessageV0
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.networks.localnet.conftest import SOL, USDC, Localnet


def transfer_of(net: Localnet, blockhash: str, lamports: int = 1_000_000) -> VersionedTransaction:
    me = net.wallet.pubkey()
    paid = transfer(TransferParams(from_pubkey=me, to_pubkey=me, lamports=lamports))
    return VersionedTransaction(
        MessageV0.try_compile(me, [paid], [], Hash.from_string(blockhash)), [net.wallet]
    )


def height(net: Localnet, commitment: str = "processed") -> int:
    found: int = net.rpc("getBlockHeight", {"commitment": commitment})
    return found


def latest(net: Localnet, commitment: str = "processed") -> tuple[str, int]:
    value = net.rpc("getLatestBlockhash", {"commitment": commitment})["value"]
    return value["blockhash"], value["lastValidBlockHeight"]


def to_height(net: Localnet, wanted: int) -> None:
    while height(net) < wanted:
        net.blocks(1)
    assert height(net) == wanted


def test_a_slot_of_twenty_has_no_block(net: Localnet) -> None:
    """Slot and height go on together, but for one slot in twenty, and are millions apart."""
    seen = []
    for _ in range(60):
        net.blocks(1)
        seen.append((net.rpc("getSlot", {"commitment": "processed"}), height(net)))
    slots, heights = zip(*seen, strict=True)
    assert slots[-1] - slots[0] in (58, 59) and len(set(slots)) == 57
    assert heights[-1] - heights[0] == 56
    assert slots[0] - heights[0] > 10**7
    missing = set(range(slots[0], slots[-1])) - set(slots)
    assert len(missing) == 3 and all(slot % 20 == 0 for slot in missing)
    net.blocks(5)
    told = net.told("getBlock", min(missing), {"maxSupportedTransactionVersion": 0})
    assert told["error"]["code"] == -32007
    one = net.rpc("getBlock", min(missing) + 1, {"maxSupportedTransactionVersion": 0})
    assert one["parentSlot"] == min(missing) - 1


def test_epoch_info_has_both_numbers_of_one_moment(net: Localnet) -> None:
    told = net.rpc("getEpochInfo", {"commitment": "finalized"})
    assert told["absoluteSlot"] == net.rpc("getSlot") and told["blockHeight"] == height(net, "finalized")
    assert told["epoch"] * told["slotsInEpoch"] + told["slotIndex"] == told["absoluteSlot"]


@pytest.mark.parametrize(
    ("after", "preflight", "lands"), [(0, True, True), (1, False, True), (2, False, False)]
)
def test_a_blockhash_is_good_until_one_block_after_its_last(
    net: Localnet, after: int, preflight: bool, lands: bool
) -> None:
    """What a node says is the last valid height; the block after it takes the transaction still."""
    net.fund(usdc=0)
    blockhash, last = latest(net)
    assert last == height(net) + 150
    to_height(net, last + after)
    tx = transfer_of(net, blockhash)
    assert net.rpc("isBlockhashValid", blockhash, {"commitment": "processed"})["value"] is preflight
    wire = net.signed_wire(tx)
    told = net.rpc("simulateTransaction", wire, {"encoding": "base64", "commitment": "processed"})["value"]
    assert told["err"] == (None if preflight else "BlockhashNotFound")
    signature = net.send(tx)
    assert (net.status(signature) is not None) is lands


def test_a_hash_of_no_block_is_never_taken(net: Localnet) -> None:
    net.fund(usdc=0)
    assert net.status(net.send(transfer_of(net, str(Hash.new_unique())))) is None


@pytest.mark.parametrize(("confirm", "final"), [(1, 1), (2, 32)])
def test_a_landing_gets_certain_by_slots(make: Callable[..., Localnet], confirm: int, final: int) -> None:
    net = make(confirm=confirm, final=final)
    net.fund(usdc=0)
    net.blocks(1)
    signature = net.send(transfer_of(net, latest(net)[0]))
    landed = net.status(signature)["slot"]
    while (tip := net.rpc("getSlot", {"commitment": "processed"})) < landed + final + 3:
        status = net.status(signature)["confirmationStatus"]
        known = net.rpc("getSlot", {"commitment": "finalized"}) >= landed
        assert (status == "finalized") is known
        if tip - landed < confirm:
            assert status == "processed"
        net.blocks(1)
    assert net.status(signature)["confirmationStatus"] == "finalized"
    assert net.status(signature)["confirmations"] is None


def test_nothing_lands_in_a_block_that_was_final(net: Localnet) -> None:
    """Over many blocks and each slot of twenty: a landing's slot is after what was final before it was
    sent."""
    net.fund(usdc=0)
    for n in range(45):
        final = net.rpc("getSlot")
        signature = net.send(transfer_of(net, latest(net)[0], 1_000_000 + n))
        assert net.status(signature)["slot"] > final
        net.blocks(1)


def test_a_restart_finds_all_of_it_by_the_file_alone(net: Localnet) -> None:
    net.fund()
    swapped = net.send(net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9))))
    net.blocks(3)
    tx = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9)))
    ask = net.raydium(SOL, USDC, 10**9)["data"]
    before = net.held(USDC), net.status(swapped), net.rpc("getGenesisHash"), latest(net)
    net.reopen()
    assert (net.held(USDC), net.status(swapped), net.rpc("getGenesisHash"), latest(net)) == before
    assert net.raydium(SOL, USDC, 10**9)["data"] == ask
    # What was signed before it was down is taken after it, if it is not too old, and what landed is not
    # again.
    signature = net.send(tx)
    assert net.status(signature)["err"] is None
    held = net.held(USDC)
    net.reopen()
    net.send(tx)
    assert net.held(USDC) == held
    net.blocks(200)
    net.reopen()
    net.send(tx)
    assert net.held(USDC) == held
    assert net.status(signature)["confirmationStatus"] == "finalized"


def test_time_goes_on_while_it_is_down(net: Localnet) -> None:
    net.fund(usdc=0)
    blockhash, _ = latest(net)
    net.ledger.close()
    net.blocks(400)
    net.open()
    assert net.status(net.send(transfer_of(net, blockhash))) is None


def test_a_clock_that_is_set_back_makes_no_block_twice(net: Localnet) -> None:
    net.fund(usdc=0)
    net.blocks(50)
    signature = net.send(transfer_of(net, latest(net)[0]))
    tip = net.rpc("getSlot", {"commitment": "processed"})
    net.blocks(-40)
    assert net.rpc("getSlot", {"commitment": "processed"}) == tip
    net.reopen()
    assert net.rpc("getSlot", {"commitment": "processed"}) == tip == net.status(signature)["slot"]


def test_the_logical_clock_moves_a_slot_with_each_landing(make: Callable[..., Localnet]) -> None:
    """One at a time, the same seed makes the same history."""
    histories = []
    for _ in range(2):
        net = make(slot_ms=0, slippage=30)
        net.fund()
        first = height(net)
        for n in range(12):
            quote = net.raydium(SOL, USDC, 10**9 + n)
            net.send(net.signed(net.jupiter_tx(SOL, USDC, 10**9 + n)))
            assert height(net) == first + n + 1
            assert quote["success"]
        rows = net.ledger.rows("landings")
        histories.append([(row["signature"], row["slot"], row["err"], row["meta"]) for row in rows])
    assert histories[0] == histories[1]
    assert any(err for _, _, err, _ in histories[0]) and json.loads(json.dumps(histories[0][0][1]))


def test_a_new_chain_may_go_by_another_ones_hash(make: Callable[..., Localnet]) -> None:
    mainnet = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
    net = make(genesis=bytes(Hash.from_string(mainnet)))
    assert net.rpc("getGenesisHash") == mainnet
    net.reopen()
    assert net.rpc("getGenesisHash") == mainnet
    assert make().rpc("getGenesisHash") != mainnet
