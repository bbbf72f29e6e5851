"""Jupiter's build API as a venue: all markets that it knows, or those of one name.

https://dev.jup.ag: `/swap/v2/build`, exact input alone, no fee of Jupiter's. Restricted by `dexes` it is the
way to Meteora and Orca, which have no API for swaps; unrestricted it is what a trader would use instead.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Any

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from oee_daemon.contract.terms import SwapMode
from oee_daemon.errors import VenueError, VenueRefused
from oee_daemon.networks.solana.solana_programs import COMPUTE_BUDGET
from oee_daemon.networks.solana.solana_swap_assembly import assembled
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.venue_api import Api, Said, bps_of, ids_of, slippage_bps
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, Toll, UnsignedSwap

#: The labels of each venue's markets, by which Jupiter restricts a route; none for all of them.
MARKETS: dict[str, str | None] = {
    "meteora": "Meteora DLMM,Meteora DAMM v2,Meteora",
    "orca": "Whirlpool",
    "jupiter": None,
}
#: Errors that say: not for this pair or amount. Others may pass.
_REFUSALS = (
    "COULD_NOT_FIND_ANY_ROUTE", "NO_ROUTES_FOUND", "TOKEN_NOT_TRADABLE", "MARKET_NOT_FOUND", "NOT_SUPPORTED",
    "CIRCULAR_ARBITRAGE_IS_DISABLED", "Could not find any route", "No routes found",
    "The token is not tradable",
)  # fmt: skip


class JupiterVenue:
    """`name` is a key of `MARKETS`; `wallet` the address that swaps, since it builds what it quotes."""

    #: It differs from pool to pool.
    fee_bps = None

    def __init__(self, name: str, api: Api, pricing: Pricing, wallet: str) -> None:
        self.name = name
        self._dexes = MARKETS[name]
        self._api = api
        self._pricing = pricing
        self._wallet = wallet

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        if request.mode is SwapMode.EXACT_OUT:
            raise VenueRefused(f"{self.name} does not quote exact outputs.", code="exact_out_unsupported")
        said = await self._asked(request, 0, deadline_s, urgent=request.number > 0)
        route = said.json.get("routePlan")
        hops = (
            [hop.get("swapInfo") for hop in route if isinstance(hop, dict)] if isinstance(route, list) else []
        )
        pools = ids_of(hops, "ammKey")
        return Quote(
            venue=self.name,
            amount_in=request.amount,
            amount_out=self._amounts(said, request)[0],
            price_impact_bps=bps_of(said.json.get("priceImpactPct"), 10_000),
            toll=Toll(pools, len(pools) or 1, _hint(said.json.get("computeBudgetInstructions"))),
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s

        def left_s() -> float:
            return max(0.001, until - loop.time())

        said = await self._bounded(plan, left_s)
        steps, tables, hint = self._parts(said)
        return await assembled(plan, anchor, steps, tables, self._pricing, hint=hint, left_s=left_s)

    async def _bounded(self, plan: Plan, left_s: Callable[[], float]) -> Said:
        """A swap whose own bound keeps the plan's: its slippage is of whole basis points, of its amount."""
        quoted = plan.quote.amount_out
        for _ in range(2):
            bps = slippage_bps(quoted, plan.bound, exact_out=False)
            said = await self._asked(plan.request, bps, left_s(), urgent=True)
            amount_out, threshold = self._amounts(said, plan.request)
            if threshold >= plan.bound:
                return said
            # The price has moved since: the same bound is another slippage of it.
            quoted = amount_out
        raise VenueError(
            f"{self.name}'s price moves too fast to build on it.", code="venue_moves", retryable=True
        )

    async def _asked(self, request: QuoteRequest, bps: int, deadline_s: float, *, urgent: bool) -> Said:
        query = {
            "inputMint": request.input_token.mint,
            "outputMint": request.output_token.mint,
            "amount": str(request.amount),
            "taker": self._wallet,
            "slippageBps": str(bps),
        }
        if self._dexes is not None:
            query["dexes"] = self._dexes
        said = await self._api.get("/swap/v2/build", query, deadline_s, urgent=urgent)
        if said.status == 200 and "error" not in said.json:
            return said
        if any(said.json.get(name) in _REFUSALS for name in ("errorCode", "error")):
            raise VenueRefused(f"{self.name} has no route for it.")
        raise VenueError(f"{self.name} refuses it: HTTP {said.status}.", retryable=said.status != 401)

    def _amounts(self, said: Said, request: QuoteRequest) -> tuple[int, int]:
        """What comes out, and the least that may. Raises `VenueError` for another swap than asked."""
        told = said.json
        given, taken, bound = (
            self._api.units(told.get(name)) for name in ("inAmount", "outAmount", "otherAmountThreshold")
        )
        mints = told.get("inputMint"), told.get("outputMint")
        if mints != (request.input_token.mint, request.output_token.mint) or given != request.amount:
            raise self._api.odd()
        return taken, bound

    def _parts(self, said: Said) -> tuple[list[Instruction], list[AddressLookupTableAccount], int]:
        """Its instructions in the order in which they run, its tables, and the price that it hints at. What
        it says of a compute budget or a tip is left out."""
        told = said.json
        try:
            rows = [*told["setupInstructions"], told["swapInstruction"]]
            rows += [told["cleanupInstruction"]] if told.get("cleanupInstruction") else []
            rows += told.get("otherInstructions") or []
            steps = [_instruction(row) for row in rows]
            tables = [
                AddressLookupTableAccount(Pubkey.from_string(key), [Pubkey.from_string(a) for a in addresses])
                for key, addresses in (told.get("addressesByLookupTableAddress") or {}).items()
            ]
        except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
            raise self._api.odd() from None
        kept = [step for step in steps if str(step.program_id) != COMPUTE_BUDGET]
        return kept, tables, _hint(told.get("computeBudgetInstructions"))


def _hint(budget: object) -> int:
    """Micro-lamports for each unit, by its `SetComputeUnitPrice`; 0 where there is none that can be read."""
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
