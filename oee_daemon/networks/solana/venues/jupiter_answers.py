"""What Jupiter's API answers, whichever of its paths was asked: what it refuses, the pools that it goes
through, and the instructions of a swap."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from oee_daemon.errors import VenueError, VenueRefused
from oee_daemon.networks.solana.solana_programs import COMPUTE_BUDGET
from oee_daemon.networks.solana.venues.venue_api import Api, Said, bps_of, ids_of

#: Errors that say: not for this pair or amount (https://dev.jup.ag, common errors). Others may pass.
_REFUSALS = (
    "COULD_NOT_FIND_ANY_ROUTE", "NO_ROUTES_FOUND", "TOKEN_NOT_TRADABLE", "MARKET_NOT_FOUND", "NOT_SUPPORTED",
    "CIRCULAR_ARBITRAGE_IS_DISABLED", "ROUTE_PLAN_DOES_NOT_CONSUME_ALL_THE_AMOUNT",
    "Could not find any route", "No routes found", "The token is not tradable",
)  # fmt: skip


class Amounts(NamedTuple):
    """What goes in, what comes out, and the bound, base units."""

    given: int
    taken: int
    bound: int


def accepted(said: Said, name: str) -> Said:
    """Raises `VenueError` for everything but a good answer to `name`, the venue."""
    if said.status == 200 and not said.json.get("error"):
        return said
    if any(said.json.get(key) in _REFUSALS for key in ("errorCode", "error")):
        raise VenueRefused(f"{name} has no route for it.")
    raise VenueError(f"{name} refuses it: HTTP {said.status}.", retryable=said.status != 401)


def amounts_of(told: Mapping[str, Any], mints: tuple[str, str], api: Api) -> Amounts:
    """Raises `VenueError` where it is of other tokens."""
    found = [api.units(told.get(name)) for name in ("inAmount", "outAmount", "otherAmountThreshold")]
    if (told.get("inputMint"), told.get("outputMint")) != mints:
        raise api.odd()
    return Amounts(*found)


def pools_of(told: Mapping[str, Any]) -> tuple[str, ...]:
    route = told.get("routePlan")
    hops = [hop.get("swapInfo") for hop in route if isinstance(hop, dict)] if isinstance(route, list) else []
    return ids_of(hops, "ammKey")


def impact_of(told: Mapping[str, Any]) -> int | None:
    """Basis points; Jupiter says a ratio."""
    return bps_of(told.get("priceImpactPct"), 10_000)


def steps_of(told: Mapping[str, Any], api: Api) -> list[Instruction]:
    """Its instructions in the order in which they run. What it says of a compute budget or a tip is left
    out. Raises `VenueError`."""
    try:
        rows = [*told["setupInstructions"], told["swapInstruction"]]
        rows += [told["cleanupInstruction"]] if told.get("cleanupInstruction") else []
        rows += told.get("otherInstructions") or []
        steps = [_instruction(row) for row in rows]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        raise api.odd() from None
    return [step for step in steps if str(step.program_id) != COMPUTE_BUDGET]


def hint_of(told: Mapping[str, Any]) -> int:
    """Micro-lamports for each unit, by its `SetComputeUnitPrice`; 0 where there is none that can be read."""
    budget = told.get("computeBudgetInstructions")
    try:
        rows: list[Any] = budget if isinstance(budget, list) else []
        found = [base64.b64decode(row["data"], validate=True) for row in rows]
    except (KeyError, TypeError, ValueError):
        return 0
    prices = [int.from_bytes(data[1:], "little") for data in found if data[:1] == b"\x03" and len(data) == 9]
    return prices[0] if prices else 0


def _instruction(row: Any) -> Instruction:
    metas = [
        AccountMeta(Pubkey.from_string(one["pubkey"]), bool(one["isSigner"]), bool(one["isWritable"]))
        for one in row["accounts"]
    ]
    data = base64.b64decode(row["data"], validate=True)
    return Instruction(Pubkey.from_string(row["programId"]), data, metas)
