"""A venue that builds something else than was planned: what is signed, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned

from oee_daemon.contract.status import Status
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, UnsignedSwap
from tests.integration.test_identity import CONFIRMED
from tests.kit.engine import Bench


@pytest.mark.parametrize("what", ["block", "height"])
def test_a_swap_on_another_anchor_is_not_signed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It could land after it was proven that it can't."""
    build = SimulatedVenue.build

    async def elsewhere(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        if what == "height":
            built = await build(self, plan, anchor, deadline_s)
            return replace(built, last_valid_height=anchor.last_valid_height - 100)
        other = Anchor(str(Hash.new_unique()), anchor.last_valid_height)
        return await build(self, plan, other, deadline_s)

    monkeypatch.setattr(SimulatedVenue, "build", elsewhere)
    chain = bench.chain()
    order = bench.place()
    bench.execution(chain).run(order.id)
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.PENDING, 2)
    assert chain.sent == [] and bench.swaps(order.id) == []


def test_a_swap_that_is_not_what_was_planned_is_not_signed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SimulatedVenue.build

    async def generous(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        return await build(self, replace(plan, bound=1), anchor, deadline_s)

    monkeypatch.setattr(SimulatedVenue, "build", generous)
    order = bench.place()
    chain = bench.chain()
    found = bench.run_to_end(bench.execution(chain), order.id)
    # Each venue is asked once, and neither swap is signed.
    assert (found.status, found.error and found.error["code"]) == (Status.FAILED, "unsafe_swap")
    assert set(found.barred or ()) == {pool.venue for pool in simulated_market.POOLS}
    assert chain.sent == [] and bench.swaps(order.id) == [] and bench.ledgered(order.id) == []


def as_v0(content: bytes, payer: Keypair) -> bytes:
    """The same swap, of the same wallet or another, as a versioned message."""
    old = Message.from_bytes(content)
    (swap,) = old.instructions
    meta = AccountMeta(payer.pubkey(), is_signer=True, is_writable=True)
    program = old.account_keys[swap.program_id_index]
    instruction = Instruction(program, bytes(swap.data), [meta])
    made = MessageV0.try_compile(payer.pubkey(), [instruction], [], old.recent_blockhash)
    return to_bytes_versioned(made)


@pytest.mark.parametrize("ours", [True, False])
def test_a_versioned_message_is_executed_and_one_of_another_signer_is_not_even_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    build = SimulatedVenue.build
    payer = Keypair.from_seed(bytes(32) if ours else bytes([9] * 32))

    async def versioned(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        legacy = await build(self, plan, anchor, deadline_s)
        return replace(legacy, message=as_v0(legacy.message, payer))

    monkeypatch.setattr(SimulatedVenue, "build", versioned)
    order = bench.place()
    chain = bench.chain()
    bench.run_to_end(bench.execution(chain), order.id)
    if ours:
        assert bench.trail(order.id) == CONFIRMED
        assert len(bench.ledgered(order.id)) == 1
    else:
        # Of one venue after the other, until none is left.
        refused = ["pending", "routing", "building"] * len(simulated_market.POOLS)
        assert bench.trail(order.id) == [*refused, "failed"]
        assert bench.events(order.id)[-1].data["error"]["code"] == "unsafe_swap"
        assert chain.sent == [] and bench.swaps(order.id) == [] and bench.ledgered(order.id) == []
