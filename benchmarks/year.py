"""What a year of orders looks like: markets, ends, and the steps that lead to each end.

`generate` draws from it inside Postgres; here are only the shares, and the temporary tables that tell them.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import psycopg

from oee_daemon.networks.simulated.simulated_market import REFERENCE_USD
from oee_daemon.orders.tokens import TOKENS

#: Base, quote, share in percent.
MARKETS = (
    ("SOL", "USDC", 40), ("SOL", "USDT", 10), ("JUP", "USDC", 10), ("BONK", "USDC", 8), ("RAY", "USDC", 6),
    ("WIF", "USDC", 6), ("PYTH", "USDC", 4), ("JTO", "USDC", 4), ("mSOL", "SOL", 4), ("JitoSOL", "SOL", 3),
    ("ORCA", "USDC", 3), ("MET", "USDC", 2),
)  # fmt: skip

#: How orders end: status, attempts, share in permille, and what happened in each attempt.
ENDS = (
    ("confirmed", 1, 840, ("routing building submitted",)),
    ("confirmed", 2, 60, ("routing building submitted", "routing building submitted")),
    ("failed", 1, 30, ("routing",)),
    ("failed", 3, 10, ("routing building submitted",) * 3),
    ("cancelled", 1, 30, ("",)),
    ("expired", 1, 30, ("",)),
)
LIVE = (
    ("pending", 1, 0, ("",)),
    ("routing", 1, 0, ("",)),
    ("building", 1, 0, ("routing",)),
    ("submitted", 1, 0, ("routing building",)),
)
#: Milliseconds from the step before.
STEP_MS = {"pending": 900, "routing": 5, "building": 204, "submitted": 3, "confirmed": 404, "failed": 404,
           "cancelled": 3_000, "expired": 300_000}  # fmt: skip


def insert(conn: psycopg.Connection) -> None:
    """What the statements draw from: markets, ends, and the steps that lead to each end."""
    above = 0.0
    for base, quote, percent in MARKETS:
        row = (
            TOKENS[base].mint,
            TOKENS[quote].mint,
            10 ** TOKENS[base].decimals,
            10 ** TOKENS[quote].decimals,
            _numeric(REFERENCE_USD[base] / REFERENCE_USD[quote]),
            _numeric(REFERENCE_USD[quote]),
            above / 100,
            (above + percent) / 100,
        )
        conn.execute("INSERT INTO markets VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", row)
        above += percent
    above = 0.0
    for index, (status, attempts, permille, tries) in enumerate((*ENDS, *LIVE)):
        steps = list(_steps(status, tries))
        share = (above / 1000, (above + permille) / 1000)
        if permille == 0:
            # Below 0, where nothing is drawn: taken in turns by the order's number.
            share = (float(len(ENDS) - 1 - index), float(len(ENDS) - index))
        conn.execute(
            "INSERT INTO ends VALUES (%s, %s, %s, %s, %s, %s)",
            (status, attempts, *share, len(steps), steps[-1][3]),
        )
        for seq, (step, attempt, _, ms) in enumerate(steps, 1):
            conn.execute(
                "INSERT INTO steps VALUES (%s, %s, %s, %s, %s, %s)",
                (status, attempts, seq, step, attempt, ms),
            )
        above += permille


def _steps(status: str, tries: tuple[str, ...]) -> Iterator[tuple[str, int, int, int]]:
    """Each step: status, attempt, its place, milliseconds since the order came."""
    ms = 0
    said = [("pending", 1)]
    for attempt, steps in enumerate(tries, 1):
        if attempt > 1:
            said.append(("pending", attempt))
        said += [(step, attempt) for step in steps.split()]
    if said[-1] != (status, len(tries)):
        said.append((status, len(tries)))
    for place, (step, attempt) in enumerate(said):
        ms += STEP_MS[step] if place else 0
        yield step, attempt, place, ms


def _numeric(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
