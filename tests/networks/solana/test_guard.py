"""The guard: every theft is refused by the rule that names it, and no good swap by any."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import CompiledInstruction, Instruction
from solders.message import Message, MessageV1, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    AssignParams,
    TransferParams,
    advance_nonce_account,
    assign,
    transfer,
)

from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap
from oee_daemon.networks.solana.guard import allowed_instructions
from oee_daemon.networks.solana.guard.allowed_instructions import Limits
from oee_daemon.networks.solana.guard.guarded_message import read, whole
from oee_daemon.networks.solana.guard.swap_bounds import LAYOUTS
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_programs import CPMM_ON_DEVNET, ON_DEVNET, VENUE_PROGRAMS
from oee_daemon.networks.solana.swap_memo import Memo
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.crafted import (
    CPMM,
    JUPITER,
    SOL,
    THIEF,
    TOKEN,
    TOKEN_2022,
    WALLET,
    Purse,
    Shape,
    ata,
    call,
    close,
    cpmm,
    good_shapes,
    honest,
    make_ata,
    memo,
    meta,
    order,
    route,
    swap_of_sol,
    token_state,
    wrap,
)  # fmt: skip
from tests.networks.solana.guarded import FEE_CAP, account_of, guard, simulating

USDC = Pubkey.from_string(TOKENS["USDC"].mint)
HERS = str(ata(USDC))
TABLE = Pubkey.from_bytes(bytes([21]) * 32)


def judged(
    shape: Shape,
    purse: Purse | None = None,
    *,
    accounts: Callable[[str], Any] | None = None,
    change: Callable[[dict[str, Any]], Any] = lambda value: value,
    plan: Plan | None = None,
) -> list[dict[str, Any]]:
    """The simulations that were asked for, of one node; as `simulating`."""
    simulated: list[dict[str, Any]] = []
    node = simulating(shape, purse, accounts=accounts, change=change, simulated=simulated)
    guard(shape, [node], plan)
    return simulated


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


def signed_by_two() -> Shape:
    good = swap_of_sol()
    return good.plus(Instruction(CPMM, b"", [meta(THIEF, "s")]))


def through_a_table() -> Shape:
    moved = Instruction(
        TOKEN, b"\x03" + (5).to_bytes(8, "little"), [meta(ata(SOL), "w"), meta(THIEF, "w"), meta(WALLET, "s")]
    )
    table = AddressLookupTableAccount(TABLE, [THIEF, ata(SOL)])
    return replace(swap_of_sol().plus(moved), tables=[table])


def sends(lamports: int) -> Instruction:
    return transfer(TransferParams(from_pubkey=WALLET, to_pubkey=THIEF, lamports=lamports))


def token_call(tag: int, *accounts: Pubkey, data: bytes = b"") -> Instruction:
    return Instruction(TOKEN, bytes([tag]) + data, [*(meta(a, "w") for a in accounts), meta(WALLET, "s")])


def without(shape: Shape, program: Pubkey) -> Shape:
    return replace(shape, steps=[s for s in shape.steps if s.program_id != program])


def drainer(program: Pubkey) -> Instruction:
    return Instruction(program, b"\0", [meta(WALLET, "ws"), meta(ata(USDC), "w"), meta(THIEF, "w")])


def swapping(step: Instruction, text: bytes = crafted.MEMO_TEXT) -> Shape:
    """Another swap instruction, or another memo, in an otherwise good swap."""
    return replace(swap_of_sol(), steps=[*swap_of_sol().steps[:6], step, memo(text)])


def beside(*made: Instruction) -> Shape:
    swap = cpmm(1_000_000, 900_000, ata(SOL), ata(USDC))
    return Shape(order(), [*crafted.budget(), *made, swap, memo()])


def elsewhere() -> Instruction:
    step = make_ata(USDC)
    return Instruction(step.program_id, b"\1", [step.accounts[0], meta(THIEF, "w"), *step.accounts[2:]])


def routed(bps: int, **how: Any) -> Shape:
    swap = route(1_000_000, 1_000_000, bps, ata(SOL), ata(USDC), **how)
    return Shape(order(venue="jupiter"), [*crafted.budget(), swap, memo()])


def behind(parameters: bytes) -> Shape:
    """Anchor ignores what follows the last argument: the program takes all, for nothing."""
    hop = struct.pack("<I", 1) + bytes([38]) + parameters + bytes([100, 0, 1])
    evil, shown = (struct.pack("<QQHB", *n) for n in ((2**63, 0, 10_000, 0), (1_000_000, 900_000, 0, 0)))
    swap = call(JUPITER, crafted.tag("route") + hop + evil + shown, ata(SOL), ata(USDC))
    return Shape(order(venue="jupiter"), [*crafted.budget(), swap, memo()])


def memo_of(order_id: UUID, attempt: int) -> bytes:
    return Memo(order_id, attempt, Anchored(slot=1, height=1)).text()


def limited(limit: int) -> Shape:
    data = struct.pack("<QQ", 1_000_000, 1_100_000) + limit.to_bytes(16, "little") + b"\0"
    swap = call(crafted.CLMM, crafted.tag("swap_v2") + data, ata(SOL), ata(USDC))
    return Shape(order(exact_out=True), [*crafted.budget(), swap, memo()])


def made_beside(
    base: Pubkey = WALLET, owner: Pubkey = TOKEN, space: int = 165, address: Pubkey | None = None
) -> Shape:
    """`CreateAccountWithSeed` by its bytes: no builder makes such a one."""
    text = b"seed"
    data = struct.pack("<I32sQ4sQQ32s", 3, bytes(base), len(text), text, 2_039_280, space, bytes(owner))
    target = address or Pubkey.create_with_seed(base, text.decode(), owner)
    return beside(Instruction(crafted.SYSTEM, data, [meta(WALLET, "ws"), meta(target, "w")]))


BUDGET = crafted.budget()[0].program_id
SWAP = swap_of_sol().steps[6]
NONCE = advance_nonce_account(AdvanceNonceAccountParams(nonce_pubkey=THIEF, authorized_pubkey=WALLET))
EIGHT = (10**6).to_bytes(8, "little")

#: By the message: each with the rule that names it.
THEFTS: dict[str, tuple[str, Shape]] = {
    "SOL for him": ("transfer", swap_of_sol().plus(sends(1))),
    "SOL for him, out of what is to be wrapped": (
        "transfer",
        replace(swap_of_sol(), steps=[*crafted.budget(), *wrap(999_999), *swap_of_sol().steps[5:], sends(1)]),
    ),
    "something else of the budget": (
        "budget",
        swap_of_sol().plus(Instruction(BUDGET, b"\x05" + bytes(4), [])),
    ),
    "an account beside, unreadable": (
        "unreadable",
        beside(Instruction(crafted.SYSTEM, b"\3\0\0\0" + bytes(60), [])),
    ),
    "an account beside, of somebody else": ("system", made_beside(base=THIEF)),
    "an account beside, of another program": ("system", made_beside(owner=THIEF)),
    "an account beside, of another size": ("system", made_beside(space=82)),
    "an account beside, elsewhere": ("system", made_beside(address=THIEF)),
    "wrapped SOL counted for more": ("token", swap_of_sol().plus(token_call(17, ata(SOL), THIEF))),
    "tokens for him": ("token", swap_of_sol().plus(token_call(3, ata(USDC), THIEF, data=EIGHT))),
    "tokens for him, checked": (
        "token",
        swap_of_sol().plus(token_call(12, ata(USDC), USDC, THIEF, data=EIGHT + b"\6")),
    ),
    "approved": ("token", swap_of_sol().plus(token_call(4, ata(USDC), THIEF, data=EIGHT))),
    "another authority": ("token", swap_of_sol().plus(token_call(6, ata(USDC), data=b"\2\1" + bytes(THIEF)))),
    "burnt": ("token", swap_of_sol().plus(token_call(8, ata(USDC), USDC, data=EIGHT))),
    "another signer": ("signers", signed_by_two()),
    "another payer": ("payer", replace(swap_of_sol(), payer=THIEF)),
    "a durable nonce": ("nonce", replace(swap_of_sol(), steps=[NONCE, *swap_of_sol().steps])),
    "fifty times the fee": (
        "fee",
        replace(swap_of_sol(), steps=[*crafted.budget(price=5_000_000), *swap_of_sol().steps[2:]]),
    ),
    "two prices": ("budget", swap_of_sol().plus(crafted.budget()[1])),
    "no limit": ("budget", replace(swap_of_sol(), steps=swap_of_sol().steps[1:])),
    "an unknown program": ("program", swap_of_sol().plus(Instruction(THIEF, b"", []))),
    "a drainer that is not listed": ("program", swap_of_sol().plus(drainer(THIEF))),
    "a listed one, of another venue": ("program", swap_of_sol().plus(drainer(JUPITER))),
    "another mint": ("account", swap_of_sol().plus(make_ata(Pubkey.from_string(TOKENS["BONK"].mint)))),
    "closed for him": (
        "close",
        replace(swap_of_sol(), steps=[*swap_of_sol().steps[:-2], close(ata(SOL), THIEF), memo()]),
    ),
    "another's account closed": ("token", swap_of_sol().plus(close(ata(USDC)))),
    "the wallet assigned": ("system", swap_of_sol().plus(assign(AssignParams(pubkey=WALLET, owner=THIEF)))),
    "at least 1": ("bound", swap_of_sol(least=1)),
    "one unit less": ("bound", swap_of_sol(least=899_999)),
    "ten times the amount": ("bound", swap_of_sol(amount=10_000_000)),
    "less than the amount": ("bound", swap_of_sol(amount=999_999)),
    "a batch of p-token": (
        "token",
        swap_of_sol().plus(token_call(255, ata(USDC), THIEF, data=b"\4\11\3" + EIGHT)),
    ),
    "lamports unwrapped": ("token", swap_of_sol().plus(token_call(45, ata(SOL), THIEF))),
    "excess withdrawn": ("token", swap_of_sol().plus(token_call(38, ata(SOL), THIEF))),
    "Token-2022": (
        "token",
        swap_of_sol().plus(Instruction(TOKEN_2022, b"\x03" + EIGHT, [meta(ata(USDC), "w")])),
    ),
    "an account for him": ("account", swap_of_sol().plus(make_ata(USDC, THIEF))),
    "more wrapped than is spent": ("transfer", swap_of_sol().plus(*wrap(1))),
    "a transfer through a table": ("token", through_a_table()),
    "a nested account recovered": (
        "account",
        swap_of_sol().plus(Instruction(crafted.ASSOCIATED, b"\2", make_ata(USDC).accounts)),
    ),
    "an account beside, his": ("token", beside(*crafted.seeded(3_039_280, owner=THIEF)[1])),
    "an account beside, nobody's": ("system", beside(crafted.seeded(3_039_280)[1][0])),
    "an account beside, too rich": ("transfer", beside(*crafted.seeded(9_000_000)[1])),
    "swapped twice": ("swap", swap_of_sol().plus(SWAP)),
    "not swapped": ("swap", without(swap_of_sol(), CPMM)),
    "a layout that is not known": ("bound", swapping(call(CPMM, bytes(24)))),
    "an exact output that a price limit cuts short": ("bound", limited(1)),
    "too short for its bound": ("bound", swapping(call(CPMM, crafted.tag("swap_base_input") + bytes(9)))),
    "exact output for exact input": (
        "bound",
        swapping(cpmm(1_000_000, 900_000, ata(SOL), ata(USDC), out=True)),
    ),
    "another's memo": ("memo", swapping(SWAP, memo_of(UUID(int=5), 1))),
    "another attempt's memo": ("memo", swapping(SWAP, memo_of(crafted.ORDER, 2))),
    "no memo": ("memo", without(swap_of_sol(), crafted.MEMO)),
    "two memos": ("memo", swap_of_sol().plus(memo())),
    "a fee for who built it": ("bound", routed(1_000, fee=50)),
    "amounts behind those that the program reads": ("bound", behind(b"")),
    "amounts behind those of a longer hop": ("bound", behind(bytes(1))),
    "a fee of another route": ("bound", routed(1_000, fee=50, name="route_v2")),
    "more than was quoted, kept": ("bound", routed(1_000, better=50, name="route_v2")),
    "another account than it says": ("account", swap_of_sol().plus(elsewhere())),
    "too long": (
        "too_long",
        swap_of_sol().plus(Instruction(CPMM, b"", [meta(Pubkey(bytes([n]) * 32)) for n in range(100, 125)])),
    ),
    "Jupiter's slippage one point wider": ("bound", routed(1_001)),
    "Jupiter's slippage past everything": ("bound", routed(10_001)),
}


@pytest.mark.parametrize(("rule", "shape"), THEFTS.values(), ids=THEFTS)
def test_a_theft_is_refused_by_the_message_alone(rule: str, shape: Shape) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        judged(shape, change=lambda value: pytest.fail("it was simulated"))
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


def stolen(**states: Any) -> Purse:
    purse = honest()
    purse.states.update(states)
    return purse


def wallet_of(owner: Pubkey, data: str = "") -> dict[str, Any]:
    return {"lamports": 1, "owner": str(owner), "data": [data, "base64"]}


def mine(units: int, **how: Any) -> Any:
    return token_state(str(USDC), str(WALLET), units, **how)


def emptied() -> Purse:
    """A listed program takes what the wallet holds of another token."""
    purse = honest()
    bonk = TOKENS["BONK"].mint
    purse.tokens[str(crafted.VENUE_POOL)] = [(bonk, str(WALLET), 500), (bonk, str(WALLET), 499)]
    return purse


def for_him() -> Purse:
    purse = honest()
    purse.tokens = {HERS: [None, (str(USDC), str(THIEF), 950_000)]}
    purse.lamports[str(WALLET)][1] += 2_039_280
    return purse


def given_away() -> Purse:
    purse = honest()
    purse.tokens[str(crafted.VENUE_POOL)] = [
        (TOKENS["BONK"].mint, str(WALLET), 5),
        (TOKENS["BONK"].mint, str(THIEF), 5),
    ]
    return purse


def gone() -> Purse:
    purse = honest()
    purse.tokens[str(crafted.VENUE_POOL)] = [(TOKENS["BONK"].mint, str(WALLET), 0), None]
    purse.lamports[str(crafted.VENUE_POOL)] = [2_039_280, 0]
    purse.lamports[str(WALLET)][1] += 2_039_280
    return purse


def no_token() -> Purse:
    purse = given_away()
    purse.tokens[str(crafted.VENUE_POOL)][1] = None
    purse.states[str(crafted.VENUE_POOL)] = wallet_of(THIEF, "AAAA")
    return purse


def dear() -> Purse:
    purse = honest()
    purse.fee = 100_001
    return purse


#: By what they would do: each with the rule that names it.
EFFECTS: dict[str, tuple[str, Purse]] = {
    "another's destination": ("receives", for_him()),
    "a little less": ("receives", honest(got=899_999)),
    "spends more": ("spends", honest(spent=1_000_001)),
    "a drain by a listed program": ("drains", emptied()),
    "approved from within": ("approve", stolen(**{HERS: mine(950_000, delegate=True)})),
    "to be closed by another": ("authority", stolen(**{HERS: mine(950_000, closer=True)})),
    "given away": ("authority", given_away()),
    "another's account closed": ("close", gone()),
    "an account that is a token's no more": ("authority", no_token()),
    "the wallet assigned": ("assign", stolen(**{str(WALLET): wallet_of(THIEF)})),
    "the wallet with data": ("assign", stolen(**{str(WALLET): wallet_of(Pubkey.default(), "AAAA")})),
    "the wallet gone": ("assign", stolen(**{str(WALLET): None})),
    "a dearer fee": ("fee", dear()),
}


@pytest.mark.parametrize(("rule", "purse"), EFFECTS.values(), ids=EFFECTS)
def test_a_theft_is_refused_by_what_it_would_do(rule: str, purse: Purse) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        judged(swap_of_sol(), purse)
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


def test_a_destination_that_is_hidden_in_a_table_is_seen_by_what_arrives() -> None:
    his = ata(USDC, THIEF)
    shape = swap_of_sol(target=his)
    shape = replace(shape, tables=[AddressLookupTableAccount(TABLE, [his, crafted.VENUE_POOL])])
    purse = honest()
    purse.tokens[HERS] = [None, (str(USDC), str(WALLET), 0)]
    with pytest.raises(UnsafeSwap) as caught:
        judged(shape, purse)
    assert caught.value.code == "unsafe.receives"


def with_table(*entries: Pubkey) -> Shape:
    return replace(swap_of_sol(), tables=[AddressLookupTableAccount(TABLE, list(entries))])


def test_a_table_is_what_the_chain_says() -> None:
    shape = with_table(crafted.VENUE_POOL)
    judged(shape)
    table = account_of([str(crafted.VENUE_POOL)])
    lies: list[Any] = [
        None, table | {"owner": str(THIEF)}, table | {"data": ["AAAA", "base64"]}, account_of([]),
        # Another account in that place: the wallet's own, or one that the message names already.
        account_of([str(WALLET)]), account_of([str(CPMM)]),
    ]  # fmt: skip

    def refused(lie: Any) -> None:
        with pytest.raises(UnsafeSwap) as caught:
            judged(shape, accounts=lambda _: lie)
        assert caught.value.code == "unsafe.table"

    for lie in lies:
        refused(lie)


def test_a_swap_that_would_fail_is_no_theft() -> None:
    failing = honest()
    failing.err = {"InstructionError": [5, {"Custom": 6005}]}
    failing.logs = [f"Program {CPMM} failed: custom program error: 0x1775"]
    with pytest.raises(AttemptFailed) as caught:
        judged(swap_of_sol(), failing)
    assert not isinstance(caught.value, UnsafeSwap)
    assert (caught.value.code, caught.value.retryable) == ("slippage_exceeded", True)


@pytest.mark.parametrize("name", ["fee", "accounts", "preBalances", "postTokenBalances"])
@pytest.mark.parametrize("there", [True, False])
def test_a_node_that_does_not_tell_the_effect_says_nothing(name: str, there: bool) -> None:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        rest = {k: v for k, v in value.items() if k != name}
        return rest | ({name: None} if there else {})

    with pytest.raises(ChainUnavailable):
        judged(swap_of_sol(), change=change)


@pytest.mark.parametrize(
    "change",
    [
        # It is behind the node that the anchor is of: for as long as it was asked first, no order was signed.
        lambda v: v | {"err": "BlockhashNotFound", "logs": []},
        lambda v: v | {"accounts": v["accounts"][1:]},
        lambda v: v | {"postBalances": v["postBalances"][1:]},
        lambda v: v | {"postTokenBalances": [{}]},
        lambda v: v | {"accounts": [7] * len(v["accounts"])},
        lambda v: v | {"accounts": [None if a is None else a | {"data": "x"} for a in v["accounts"]]},
        lambda v: (
            v | {"accounts": [None if a is None else a | {"data": ["", "base58"]} for a in v["accounts"]]}
        ),
    ],
)
def test_an_effect_that_can_not_be_read_is_the_node_s_fault(change: Callable[[dict[str, Any]], Any]) -> None:
    """No venue is barred for it; nothing is signed either."""
    with pytest.raises(ChainUnavailable):
        judged(swap_of_sol(), change=change)


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
        allowed_instructions.check(message, limits_of("cpmm", programs))

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
        allowed_instructions.check(message, limits_of("raydium"))
    except UnsafeSwap:
        return
    (swap,) = [step for step in message.steps if step.program == str(CPMM)]
    amount, least = struct.unpack("<QQ", swap.data[8:24])
    assert amount == 1_000_000 and least >= 900_000


def test_instructions_are_named_as_anchor_names_them() -> None:
    names = {
        "swap_base_input", "swap_base_output", "swap", "swap_v2", "route", "shared_accounts_route",
        "exact_out_route", "shared_accounts_exact_out_route", "route_v2", "shared_accounts_route_v2",
        "exact_out_route_v2",
    }  # fmt: skip
    assert {tag for _, tag in LAYOUTS if len(tag) == 8} == {crafted.tag(name) for name in names}
