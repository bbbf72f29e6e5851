"""The two interfaces that the pool program speaks: instructions, the places of accounts, the error."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One instruction: how it is named, and at which place each of `ROLES` comes."""

    name: str
    handler: str
    roles: tuple[int, ...]

    @property
    def tag(self) -> bytes:
        """By which Anchor tells instructions apart."""
        return hashlib.sha256(f"global:{self.handler}".encode()).digest()[:8]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the two interfaces. `slipped`: code and log line of a bound that does not hold;
    `exact_in_v2`, `exact_out_v2`: with the amounts before the route, none where it has no such."""

    exact_in: Way
    exact_out: Way
    bounded: bool
    slipped: int
    line: str
    exact_in_v2: Way | None = None
    exact_out_v2: Way | None = None
    #: How its maker opens a pool, and takes out of it; none where nobody can.
    opens: Way | None = None
    withdraws: Way | None = None


_CPMM = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
CPMM = Dialect(
    Way("SwapBaseInput", "swap_base_input", _CPMM),
    Way("SwapBaseOutput", "swap_base_output", _CPMM),
    bounded=True,
    slipped=6005,
    line="AnchorError thrown in programs/cp-swap/src/instructions/swap_base_input.rs:132. Error Code: "
    "ExceededSlippage. Error Number: 6005. Error Message: Exceeds desired slippage limit.",
    # Accounts as Raydium has them; user's and vault's are of the pool's first token and of its second.
    opens=Way("Initialize", "initialize", (0, 2, 1, 3, 7, 8, 10, 11, 15, 16, 4, 5)),
    withdraws=Way("Withdraw", "withdraw", (0, 1, 2, 2, 4, 5, 6, 7, 8, 8, 10, 11)),
)
_JUPITER_V2 = (0, 10, 11, 12, 1, 2, 13, 14, 5, 6, 3, 4)
#: Its own accounts first, as its IDL has them; what the pool needs comes after, from the tenth on or later.
JUPITER = Dialect(
    Way("Route", "route", (1, 9, 10, 11, 2, 3, 12, 13, 14, 15, 16, 5)),
    Way("ExactOutRoute", "exact_out_route", (1, 11, 12, 13, 2, 3, 14, 15, 16, 17, 5, 6)),
    bounded=False,
    slipped=6001,
    line="AnchorError thrown in programs/jupiter/src/lib.rs:346. Error Code: SlippageToleranceExceeded. "
    "Error Number: 6001. Error Message: Slippage tolerance exceeded.",
    exact_in_v2=Way("RouteV2", "route_v2", _JUPITER_V2),
    exact_out_v2=Way("ExactOutRouteV2", "exact_out_route_v2", _JUPITER_V2),
)
