"""Raydium by its trade API: exact input and exact output over all of its pools.

https://docs.raydium.io/sdk-api/trade-api. Its quotes hold for about 30 seconds, and its transactions name a
blockhash whose last height it does not tell: they are put on our own anchor.
"""

from __future__ import annotations

import json
from typing import Any

from solders.message import to_bytes_versioned

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueError, VenueRefused
from oee_daemon.networks.solana.guard.guard_message import read
from oee_daemon.networks.solana.rpc.rpc_deadline import time_left
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_swap_assembly import memo_for, own_account
from oee_daemon.networks.solana.solana_swap_stamp import message_of, stamped, unit_limit_of
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.venue_api import Api, Said, bps_of, ids_of, slippage_bps
from oee_daemon.networks.solana.venues.venue_kept_answers import Kept, quoted_bps
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, Toll, UnsignedSwap

#: Micro-lamports for each unit: what is offered where nobody knows better.
_HINT = 10_000
#: Its `priceImpactPct` is in per cent: its own page shows 0.17 as 0.17 %, and warns of more than 5.
#: https://github.com/raydium-io/raydium-ui-v3, features/Swap/components/SwapInfoBoard.tsx, toPercentString.ts
_BPS_PER_CENT = 100
#: What it answers where asking the same again won't help; ROUTE_NOT_FOUND may be a pool of the last minutes.
_REFUSALS = {
    "ROUTE_NOT_FOUND": "has no route for it",
    "AMOUNT_TOO_SMALL": "takes no amount as small",
    "REQ_AMOUNT_ERROR": "does not take this amount",
    "REQ_INPUT_MINT_ERROR": "does not know what is to be spent",
    "REQ_OUTPUT_MINT_ERROR": "does not know what is to be received",
}


