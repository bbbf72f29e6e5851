"""Thefts, each a swap that looks good but for one thing, with the rule that names it."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import (
    AdvanceNonceAccountParams,
    AssignParams,
    TransferParams,
    advance_nonce_account,
    assign,
    transfer,
)

from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_swap_memo import Memo
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
    Shape,
    ata,
    call,
    close,
    cpmm,
    make_ata,
    memo,
    meta,
    order,
    route,
    swap_of_sol,
    wrap,
)  # fmt: skip
from tests.networks.solana.turned_swaps import TURNED

USDC = Pubkey.from_string(TOKENS["USDC"].mint)


TABLE = Pubkey.from_bytes(bytes([21]) * 32)


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


def by_others(count: int) -> Shape:
    """Through so many tokens, each with an account of the wallet's own."""
    mints = [Pubkey(bytes([n]) * 32) for n in range(100, 100 + count)]
    swap = crafted.on_the_way(route(1_000_000, 1_000_000, 1_000, ata(SOL), ata(USDC)), *mints)
    return Shape(order(venue="jupiter"), [*crafted.budget(), *map(make_ata, mints), swap, memo()])


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


def exact(
    name: str,
    given: int = 1_000_000,
    amount: int = 1_000_000,
    bps: int = 1_000,
    fee: int = 0,
    better: int = 0,
) -> Shape:
    """An exact output by Jupiter, through two pools of Orca's."""
    swap = route(
        amount, given, bps, ata(SOL), ata(USDC), name=name, fee=fee, better=better,
        hops=crafted.EXACT_OUT_HOPS[1],
    )  # fmt: skip
    return Shape(order(exact_out=True, venue="jupiter"), [*crafted.budget(), swap, memo()])


def exact_behind(hop: bytes) -> Shape:
    """As `behind`: after the hop that the program reads come its amounts, and then those to be shown."""
    evil, shown = (struct.pack("<QQHB", *n) for n in ((1, 2**63, 10_000, 0), (1_000_000, 1_000_000, 0, 0)))
    data = crafted.tag("exact_out_route") + struct.pack("<I", 1) + hop + evil + shown
    swap = call(JUPITER, data, ata(SOL), ata(USDC))
    return Shape(order(exact_out=True, venue="jupiter"), [*crafted.budget(), swap, memo()])


def memo_of(order_id: UUID, attempt: int) -> bytes:
    return Memo(order_id, attempt, Anchored(slot=1, height=1)).text()


def limited(limit: int) -> Shape:
    data = struct.pack("<QQ", 1_000_000, 1_100_000) + limit.to_bytes(16, "little") + b"\0"
    swap = call(crafted.CLMM, crafted.tag("swap_v2") + data, ata(SOL), ata(USDC))
    return Shape(order(exact_out=True), [*crafted.budget(), swap, memo()])


def routed_limited() -> Shape:
    data = b"\1" + struct.pack("<QQ", 1_100_000, 1_000_000) + bytes([1]) * 16
    swap = call(crafted.ROUTER, data, ata(SOL), ata(USDC))
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
    "five tokens on the way": ("account", by_others(5)),
    **TURNED,
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
    "the same by Raydium's router": ("bound", routed_limited()),
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
    **{
        f"{what} by {name}": ("bound", exact(name, **how))
        for name in crafted.EXACT_OUT_ROUTES
        for what, how in (
            ("a unit more in", {"given": 1_000_001}),
            ("a point more in", {"bps": 1_001}),
            ("a part of a unit more in", {"given": 1_099_891, "bps": 1}),
            ("a unit less out", {"amount": 999_999}),
            ("more out than was asked", {"amount": 1_000_001}),
            ("a fee of an exact output", {"fee": 1}),
        )
    },
    "more than an exact output's quote, kept": ("bound", exact("exact_out_route_v2", better=1)),
    "exact input for exact output": ("bound", exact("route_v2")),
    "amounts behind an exact output's": ("bound", exact_behind(bytes([17, 1, 100, 0, 1]))),
    "amounts behind a market's that is not known": ("bound", exact_behind(bytes([18, 1, 100, 0, 1]))),
    "amounts behind a list's": ("bound", exact_behind(bytes([47, 1, 1, 1, 0, 0, 0, 6, 2, 100, 0, 1]))),
    "a list without end": ("bound", exact_behind(bytes([47, 1, 1, 255, 255, 255, 255, 100, 0, 1]))),
    "another account than it says": ("account", swap_of_sol().plus(elsewhere())),
    "too long": (
        "too_long",
        swap_of_sol().plus(Instruction(CPMM, b"", [meta(Pubkey(bytes([n]) * 32)) for n in range(100, 125)])),
    ),
    "Jupiter's slippage one point wider": ("bound", routed(1_001)),
    "Jupiter's slippage past everything": ("bound", routed(10_001)),
}
