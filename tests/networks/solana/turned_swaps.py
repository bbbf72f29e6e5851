"""Swaps that take from, or give to, another account than the wallet's own for it, each with its rule."""

from __future__ import annotations

import struct
from dataclasses import replace

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.networks.venue import Plan
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.crafted import CPMM, SOL, THIEF, Shape, ata, call, memo, meta, order, route

USDC, BONK = (Pubkey.from_string(TOKENS[name].mint) for name in ("USDC", "BONK"))


def turned(plan: Plan, swap: Instruction) -> Shape:
    return Shape(plan, [*crafted.budget(), swap, memo()])


def by_each(source: Pubkey, target: Pubkey) -> dict[str, Shape]:
    """By each program and instruction whose accounts are known, a swap of USDC for BONK, or exact outputs."""
    amounts = {False: struct.pack("<QQ", 1_000_000, 900_000), True: struct.pack("<QQ", 1_100_000, 1_000_000)}
    limits = {False: struct.pack("<QQ16x?", 1_000_000, 900_000, True),
              True: struct.pack("<QQ16x?", 1_000_000, 1_100_000, False)}  # fmt: skip
    found: dict[str, Shape] = {}
    for out in (False, True):
        plan = order("USDC", "BONK", exact_out=out, venue="raydium")
        name = "swap_base_output" if out else "swap_base_input"
        for what, program, data in (
            (name, CPMM, crafted.tag(name) + amounts[out]),
            ("swap_v2", crafted.CLMM, crafted.tag("swap_v2") + limits[out]),
            ("swap", crafted.CLMM, crafted.tag("swap") + limits[out]),
            ("of an order book", crafted.AMM_V4, bytes([11 if out else 9]) + amounts[out]),
            ("without one", crafted.AMM_V4, bytes([17 if out else 16]) + amounts[out]),
        ):
            found[f"{what}, exact {'output' if out else 'input'}"] = turned(
                plan, call(program, data, source, target)
            )
        routed = replace(plan, quote=replace(plan.quote, venue="jupiter"))
        for what in crafted.EXACT_OUT_ROUTES if out else crafted.EXACT_IN_ROUTES:
            swap = route(1_000_000, 1_000_000, 1_000, source, target, name=what)
            found[what] = turned(routed, swap)
    return found


def beside_it(name: str, place: int) -> Shape:
    """Jupiter would give to another account than the one that is the wallet's."""
    plan = order("USDC", "BONK", exact_out="exact_out" in name, venue="jupiter")
    swap = route(1_000_000, 1_000_000, 1_000, ata(USDC), ata(BONK), name=name)
    keys = list(swap.accounts)
    keys[place] = meta(ata(BONK, THIEF), "w")
    return turned(plan, Instruction(swap.program_id, swap.data, keys))


TURNED: dict[str, tuple[str, Shape]] = {
    **{f"given to him by {n}": ("target", s) for n, s in by_each(ata(USDC), ata(BONK, THIEF)).items()},
    **{f"given to another token by {n}": ("target", s) for n, s in by_each(ata(USDC), ata(USDC)).items()},
    **{f"taken of another token by {n}": ("source", s) for n, s in by_each(ata(SOL), ata(BONK)).items()},
    **{
        f"given beside it by {name}": ("target", beside_it(name, place))
        for name, place in (
            ("route", 4),
            ("exact_out_route", 4),
            ("route_v2", 7),
            ("exact_out_route_v2", 7),
        )
    },
    "too few accounts": (
        "unreadable",
        turned(
            order("USDC", "BONK"),
            Instruction(CPMM, crafted.tag("swap_base_input") + struct.pack("<QQ", 1_000_000, 900_000), []),
        ),
    ),
    "an account more than Raydium reads": (
        "unreadable",
        turned(
            order("USDC", "BONK"),
            crafted.on_the_way(
                crafted.call(
                    crafted.AMM_V4, b"\x09" + struct.pack("<QQ", 1_000_000, 900_000), ata(USDC), ata(BONK)
                ),
                SOL,
                USDC,
            ),
        ),
    ),
}
