"""Good swaps of each venue and shape: none of them may be refused by a rule."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.networks.venue import Plan
from tests.networks.solana.crafted import (
    AMM_V4,
    CLMM,
    EXACT_OUT_HOPS,
    EXACT_OUT_ROUTES,
    ROUTER,
    SOL,
    TOKEN,
    TOKEN_2022,
    VENUE_POOL,
    Shape,
    ata,
    budget,
    call,
    close,
    cpmm,
    make_ata,
    memo,
    mint,
    on_the_way,
    order,
    route,
    seeded,
    swap_of_sol,
    tag,
    wrap,
)


def good_shapes() -> dict[str, Shape]:
    to_sol, tokens = order("USDC", "SOL"), order("USDC", "BONK")
    usdc, bonk = mint(tokens, "in"), mint(tokens, "out")
    exact = order("USDC", "SOL", exact_out=True)
    beside, made = seeded(1_000_000 + 2_039_280)
    jupiter = order(venue="meteora")
    table = AddressLookupTableAccount(
        Pubkey.from_bytes(bytes([21]) * 32), [VENUE_POOL, ata(SOL), ata(usdc), TOKEN]
    )
    amounts = struct.pack("<QQ", 1_000_000, 900_000)
    most_out = struct.pack("<QQ", 1_100_000, 1_000_000)
    clmm = struct.pack("<QQ16x?", 1_000_000, 900_000, True)
    clmm_out = struct.pack("<QQ16x?", 1_000_000, 1_100_000, False)

    def routed(**how: Any) -> Instruction:
        return route(1_000_000, 1_000_000, 1_000, ata(SOL), ata(usdc), **how)

    def jup(swap: Instruction, plan: Plan = jupiter, **how: Any) -> Shape:
        return Shape(
            plan, [*budget(), *wrap(1_000_000), make_ata(usdc), swap, close(ata(SOL)), memo()], **how
        )

    return {
        "SOL for a token": swap_of_sol(),
        "a token for SOL": Shape(
            to_sol,
            [
                *budget(), make_ata(SOL), cpmm(1_000_000, 900_000, ata(usdc), ata(SOL)),
                close(ata(SOL)), memo(),
            ],
        ),
        "a token for a token": Shape(
            tokens, [*budget(), make_ata(bonk), cpmm(1_000_000, 900_000, ata(usdc), ata(bonk)), memo()]
        ),
        "exact output": Shape(
            exact,
            [
                *budget(), make_ata(SOL), cpmm(1_100_000, 1_000_000, ata(usdc), ata(SOL), out=True),
                close(ata(SOL)), memo(),
            ],
        ),
        "an account beside": Shape(
            order(),
            [
                *budget(), *made, make_ata(usdc), cpmm(1_000_000, 900_000, beside, ata(usdc)), close(beside),
                memo(),
            ],
        ),
        "AMM v4": Shape(tokens, [*budget(), call(AMM_V4, b"\x09" + amounts, ata(usdc), ata(bonk)), memo()]),
        **{
            name: Shape(
                order("USDC", "BONK", exact_out=out),
                [*budget(), call(program, bytes([number]) + data, ata(usdc), ata(bonk)), memo()],
            )
            for name, program, number, data, out in (
                ("AMM v4, second", AMM_V4, 16, amounts, False),
                ("AMM v4, second, exact output", AMM_V4, 17, most_out, True),
                ("Raydium's router", ROUTER, 0, amounts, False),
                ("Raydium's router, two price limits", ROUTER, 0, amounts + bytes([1]) * 32, False),
                ("Raydium's router, exact output", ROUTER, 1, most_out, True),
            )
        },
        "CLMM": Shape(tokens, [*budget(), call(CLMM, tag("swap_v2") + clmm, ata(usdc), ata(bonk)), memo()]),
        "CLMM, exact output": Shape(
            order("USDC", "BONK", exact_out=True),
            [*budget(), call(CLMM, tag("swap_v2") + clmm_out, ata(usdc), ata(bonk)), memo()],
        ),
        "Jupiter's route": jup(routed()),
        "Jupiter's shared route, with a table": jup(routed(name="shared_accounts_route"), tables=[table]),
        "Jupiter's second route": jup(routed(name="route_v2")),
        **{
            f"Jupiter's {name}, {len(hops)} hops": jup(
                routed(name=name, hops=hops), order(exact_out=True, venue="jupiter")
            )
            for name in EXACT_OUT_ROUTES for hops in EXACT_OUT_HOPS
        },
        "Jupiter's, by an account of the wallet's own for a token on the way": Shape(
            jupiter,
            [
                *budget(), *wrap(1_000_000), make_ata(usdc), make_ata(bonk),
                on_the_way(routed(name="route_v2"), bonk), close(ata(SOL)), memo(),
            ],
        ),
        "Jupiter's, by wrapped SOL that is unwrapped": Shape(
            order("USDC", "BONK", venue="jupiter"),
            [
                *budget(), make_ata(SOL), make_ata(bonk),
                on_the_way(route(1_000_000, 1_000_000, 1_000, ata(usdc), ata(bonk), name="route_v2"), SOL),
                close(ata(SOL)), memo(),
            ],
        ),
        "a legacy message": replace(swap_of_sol(), legacy=True),
        "a token of Token-2022": Shape(
            tokens,
            [
                *budget(), make_ata(bonk, program=TOKEN_2022), cpmm(1_000_000, 900_000, ata(usdc), ata(bonk)),
                memo(),
            ],
        ),
        "no price, a better bound": Shape(
            tokens, [set_compute_unit_limit(200_000), cpmm(1_000_000, 999_999, ata(usdc), ata(bonk)), memo()]
        ),
    }  # fmt: skip
