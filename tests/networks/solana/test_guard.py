"""The guard: every theft is refused by the rule that names it, and no good swap by any."""

from __future__ import annotations

import base64
import struct
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import CompiledInstruction, Instruction
from solders.message import Message, MessageV1, to_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.solana.guard import guard_instructions
from oee_daemon.networks.solana.guard.guard_instructions import Limits
from oee_daemon.networks.solana.guard.guard_message import read, whole
from oee_daemon.networks.solana.guard.guard_swap_bounds import LAYOUTS
from oee_daemon.networks.solana.guard.guard_swap_ends import ENDS
from oee_daemon.networks.solana.solana_programs import (
    CPMM_ON_DEVNET,
    ON_DEVNET,
    RAYDIUM_ROUTER,
    VENUE_PROGRAMS,
)
from oee_daemon.networks.venue import Plan
from tests.networks.solana import crafted
from tests.networks.solana.crafted import (
    CPMM,
    SOL,
    TOKEN_2022,
    WALLET,
    Purse,
    Shape,
    ata,
    order,
    swap_of_sol,
)  # fmt: skip
from tests.networks.solana.good_swaps import good_shapes
from tests.networks.solana.guarded import FEE_CAP, judged
from tests.networks.solana.thefts import THEFTS, USDC


def purse_of(plan: Plan) -> Purse:
    """Just what that plan is about, moved."""
    given, taken = plan.request.input_token.mint, plan.request.output_token.mint
    purse = Purse()
    purse.lamports[str(WALLET)] = [10**9, 10**9 - 25_000]
    for token, by in ((given, -1_000_000), (taken, 1_000_000)):
        if token == str(SOL):
            purse.lamports[str(WALLET)][1] += by
        else:
            own = str(ata(Pubkey.from_string(token)))
            purse.tokens[own] = [(token, str(WALLET), 5_000_000), (token, str(WALLET), 5_000_000 + by)]
            purse.lamports[own] = [2_039_280, 2_039_280]
    return purse


@pytest.mark.parametrize("shape", good_shapes().values(), ids=good_shapes())
def test_a_good_swap_is_allowed(shape: Shape) -> None:
    purse = purse_of(shape.plan)
    keys = {str(k) for step in shape.steps for k in [a.pubkey for a in step.accounts]}
    purse.tokens = {k: v for k, v in purse.tokens.items() if k in keys} or purse.tokens
    if shape.plan.request.output_token.symbol == "BONK":
        # Made by Token-2022, at another address.
        other = str(ata(crafted.mint(shape.plan, "out"), program=TOKEN_2022))
        plain = str(ata(crafted.mint(shape.plan, "out")))
        if other in keys and plain not in keys:
            purse.tokens[other] = purse.tokens.pop(plain)
    (simulated,) = judged(shape, purse)
    assert (simulated["sigVerify"], simulated["replaceRecentBlockhash"]) == (False, False)
    assert base64.b64decode(simulated["wire"])[65:] == shape.message()


@pytest.mark.parametrize(("rule", "shape"), THEFTS.values(), ids=THEFTS)
def test_a_theft_is_refused_by_the_message_alone(rule: str, shape: Shape) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        judged(shape, change=lambda value: pytest.fail("it was simulated"))
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


def test_a_message_of_version_1_is_refused() -> None:
    """Its budget is no instruction, and its size another: none of that is read here."""
    made = MessageV1.try_compile(WALLET, list(swap_of_sol().steps), Hash.default())
    with pytest.raises(UnsafeSwap) as caught:
        read(to_bytes_versioned(made), str(WALLET))
    assert caught.value.code == "unsafe.version"


def raw(keys: list[Pubkey], *steps: CompiledInstruction, signed: int = 0, unsigned: int = 0) -> bytes:
    """A message that no builder makes."""
    return bytes(
        Message.new_with_compiled_instructions(1, signed, unsigned, keys, Hash.default(), list(steps))
    )


