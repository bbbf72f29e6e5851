"""Which accounts a swap takes from and gives to, at the places that its program has for them. Pure.

The program itself sees to it that the least of the bound arrives in the one that it gives to: where that is
the wallet's own account of what is bought, neither a venue nor an endpoint can turn it elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from oee_daemon.networks.solana.guard.guard_message import Step, refuse
from oee_daemon.networks.solana.solana_programs import AMM_V4, CLMM, CPMM, CPMM_ON_DEVNET, JUPITER


class Ends(NamedTuple):
    """Places among an instruction's accounts. `other`: one to give to instead, which the program's own
    address leaves out; `sizes`: how many accounts there are, where the places depend on that."""

    source: int
    target: int
    other: int | None = None
    sizes: tuple[int, ...] = ()


#: As `guard_swap_bounds.LAYOUTS`, but for Raydium's router, which nobody has published.
#: https://github.com/raydium-io/raydium-cp-swap (swap_base_input.rs), /raydium-clmm (swap.rs, swap_v2.rs),
#: /raydium-amm (processor.rs: of its older instructions the last three of 17 or 18 are the trader's);
#: https://github.com/jup-ag/jupiter-cpi (idl.json), and its interface on the chain for the newer ones.
ENDS: Mapping[tuple[str, bytes], Ends] = {
    (CPMM, bytes.fromhex("8fbe5adac41e33de")): Ends(4, 5),
    (CPMM, bytes.fromhex("37d96256a34ab4ad")): Ends(4, 5),
    (CPMM_ON_DEVNET, bytes.fromhex("8fbe5adac41e33de")): Ends(4, 5),
    (CPMM_ON_DEVNET, bytes.fromhex("37d96256a34ab4ad")): Ends(4, 5),
    (CLMM, bytes.fromhex("f8c69e91e17587c8")): Ends(3, 4),
    (CLMM, bytes.fromhex("2b04ed0b1ac91e62")): Ends(3, 4),
    (AMM_V4, bytes([9])): Ends(-3, -2, sizes=(17, 18)),
    (AMM_V4, bytes([11])): Ends(-3, -2, sizes=(17, 18)),
    (AMM_V4, bytes([16])): Ends(5, 6),
    (AMM_V4, bytes([17])): Ends(5, 6),
    (JUPITER, bytes.fromhex("e517cb977ae3ad2a")): Ends(2, 3, other=4),  # route
    (JUPITER, bytes.fromhex("c1209b3341d69c81")): Ends(3, 6),  # shared_accounts_route
    (JUPITER, bytes.fromhex("d033ef977b2bed5c")): Ends(2, 3, other=4),  # exact_out_route
    (JUPITER, bytes.fromhex("b0d169a89a7d453e")): Ends(3, 6),  # shared_accounts_exact_out_route
    (JUPITER, bytes.fromhex("bb64facc31c4af14")): Ends(1, 2, other=7),  # route_v2
    (JUPITER, bytes.fromhex("d19853937cfed8e9")): Ends(2, 5),  # shared_accounts_route_v2
    (JUPITER, bytes.fromhex("9d8ab85215f4f324")): Ends(1, 2, other=7),  # exact_out_route_v2
    (JUPITER, bytes.fromhex("3560e5cad8bbfa18")): Ends(2, 5),  # shared_accounts_exact_out_route_v2
}


def ends_of(step: Step) -> tuple[str, list[str]] | None:
    """The account that it takes from, and those that it may give to; none where that is not known. Raises
    `UnsafeSwap` where it names too few."""
    found = next((e for (p, tag), e in ENDS.items() if p == step.program and step.data.startswith(tag)), None)
    if found is None:
        return None
    places = [place for place in (found.source, found.target, found.other) if place is not None]
    if max(places) >= len(step.accounts) or (found.sizes and len(step.accounts) not in found.sizes):
        refuse("unreadable", "it does not name as many accounts as its program reads")
    source, target, *other = (step.accounts[place] for place in places)
    return source, [target, *(one for one in other if one != step.program)]