class RaydiumVenue:
    """One client of the API, for whoever `pricing` asks the chain for."""

    name = "raydium"
    #: It differs from pool to pool.
    fee_bps = None

    def __init__(self, api: Api, pricing: Pricing) -> None:
        self._api = api
        self._pricing = pricing
        self._kept = Kept()

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        bps = quoted_bps(request)
        said = await self._compute(request, bps, deadline_s, urgent=request.number > 0)
        self._kept.keep(request, bps, said)
        amount_in, amount_out, _ = self._amounts(said, request)
        if request.mode is SwapMode.EXACT_OUT and _may_stop_early(said):
            raise VenueRefused(
                "raydium would go through several pools, at whose price limits less may arrive than the exact"
                " amount.",
                code="exact_out_unsupported",
            )
        impact = bps_of(said.json["data"].get("priceImpactPct"), _BPS_PER_CENT)
        pools = _pools_of(said)
        return Quote(
            venue=self.name,
            amount_in=amount_in,
            amount_out=amount_out,
            price_impact_bps=impact,
            toll=Toll(pools, len(pools) or 1, _HINT),
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        left_s = time_left(deadline_s)
        said = await self._compute_within(plan, left_s)
        body, paid = await self._body(plan, said, left_s())
        side = "out" if plan.request.mode is SwapMode.EXACT_OUT else "in"
        built = self._ok(await self._api.post(f"/transaction/swap-base-{side}", body, left_s()))
        rows = built.json["data"]
        if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict):
            raise VenueError("raydium needs more than one transaction for it.", retryable=True)
        message = message_of(rows[0].get("transaction"))
        price = self._pricing.price(paid, _HINT, plan, unit_limit_of(message))
        reading = read(to_bytes_versioned(message), plan.payer)
        tables = await self._pricing.tables.of(reading, left_s()) if reading.tables else {}
        content = stamped(message, anchor.blockhash, memo_for(plan, anchor), price, tables)
        return UnsignedSwap(message=content, last_valid_height=anchor.last_valid_height)

    async def _compute_within(self, plan: Plan, left_s: Any) -> Said:
        """A quote whose own bound keeps the plan's: its slippage is of whole basis points, of its amount."""
        exact_out = plan.request.mode is SwapMode.EXACT_OUT
        quoted = plan.quote.amount_in if exact_out else plan.quote.amount_out
        kept = self._kept.take(plan.request, slippage_bps(quoted, plan.bound, exact_out=exact_out))
        if kept is not None and self._keeps(self._amounts(kept, plan.request)[2], plan):
            return kept
        for _ in range(2):
            bps = slippage_bps(quoted, plan.bound, exact_out=exact_out)
            said = await self._compute(plan.request, bps, left_s(), urgent=True)
            amount_in, amount_out, threshold = self._amounts(said, plan.request)
            if self._keeps(threshold, plan):
                return said
            # The price has moved since: the same bound is another slippage of it.
            quoted = amount_in if exact_out else amount_out
        raise VenueError("raydium's price moves too fast to build on it.", code="venue_moves", retryable=True)

    def _keeps(self, threshold: int, plan: Plan) -> bool:
        exact_out = plan.request.mode is SwapMode.EXACT_OUT
        return threshold <= plan.bound if exact_out else threshold >= plan.bound

    async def _compute(self, request: QuoteRequest, bps: int, deadline_s: float, *, urgent: bool) -> Said:
        side = "out" if request.mode is SwapMode.EXACT_OUT else "in"
        query = {
            "inputMint": request.input_token.mint,
            "outputMint": request.output_token.mint,
            "amount": str(request.amount),
            "slippageBps": str(bps),
            "txVersion": "V0",
        }
        return self._ok(await self._api.get(f"/compute/swap-base-{side}", query, deadline_s, urgent=urgent))

    def _ok(self, said: Said) -> Said:
        """It refuses with a 200 as well: only `success` counts."""
        if said.json.get("success") is True and said.status == 200 and "data" in said.json:
            return said
        code = said.json.get("msg")
        if isinstance(code, str) and code in _REFUSALS:
            raise VenueRefused(f"raydium {_REFUSALS[code]}.")
        shown = (
            code if isinstance(code, str) and code.isascii() and len(code) <= 60 else "nothing that is known"
        )
        raise VenueError(f"raydium refuses it: {shown}.", retryable=True)

    def _amounts(self, said: Said, request: QuoteRequest) -> tuple[int, int, int]:
        """What goes in, what comes out, and the bound. Raises `VenueError` for another swap than asked."""
        data = said.json["data"]
        if not isinstance(data, dict):
            raise self._api.odd()
        mints = data.get("inputMint"), data.get("outputMint")
        given, taken, bound = (
            self._api.units(data.get(name))
            for name in ("inputAmount", "outputAmount", "otherAmountThreshold")
        )
        exact = taken if request.mode is SwapMode.EXACT_OUT else given
        if mints != (request.input_token.mint, request.output_token.mint) or exact != request.amount:
            raise self._api.odd()
        return given, taken, bound

    async def _body(self, plan: Plan, said: Said, deadline_s: float) -> tuple[bytes, list[int]]:
        """What the transaction is asked for with, and what landed lately for the pools that it writes."""
        mint_in, mint_out = plan.request.input_token.mint, plan.request.output_token.mint
        programs = await self._pricing.programs([mint_in, mint_out], deadline_s)
        own = [own_account(plan.payer, m, p) for m, p in zip((mint_in, mint_out), programs, strict=True)]
        asked: dict[str, Any] = {
            "computeUnitPriceMicroLamports": str(_HINT),
            "txVersion": "V0",
            "wallet": plan.payer,
            "wrapSol": mint_in == WSOL,
            "unwrapSol": mint_out == WSOL,
        }
        if mint_in != WSOL:
            asked["inputAccount"] = own[0]
        # Without one the transaction makes the account; with one that is not there it would fail.
        pools, there = _pools_of(said), False
        if mint_out == WSOL:
            paid = await self._pricing.paid(pools, deadline_s)
        else:
            there, paid = await self._pricing.exists(own[1], pools, deadline_s)
        if there:
            asked["outputAccount"] = own[1]
        # The quote goes back as it came, to the byte.
        return json.dumps(asked)[:-1].encode() + b',"swapResponse":' + said.raw + b"}", paid


def _may_stop_early(said: Said) -> bool:
    """Whether its router would swap, by a price limit for a concentrated pool: the guard refuses that."""
    hops = said.json["data"].get("routePlan")
    if not isinstance(hops, list) or len(hops) < 2:
        return False
    # What it says of concentrated pools alone.
    return any(isinstance(hop, dict) and "lastPoolPriceX64" in hop for hop in hops)


def _pools_of(said: Said) -> tuple[str, ...]:
    return ids_of(said.json["data"].get("routePlan"), "poolId")
