"""What Jupiter sets up and cleans up beside its swap: wrapping is ours, and so is each account of the
wallet's."""

from __future__ import annotations

from typing import Any

import pytest
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.solana.guard import guard_instructions
from oee_daemon.networks.solana.guard.guard_instructions import Limits
from oee_daemon.networks.solana.guard.guard_message import Step, read, whole
from oee_daemon.networks.solana.solana_programs import (
    ASSOCIATED,
    COMPUTE_BUDGET,
    MEMO,
    SYSTEM,
    TOKEN,
    VENUE_PROGRAMS,
)
from tests.networks.solana import crafted
from tests.networks.solana.crafted import JUPITER, SOL, WALLET, ata
from tests.networks.solana.jupiter_stand import (
    HELD,
    Jupiter,
    build,
    planned,
    quoted,
    shown,
    steps,
    worded,
)
from tests.networks.solana.thefts import TABLE, USDC, sends


def helped(name: str, *accounts: Pubkey) -> dict[str, Any]:
    """A chore by Jupiter's own program."""
    metas = [crafted.meta(WALLET, "ws"), *(crafted.meta(key, "w") for key in accounts)]
    return shown(Instruction(JUPITER, crafted.tag(name), metas))


BONK = crafted.mint(crafted.order("SOL", "BONK"), "out")
MAKES, CLOSES = "create_idempotent_associated_token_account", "close_wsol_token_account"
PLAIN = {
    "setupInstructions": [*map(shown, crafted.wrap(1_000_000)), shown(crafted.make_ata(USDC))],
    "cleanupInstruction": shown(crafted.close(ata(SOL))),
}
HELPED = {
    "setupInstructions": [
        helped(MAKES, ata(SOL), SOL), *map(shown, crafted.wrap(1_000_000)[1:]), helped(MAKES, ata(USDC), USDC)
    ],
    "cleanupInstruction": helped(CLOSES, ata(SOL)),
}  # fmt: skip


def checked(message: bytes) -> list[Step]:
    """What it does, where the guard lets it. Raises `UnsafeSwap`."""
    found = whole(read(message, str(WALLET)), {str(TABLE): HELD})
    limits = Limits(
        wallet=str(WALLET), venue="orca", programs=VENUE_PROGRAMS["orca"], input_mint=str(SOL),
        output_mint=str(USDC), most_in=1_100_000, least_out=1_000_000, mode=SwapMode.EXACT_OUT,
        order_id=crafted.ORDER, attempt=1, fee_cap=100_000,
    )  # fmt: skip
    guard_instructions.check(found, limits)
    return [step for step in found.steps if step.program not in (COMPUTE_BUDGET, MEMO)]


@pytest.mark.parametrize("chores", [PLAIN, HELPED], ids=["plain", "by its program"])
def test_wrapping_is_ours_and_of_the_whole_bound(chores: dict[str, Any]) -> None:
    """Jupiter wraps what was quoted, which a price that moves within the bound is more than."""
    made = build(Jupiter(builds=steps(**chores)), planned(worded(quoted())))
    found = [(step.program, step.data[:12]) for step in checked(made.message)]
    assert found == [
        (ASSOCIATED, b"\1"), (SYSTEM, b"\2\0\0\0" + (1_100_000).to_bytes(8, "little")), (TOKEN, b"\x11"),
        (ASSOCIATED, b"\1"), (str(JUPITER), found[4][1]), (TOKEN, b"\x09"),
    ]  # fmt: skip


def test_an_account_of_a_token_on_the_way_is_made_by_ours() -> None:
    swap = crafted.route(1_000_000, 1_000_000, 999, ata(SOL), ata(USDC), name="exact_out_route_v2")
    through = shown(crafted.on_the_way(swap, BONK))
    for made in (shown(crafted.make_ata(BONK)), helped(MAKES, ata(BONK), BONK)):
        chores = {"setupInstructions": [*PLAIN["setupInstructions"], made], "swapInstruction": through}
        built = build(Jupiter(builds=steps(**chores)), planned(worded(quoted())))
        own = [step.accounts[1] for step in checked(built.message) if step.program == ASSOCIATED]
        assert own == [str(ata(SOL)), str(ata(USDC)), str(ata(BONK))]


def test_what_is_no_chore_of_the_wallet_s_stays_for_the_guard() -> None:
    odd: list[dict[str, Any]] = [
        {"setupInstructions": [shown(sends(5))]},
        {"setupInstructions": [helped("set_token_ledger", ata(USDC))]},
        {"setupInstructions": [helped(MAKES, ata(BONK))]},
        {"setupInstructions": [helped(MAKES, ata(BONK), BONK)]},
        {"otherInstructions": [shown(sends(5))]},
        {"cleanupInstruction": shown(crafted.close(ata(USDC)))},
    ]

    def judge(chores: dict[str, Any]) -> None:
        made = build(Jupiter(builds=steps(**chores)), planned(worded(quoted())))
        with pytest.raises(UnsafeSwap):
            checked(made.message)

    for chores in odd:
        judge(chores)
