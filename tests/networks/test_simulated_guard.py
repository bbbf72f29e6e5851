"""The simulated network's guard: what a venue built is signed only where it says what the plan says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.simulated.simulated_guard import SimulatedGuard
from oee_daemon.networks.simulated.simulated_instruction import PROGRAM, instruction_of
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Quote, QuoteRequest, UnsignedSwap
from oee_daemon.orders.tokens import TOKENS
from tests.kit.now import now

OTHER = Pubkey.new_unique()


@pytest.fixture
def plan(wallet: Wallet) -> Plan:
    request = QuoteRequest(
        input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=10**9, mode=SwapMode.EXACT_IN
    )
    quote = Quote(venue="raydium", amount_in=10**9, amount_out=7, fee=3)
    return Plan(order_id=UUID(int=1), request=request, quote=quote, bound=6, payer=wallet.address)


def calls(plan: Plan, *, payer: Pubkey | None = None, program: Pubkey = PROGRAM) -> Instruction:
    meta = AccountMeta(payer or Pubkey.from_string(plan.payer), is_signer=True, is_writable=True)
    return Instruction(program, instruction_of(plan), [meta])


def legacy(plan: Plan, *instructions: Instruction, payer: Pubkey | None = None) -> UnsignedSwap:
    payer = payer or Pubkey.from_string(plan.payer)
    message = Message.new_with_blockhash(list(instructions), payer, Hash.default())
    return UnsignedSwap(message=bytes(message), last_valid_height=150)


def versioned(plan: Plan) -> UnsignedSwap:
    payer = Pubkey.from_string(plan.payer)
    message = MessageV0.try_compile(payer, [calls(plan)], [], Hash.default())
    return UnsignedSwap(message=to_bytes_versioned(message), last_valid_height=150)


@pytest.mark.parametrize("build", [versioned, lambda plan: legacy(plan, calls(plan))])
def test_what_the_plan_says_may_be_signed(plan: Plan, build: Callable[[Plan], UnsignedSwap]) -> None:
    now(SimulatedGuard().check(build(plan), plan))


THEFTS: dict[str, Callable[[Plan], UnsignedSwap]] = {
    "a weaker bound": lambda plan: legacy(plan, calls(replace(plan, bound=plan.bound - 1))),
    "no bound": lambda plan: legacy(plan, calls(replace(plan, bound=0))),
    "another amount": lambda plan: legacy(
        plan, calls(replace(plan, quote=replace(plan.quote, amount_in=10**10)))
    ),
    "another order": lambda plan: legacy(plan, calls(replace(plan, order_id=UUID(int=2)))),
    "another payer": lambda plan: legacy(plan, calls(plan, payer=OTHER), payer=OTHER),
    "another program": lambda plan: legacy(plan, calls(plan, program=OTHER)),
    "one more instruction": lambda plan: legacy(plan, calls(plan), Instruction(OTHER, b"", [])),
    "the swap twice": lambda plan: legacy(plan, calls(plan), calls(plan)),
    "nothing": lambda plan: legacy(plan),
    "rubbish in the instruction": lambda plan: legacy(plan, Instruction(PROGRAM, b"{}", [])),
}


@pytest.mark.parametrize("theft", THEFTS.values(), ids=THEFTS)
def test_anything_else_is_refused_for_good(plan: Plan, theft: Callable[[Plan], UnsignedSwap]) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        now(SimulatedGuard().check(theft(plan), plan))
    assert (caught.value.code, caught.value.retryable) == ("unsafe_swap", False)
