"""The bound that a swap's own data sets: the most that may be spent, the least that must arrive. Pure.

The chain keeps it at the moment of execution, whatever the price is by then, so a swap whose bound is not
read here is not signed. Amounts are base units, read by the layouts of the programs' interfaces.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from oee_daemon.contract.ranking import BPS
from oee_daemon.networks.solana.guard.guard_message import Step, refuse
from oee_daemon.networks.solana.solana_programs import (
    AMM_V4,
    CLMM,
    CPMM,
    CPMM_ON_DEVNET,
    JUPITER,
    RAYDIUM_ROUTER,
)


class Bound(NamedTuple):
    """`exact`: which of the two is an amount, and no bound."""

    most_in: int
    least_out: int
    exact: str


#: Bytes of a hop of Jupiter's first routes: a market without parameters, its percentage, two numbers.
_LEAST_HOP = 4
#: By its number in Jupiter's interface (`Swap`), the bytes of a market's parameters: Raydium's and Meteora's
#: have none, Orca's the direction.
_PARAMETERS = {7: 0, 17: 1, 19: 0, 26: 0, 38: 0, 40: 0, 46: 0}
#: Orca's second one: the direction, and after a byte that says whether there is one a list of pairs of bytes.
_WHIRLPOOL_V2 = 47


def _in_out(data: bytes, at: int) -> Bound:
    given, least = struct.unpack_from("<QQ", data, at)
    return Bound(given, least, "in")


def _most_out(data: bytes, at: int) -> Bound:
    most, taken = struct.unpack_from("<QQ", data, at)
    return Bound(most, taken, "out")


def _clmm(data: bytes, at: int) -> Bound:
    """amount, the other side's threshold, the price limit, whether the input is exact.

    At a price limit the program stops, and lets less arrive than the exact output, at up to the whole
    threshold: without one it fills all or fails.
    """
    amount, other, limit, given = struct.unpack_from("<QQ16s?", data, at)
    if not given and any(limit):
        refuse("bound", "at its price limit less may arrive than the exact amount")
    return Bound(amount, other, "in") if given else Bound(other, amount, "out")


def _routed_out(data: bytes, at: int) -> Bound:
    """The amounts, then a price limit for each concentrated pool on the way: see `_clmm`."""
    if len(data) != at + 16:
        refuse("bound", "at its price limit less may arrive than the exact amount")
    return _most_out(data, at)


def _slipped_bound(given: int, quoted: int, bps: int, exact: str) -> Bound:
    """Jupiter states what was quoted, and how much worse it may be. Which way it rounds nobody has published:
    the worse one counts. An exact output that is not met to the unit fails (its `ExactOutAmountNotMatched`).
    """
    if exact == "in":
        return Bound(given, quoted * (BPS - bps) // BPS, "in")
    return Bound(-(-quoted * (BPS + bps) // BPS), given, "out")


def _route(exact: str) -> Callable[[bytes, int], Bound]:
    """The route first, its amounts in the last 19 bytes: where each of its hops has the least bytes that one
    can have, or all are of known lengths. With a longer hop the program would read its amounts elsewhere, and
    Anchor ignores the rest."""

    def read(data: bytes, at: int) -> Bound:
        (hops,) = struct.unpack_from("<I", data, at)
        if len(data) - 19 not in (at + 4 + _LEAST_HOP * hops, _end_of(hops, data, at + 4)):
            refuse("bound", "where the program reads its amounts is not known")
        given, quoted, bps, fee = struct.unpack_from("<QQHB", data, len(data) - 19)
        if fee:
            refuse("bound", "it takes a fee for somebody who built it")
        return _slipped_bound(given, quoted, bps, exact)

    return read


def _end_of(hops: int, data: bytes, at: int) -> int | None:
    """Where a route ends that begins there; none where one of its markets is not known."""
    for _ in range(hops):
        market = data[at]
        if market == _WHIRLPOOL_V2 and data[at + 2] == 1:
            at += 7 + 2 * struct.unpack_from("<I", data, at + 3)[0]
        elif market == _WHIRLPOOL_V2:
            at += 3
        elif market in _PARAMETERS:
            at += 1 + _PARAMETERS[market]
        else:
            return None
        at += _LEAST_HOP - 1
    return at


def _route_v2(exact: str) -> Callable[[bytes, int], Bound]:
    """The amounts first, then the route."""

    def read(data: bytes, at: int) -> Bound:
        given, quoted, bps, fee, better = struct.unpack_from("<QQHHH", data, at)
        if fee or better:
            refuse("bound", "it takes a fee for somebody who built it")
        return _slipped_bound(given, quoted, bps, exact)

    return read


#: By program and the first bytes of the data, which name the instruction: where its amounts begin, and how
#: they are read. Anchor's names are the first 8 bytes of SHA-256 of `global:` and the name.
#: https://github.com/raydium-io/raydium-cp-swap, /raydium-clmm, /raydium-amm (instruction.rs), for its swaps
#: without an order book and for the router over all of its pools /raydium-sdk-V2
#: (liquidity/instruction.ts, tradeV2/instrument.ts);
#: https://github.com/jup-ag/jupiter-cpi, its interface, of which the newer part (`_v2`) lies on the chain, at
#: C88XWfp26heEmDkmfSzeXP7Fd7GQJ2j9dDTUsyiZbUTa.
LAYOUTS: Mapping[tuple[str, bytes], tuple[int, Callable[[bytes, int], Bound]]] = {
    (CPMM, bytes.fromhex("8fbe5adac41e33de")): (8, _in_out),  # swap_base_input
    (CPMM, bytes.fromhex("37d96256a34ab4ad")): (8, _most_out),  # swap_base_output
    (CPMM_ON_DEVNET, bytes.fromhex("8fbe5adac41e33de")): (8, _in_out),
    (CPMM_ON_DEVNET, bytes.fromhex("37d96256a34ab4ad")): (8, _most_out),
    (CLMM, bytes.fromhex("f8c69e91e17587c8")): (8, _clmm),  # swap
    (CLMM, bytes.fromhex("2b04ed0b1ac91e62")): (8, _clmm),  # swap_v2
    (AMM_V4, bytes([9])): (1, _in_out),
    (AMM_V4, bytes([11])): (1, _most_out),
    (AMM_V4, bytes([16])): (1, _in_out),
    (AMM_V4, bytes([17])): (1, _most_out),
    (RAYDIUM_ROUTER, bytes([0])): (1, _in_out),
    (RAYDIUM_ROUTER, bytes([1])): (1, _routed_out),
    (JUPITER, bytes.fromhex("e517cb977ae3ad2a")): (8, _route("in")),  # route
    (JUPITER, bytes.fromhex("c1209b3341d69c81")): (9, _route("in")),  # shared_accounts_route
    (JUPITER, bytes.fromhex("d033ef977b2bed5c")): (8, _route("out")),  # exact_out_route
    (JUPITER, bytes.fromhex("b0d169a89a7d453e")): (9, _route("out")),  # shared_accounts_exact_out_route
    (JUPITER, bytes.fromhex("bb64facc31c4af14")): (8, _route_v2("in")),  # route_v2
    (JUPITER, bytes.fromhex("d19853937cfed8e9")): (9, _route_v2("in")),  # shared_accounts_route_v2
    (JUPITER, bytes.fromhex("9d8ab85215f4f324")): (8, _route_v2("out")),  # exact_out_route_v2
    (JUPITER, bytes.fromhex("3560e5cad8bbfa18")): (9, _route_v2("out")),  # shared_accounts_exact_out_route_v2
}


def bound_of(step: Step) -> Bound:
    """Raises `UnsafeSwap` where the data's layout is not known."""
    names = [name for name in LAYOUTS if name[0] == step.program and step.data.startswith(name[1])]
    if not names:
        refuse("bound", f"what it asks of {step.program} can't be read, so that its bound is not known")
    at, read = LAYOUTS[names[0]]
    try:
        return read(step.data, at)
    except (struct.error, IndexError):
        refuse("bound", "its data is too short for its bound")
