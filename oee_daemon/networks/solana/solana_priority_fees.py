"""What the network takes of a swap, and how much is offered for a place in a block. Pure.

Base units are lamports; a priority price is in millionths of a lamport for each compute unit
(https://solana.com/docs/core/fees).
"""

from __future__ import annotations

from collections.abc import Sequence

#: Lamports for each signature.
BASE_FEE = 5_000
#: Compute units: no transaction may ask for more.
MOST_UNITS = 1_400_000
#: Compute units that a swap asks for, with its margin: the wallet's own chores, and each pool.
_CHORES, _POOL = 60_000, 95_000
_MICRO = 1_000_000


def fee_of(unit_limit: int, unit_price: int) -> int:
    """Lamports of a transaction with one signature."""
    return BASE_FEE + -(-unit_limit * unit_price // _MICRO)


def units_about(pools: int) -> int:
    """The limit that a swap through so many pools will about ask for: nobody has built it yet."""
    return min(MOST_UNITS, _CHORES + _POOL * pools)


def limit_of(simulated_units: int) -> int:
    """The limit to ask for: a tenth and a half more than it took, since a pool moves in between. A tight one
    pays twice: what is offered for each unit counts more, and fewer are paid."""
    return min(MOST_UNITS, -(-simulated_units * 115 // 100) + 1_000)


def price_of(landed: Sequence[int], hint: int, attempt: int, unit_limit: int, fee_cap: int) -> int:
    """The price to offer: three quarters of what landed lately paid less, or the venue's `hint` where that is
    more; doubled with each attempt; and never so much that the fee passes `fee_cap`, lamports.

    `landed`: the least that landed in each recent slot (`getRecentPrioritizationFees`).
    """
    paid = sorted(price for price in landed if price > 0)
    floor = paid[len(paid) * 3 // 4] if paid else 0
    wanted = max(floor, hint) << min(attempt - 1, 16)
    most = max(0, fee_cap - BASE_FEE) * _MICRO // max(1, unit_limit)
    return min(wanted, most)
