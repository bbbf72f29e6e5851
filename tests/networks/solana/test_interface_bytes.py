"""The first bytes of others' instructions, by the names that their makers publish."""

from __future__ import annotations

import hashlib

from oee_daemon.networks.solana.guard.guard_swap_bounds import LAYOUTS
from oee_daemon.networks.solana.solana_launch_bytes import _OPENS

CPMM = ("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C", "DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb")
CLMM, AMM_V4 = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK", "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
JUPITER = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"
#: By program what opens a pool; docs/networks.md says where each is published.
OPENS = {
    **dict.fromkeys(CPMM, (
        "initialize", "initialize_with_permission", "initialize_v2", "initialize_with_permission_v2",
    )),
    CLMM: ("create_pool", "create_customizable_pool"),
    "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA": ("create_pool",),
    "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG": (
        "initialize_pool", "initialize_customizable_pool", "initialize_pool_with_dynamic_config",
    ),
    "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo": (
        "initialize_lb_pair", "initialize_lb_pair2", "initialize_permission_lb_pair",
        "initialize_customizable_permissionless_lb_pair", "initialize_customizable_permissionless_lb_pair2",
    ),
}  # fmt: skip
SWAPS = {
    **dict.fromkeys(CPMM, ("swap_base_input", "swap_base_output")),
    CLMM: ("swap", "swap_v2"),
    JUPITER: (
        "route", "shared_accounts_route", "exact_out_route", "shared_accounts_exact_out_route", "route_v2",
        "shared_accounts_route_v2", "exact_out_route_v2", "shared_accounts_exact_out_route_v2",
    ),
}  # fmt: skip


def anchors(name: str) -> bytes:
    """https://github.com/coral-xyz/anchor, lang/syn/src/codegen/program/common.rs"""
    return hashlib.sha256(f"global:{name}".encode()).digest()[:8]


def test_what_opens_a_pool_is_what_its_program_s_makers_call_so() -> None:
    assert {program: set(tags) for program, (_, tags) in _OPENS.items()} == {
        AMM_V4: {b"\1"},
        **{program: set(map(anchors, names)) for program, names in OPENS.items()},
    }


def test_whose_bound_is_read_is_a_swap_of_that_program() -> None:
    found: dict[str, set[bytes]] = {}
    for program, tag in LAYOUTS:
        found.setdefault(program, set()).add(tag)
    assert found.pop(AMM_V4) == {bytes([n]) for n in (9, 11, 16, 17)}
    # Raydium's router numbers its instructions; nobody has published it.
    assert found.pop("routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS") == {b"\0", b"\1"}
    assert found == {program: set(map(anchors, names)) for program, names in SWAPS.items()}
