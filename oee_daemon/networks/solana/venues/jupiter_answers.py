"""What Jupiter's API answers, whichever of its paths was asked: what it refuses, the pools that it goes
through, and the instructions of a swap."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueError, VenueRefused
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_programs import (
    ASSOCIATED,
    COMPUTE_BUDGET,
    JUPITER,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
)
from oee_daemon.networks.solana.solana_swap_assembly import make_account, own_account, unwrap, wrap
from oee_daemon.networks.solana.solana_trader_accounts import kept_of
from oee_daemon.networks.solana.venues.venue_api import Api, Said, bps_of, ids_of
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import QuoteRequest

#: Errors that say: not for this pair or amount (https://dev.jup.ag, common errors). Others may pass.
_REFUSALS = (
    "COULD_NOT_FIND_ANY_ROUTE", "NO_ROUTES_FOUND", "TOKEN_NOT_TRADABLE", "MARKET_NOT_FOUND", "NOT_SUPPORTED",
    "CIRCULAR_ARBITRAGE_IS_DISABLED", "ROUTE_PLAN_DOES_NOT_CONSUME_ALL_THE_AMOUNT",
    "Could not find any route", "No routes found", "The token is not tradable",
)  # fmt: skip


#: Chores of its program beside a swap, by their first bytes, which Anchor makes of their names on the chain:
#: `create_idempotent_associated_token_account` and `close_wsol_token_account`.
_MAKES, _CLOSES = bytes.fromhex("bdbcecfa3cff996f"), bytes.fromhex("cb816785c57d6b56")


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
    if said.status == 401:
        raise VenueError(
            f"{name} refuses it: HTTP 401. Jupiter wants a valid key: see OEE_JUPITER_KEY_FILE.",
            retryable=False,
        )
    raise VenueError(f"{name} refuses it: HTTP {said.status}.", retryable=True)


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


def opens_of(steps: Sequence[Instruction], request: QuoteRequest, trader: str) -> tuple[str, ...]:
    """The accounts that these steps make where they are not there: those that a program keeps of the trader,
    and the trader's own of tokens on the way."""
    ends = (request.input_token.mint, request.output_token.mint, WSOL)
    kept = kept_of(trader, (str(meta.pubkey) for step in steps for meta in step.accounts))
    made = [step.accounts for step in steps if str(step.program_id) == ASSOCIATED and len(step.accounts) > 3]
    return *kept, *dict.fromkeys(str(one[1].pubkey) for one in made if str(one[3].pubkey) not in ends)


def impact_of(told: Mapping[str, Any]) -> int | None:
    """Basis points; Jupiter says a ratio."""
    return bps_of(told.get("priceImpactPct"), 10_000)


def steps_of(told: Mapping[str, Any], plan: Plan, api: Api) -> list[Instruction]:
    """Its instructions in the order in which they run, with wrapped SOL by ours. What it says of a compute
    budget or a tip is left out. Raises `VenueError`."""
    try:
        before = [_instruction(row) for row in told["setupInstructions"]]
        swap = _instruction(told["swapInstruction"])
        rows = [told["cleanupInstruction"]] if told.get("cleanupInstruction") else []
        after = [_instruction(row) for row in [*rows, *(told.get("otherInstructions") or [])]]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        raise api.odd() from None
    given, taken = plan.request.input_token.mint, plan.request.output_token.mint
    most = plan.request.amount if plan.request.mode is SwapMode.EXACT_IN else plan.bound
    own = wrap(plan.payer, most) if given == WSOL else []
    own += [make_account(plan.payer, WSOL, TOKEN)] if taken == WSOL else []
    ended = [unwrap(plan.payer)] if WSOL in (given, taken) else []
    return [*own, *_drop_wrapping(before, plan), swap, *ended, *_drop_wrapping(after, plan)]


def _drop_wrapping(steps: Iterable[Instruction], plan: Plan) -> Iterator[Instruction]:
    """Without what wraps and unwraps: an exact output may take as much as its bound, and how much of that
    Jupiter wraps for one it does not say. What its program would make or close is made and closed by ours,
    which the guard can read; everything else stays, and is the guard's to judge."""
    swapped = plan.request.input_token.mint, plan.request.output_token.mint
    wrapped = own_account(plan.payer, WSOL, TOKEN)
    for step in steps:
        keys = [str(meta.pubkey) for meta in step.accounts]
        helps = bytes(step.data[:8]) if str(step.program_id) == JUPITER else b""
        if str(step.program_id) == COMPUTE_BUDGET:
            continue
        own = wrapped in keys and (helps in (_MAKES, _CLOSES) or _wraps(step, keys, wrapped))
        if own and WSOL in swapped:
            continue
        if own and helps == _CLOSES:
            step = unwrap(plan.payer)
        yield (_make_own_account(keys, plan.payer) or step) if helps == _MAKES else step


def _make_own_account(keys: list[str], payer: str) -> Instruction | None:
    """Makes the wallet's account that is among these; none where it is none, or its mint is not with it."""
    for mint in keys:
        for program in (TOKEN, TOKEN_2022):
            if own_account(payer, mint, program) in keys:
                return make_account(payer, mint, program)
    return None


def _wraps(step: Instruction, keys: list[str], wrapped: str) -> bool:
    """Makes the wallet's account of wrapped SOL, sends it SOL, counts that, or closes it."""
    program, data = str(step.program_id), bytes(step.data)
    if program == SYSTEM:
        return data[:4] == b"\2\0\0\0" and keys[1:] == [wrapped]
    return program == ASSOCIATED or (program == TOKEN and data in (b"\x11", b"\x09"))


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