ODD: dict[str, tuple[str, bytes]] = {
    "something after it": ("unreadable", swap_of_sol().message() + b"\0"),
    "a payer that is only read": ("unreadable", raw([WALLET, CPMM], signed=1)),
    "all of it only read": ("unreadable", raw([WALLET, CPMM], unsigned=2)),
    "an account twice": ("unreadable", raw([WALLET, CPMM, CPMM])),
    "the wallet called": ("program", raw([WALLET, CPMM], CompiledInstruction(0, b"", b""))),
    "a program that is not there": ("program", raw([WALLET, CPMM], CompiledInstruction(2, b"", b""))),
    "an account that is not there": ("unreadable", raw([WALLET, CPMM], CompiledInstruction(1, b"", b"\2"))),
    "nobody": ("payer", raw([])),
}


@pytest.mark.parametrize(("rule", "content"), ODD.values(), ids=ODD)
def test_an_odd_message_is_refused(rule: str, content: bytes) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        whole(read(content, str(WALLET)), {})
    assert caught.value.code == f"unsafe.{rule}"


VERSIONED = st.builds(lambda rest: bytes([128]) + rest, st.binary(max_size=200))


@given(st.binary(max_size=1300) | VERSIONED)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        whole(read(content, str(WALLET)), {})
    except UnsafeSwap as e:
        assert e.code.startswith("unsafe.")


def limits_of(venue: str, programs: Mapping[str, Collection[str]] = VENUE_PROGRAMS) -> Limits:
    return Limits(
        wallet=str(WALLET), venue=venue, programs=programs[venue], input_mint=str(SOL), output_mint=str(USDC),
        most_in=1_000_000, least_out=900_000, mode=order().request.mode, order_id=crafted.ORDER, attempt=1,
        fee_cap=FEE_CAP,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("programs", "own", "stranger"),
    [(ON_DEVNET, CPMM_ON_DEVNET, str(CPMM)), (VENUE_PROGRAMS, str(CPMM), CPMM_ON_DEVNET)],
)
def test_each_network_has_programs_of_its_own(
    programs: Mapping[str, Collection[str]], own: str, stranger: str
) -> None:
    """Raydium's program of one network is a stranger's on the other."""

    def check(program: str) -> None:
        shape, called = swap_of_sol(), Pubkey.from_string(program)
        steps = [
            Instruction(called, step.data, step.accounts) if step.program_id == CPMM else step
            for step in shape.steps
        ]
        message = whole(read(replace(shape, steps=steps).message(), str(WALLET)), {})
        guard_instructions.check(message, limits_of("cpmm", programs))

    check(own)
    with pytest.raises(UnsafeSwap) as caught:
        check(stranger)
    assert caught.value.code == "unsafe.program"


@given(st.data())
def test_no_byte_of_a_good_swap_can_be_another_and_its_bound_weaker(data: st.DataObject) -> None:
    """Whatever one byte is changed to, what is allowed spends as much and brings at least the bound."""
    content = bytearray(swap_of_sol().message())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = whole(read(bytes(content), str(WALLET)), {})
        guard_instructions.check(message, limits_of("raydium"))
    except UnsafeSwap:
        return
    (swap,) = [step for step in message.steps if step.program == str(CPMM)]
    amount, least = struct.unpack("<QQ", swap.data[8:24])
    assert amount == 1_000_000 and least >= 900_000


def test_instructions_are_named_as_anchor_names_them() -> None:
    names = {
        "swap_base_input", "swap_base_output", "swap", "swap_v2", "route", "shared_accounts_route",
        "exact_out_route", "shared_accounts_exact_out_route", "route_v2", "shared_accounts_route_v2",
        "exact_out_route_v2", "shared_accounts_exact_out_route_v2",
    }  # fmt: skip
    assert {tag for _, tag in LAYOUTS if len(tag) == 8} == {crafted.tag(name) for name in names}


def test_of_each_instruction_that_is_read_it_is_known_where_it_gives_to() -> None:
    """But of Raydium's router, which nobody has published."""
    assert {program for program, _ in LAYOUTS.keys() - ENDS.keys()} == {RAYDIUM_ROUTER}
    assert ENDS.keys() < LAYOUTS.keys()
