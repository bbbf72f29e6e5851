"""Exact outputs by Jupiter: a quote of `/swap/v1/quote`, and the instructions that `/swap/v1` makes of it.

https://dev.jup.ag: `/swap/v2/build` has no exact output. Of the markets Whirlpool's and Raydium's
concentrated and constant-product pools have one. The quote itself is the route that is stored with a choice,
and goes back as it came, to the byte, also after a crash; its slippage is part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import SwapTooLong, VenueError
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, read_json
from oee_daemon.networks.solana.solana_swap_assembly import assembled
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_answers import (
    Amounts,
    accepted,
    amounts_of,
    hint_of,
    impact_of,
    pools_of,
    steps_of,
)
from oee_daemon.networks.solana.venues.venue_api import Api, Said, slippage_bps
from oee_daemon.networks.solana.venues.venue_kept_answers import quoted_bps
from oee_daemon.networks.solana.venues.venue_route_widths import Widths
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, Toll, UnsignedSwap

#: Bytes of a quote that is kept; one of many hops has some thousand.
_LONGEST = 32_768
#: Tables that a swap may name; more than a transaction has room for.
_MOST_TABLES = 16
#: Micro-lamports for each unit: a quote names none, and this is what is offered where nobody knows better.
_HINT = 10_000


class ExactOut:
    """`name`: the venue's; `dexes`: the labels of its markets, none for all; `wallet`: who swaps."""

    def __init__(
        self, name: str, dexes: str | None, api: Api, pricing: Pricing, wallet: str, widths: Widths
    ) -> None:
        self._name = name
        self._dexes = dexes
        self._api = api
        self._pricing = pricing
        self._wallet = wallet
        self._widths = widths

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        bps = quoted_bps(request)
        said = await self._ask_quote(request, bps, deadline_s, urgent=request.number > 0)
        pools = pools_of(said.json)
        return Quote(
            venue=self._name,
            amount_in=self._read(said.json, request).given,
            amount_out=request.amount,
            price_impact_bps=impact_of(said.json),
            route=said.raw,
            toll=Toll(pools, len(pools) or 1, _HINT),
        )

    async def build(self, plan: Plan, anchor: Anchor, left_s: Callable[[], float]) -> UnsignedSwap:
        quoted = self._take_stored(plan)
        while True:
            try:
                return await self._build_swap(
                    plan, anchor, quoted or await self._quote_within(plan, left_s), left_s
                )
            except SwapTooLong:
                # Only what is built says how long it is.
                if not self._widths.narrow(plan.request):
                    raise
                quoted = None

    async def _build_swap(
        self, plan: Plan, anchor: Anchor, quoted: bytes, left_s: Callable[[], float]
    ) -> UnsignedSwap:
        asked = json.dumps({"userPublicKey": self._wallet, "wrapAndUnwrapSol": True})
        body = asked[:-1].encode() + b',"quoteResponse":' + quoted + b"}"
        said = accepted(await self._api.post("/swap/v1/swap-instructions", body, left_s()), self._name)
        steps, tables = steps_of(said.json, plan, self._api), await self._tables(said, plan, left_s)
        hint = hint_of(said.json)
        return await assembled(plan, anchor, steps, tables, self._pricing, hint=hint, left_s=left_s)

    def _take_stored(self, plan: Plan) -> bytes | None:
        """The quote that was chosen, where its own slippage is what the bound leaves, to a point."""
        route = plan.quote.route
        try:
            told = read_json(route) if route else None
            if not isinstance(told, dict):
                return None
            given = self._read(told, plan.request).given
            widest = slippage_bps(given, plan.bound, exact_out=True)
        except (NoAnswer, VenueError):
            # An order of an earlier release, or of another venue's layout.
            return None
        return route if widest - 1 <= told["slippageBps"] <= widest else None

    async def _quote_within(self, plan: Plan, left_s: Callable[[], float]) -> bytes:
        """A quote whose own bound keeps the plan's: its slippage is of whole basis points, of its amount."""
        quoted = plan.quote.amount_in
        for _ in range(2):
            bps = slippage_bps(quoted, plan.bound, exact_out=True)
            said = await self._ask_quote(plan.request, bps, left_s(), urgent=True)
            quoted = self._read(said.json, plan.request).given
            if _most(quoted, bps) <= plan.bound:
                return said.raw
            # The price has moved since: the same bound is another slippage of it.
        raise VenueError(
            f"{self._name}'s price moves too fast to build on it.", code="venue_moves", retryable=True
        )

    async def _ask_quote(self, request: QuoteRequest, bps: int, deadline_s: float, *, urgent: bool) -> Said:
        query = {
            "inputMint": request.input_token.mint,
            "outputMint": request.output_token.mint,
            "amount": str(request.amount),
            "swapMode": "ExactOut",
            "slippageBps": str(bps),
            # Its swap says the amounts before the route: where they are is then no question of its hops.
            "instructionVersion": "V2",
        }
        if self._dexes is not None:
            query["dexes"] = self._dexes
        if (most := self._widths.of(request)) is not None:
            query["maxAccounts"] = str(most)
        said = accepted(await self._api.get("/swap/v1/quote", query, deadline_s, urgent=urgent), self._name)
        if said.json.get("slippageBps") != bps or len(said.raw) > _LONGEST:
            raise self._api.odd()
        return said

    def _read(self, told: Mapping[str, Any], request: QuoteRequest) -> Amounts:
        """Raises `VenueError` for another swap than asked, or one with somebody's fee."""
        found = amounts_of(told, (request.input_token.mint, request.output_token.mint), self._api)
        bps, fee = told.get("slippageBps"), told.get("platformFee")
        if told.get("swapMode") != "ExactOut" or found.taken != request.amount:
            raise self._api.odd()
        # What its bound is made of, Jupiter does not say: the guard reads the swap's own.
        if type(bps) is not int or found.bound < found.given:
            raise self._api.odd()
        if isinstance(fee, dict) and not fee.get("feeBps"):
            fee = fee.get("amount")
        if fee not in (None, "0"):
            raise self._api.odd()
        return found

    async def _tables(
        self, said: Said, plan: Plan, left_s: Callable[[], float]
    ) -> list[AddressLookupTableAccount]:
        """As the chain has them: Jupiter names them alone."""
        names = said.json.get("addressLookupTableAddresses")
        try:
            keys = {str(name): Pubkey.from_string(name) for name in names or ()}
        except (TypeError, ValueError):
            raise self._api.odd() from None
        if len(keys) > _MOST_TABLES:
            raise self._api.odd()
        # On a further attempt they are read anew: one may have grown since.
        again = plan.request.attempt > 1
        known = await self._pricing.tables.whole(list(keys), left_s(), again=again) if keys else {}
        return [
            AddressLookupTableAccount(keys[name], [Pubkey.from_string(one) for one in entries])
            for name, entries in known.items()
        ]


def _most(given: int, bps: int) -> int:
    """What the swap of such a quote may spend at most, as the guard reads it."""
    return -(-given * (BPS + bps) // BPS)
