"""Jupiter's API as a venue: all markets that it knows, or those of one name.

https://dev.jup.ag: exact inputs by `/swap/v2/build`, without a fee of Jupiter's, exact outputs by
`jupiter_exact_out`. Restricted by `dexes` it is the way to Meteora and Orca, which have no API for swaps;
unrestricted it is what a trader would use instead.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import SwapTooLong, VenueError, VenueRefused
from oee_daemon.networks.solana.rpc.rpc_deadline import time_left
from oee_daemon.networks.solana.solana_priority_fees import MOST_UNITS
from oee_daemon.networks.solana.solana_swap_assembly import assembled, compiled
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_answers import (
    Amounts,
    accepted,
    amounts_of,
    hint_of,
    impact_of,
    opens_of,
    pools_of,
    steps_of,
)
from oee_daemon.networks.solana.venues.jupiter_exact_out import ExactOut
from oee_daemon.networks.solana.venues.venue_api import Api, Said, slippage_bps
from oee_daemon.networks.solana.venues.venue_kept_answers import Kept, quoted_bps
from oee_daemon.networks.solana.venues.venue_route_widths import Widths
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, Toll, UnsignedSwap

#: The labels of each venue's markets, by which Jupiter restricts a route; none for all of them.
MARKETS: dict[str, str | None] = {
    "meteora": "Meteora DLMM,Meteora DAMM v2,Meteora",
    "orca": "Whirlpool",
    "jupiter": None,
}
#: An order and an anchor, of which a swap has as many bytes as of any.
_NOBODY, _SOME = UUID(int=0), Anchor(str(Hash.default()), 10**9, 10**9, 10**9)
#: Whose markets have no exact output.
_EXACT_IN_ALONE = ("meteora",)


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
        self._kept = Kept()
        self._widths = Widths()
        self._exact_out = ExactOut(name, self._dexes, api, pricing, wallet, self._widths)

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        if request.mode is SwapMode.EXACT_OUT:
            if self.name in _EXACT_IN_ALONE:
                raise VenueRefused(f"{self.name} does not quote exact outputs.", code="exact_out_unsupported")
            return await self._exact_out.quote(request, deadline_s)
        bps = quoted_bps(request)
        said, steps = await self._fitting(request, bps, deadline_s)
        self._kept.keep(request, bps, said)
        pools = pools_of(said.json)
        return Quote(
            venue=self.name,
            amount_in=request.amount,
            amount_out=self._amounts(said, request).taken,
            price_impact_bps=impact_of(said.json),
            toll=Toll(pools, len(pools) or 1, hint_of(said.json), opens_of(steps, request, self._wallet)),
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        left_s = time_left(deadline_s)
        if plan.request.mode is SwapMode.EXACT_OUT:
            return await self._exact_out.build(plan, anchor, left_s)
        while True:
            said = await self._ask_within(plan, left_s)
            steps, hint = steps_of(said.json, plan, self._api), hint_of(said.json)
            try:
                return await assembled(
                    plan, anchor, steps, self._tables(said), self._pricing, hint=hint, left_s=left_s
                )
            except SwapTooLong:
                if not self._widths.narrow(plan.request):
                    raise

    async def _fitting(
        self, request: QuoteRequest, bps: int, deadline_s: float
    ) -> tuple[Said, list[Instruction]]:
        """A quote whose swap one transaction can hold, with its steps: else the best price would be one that
        nobody gets."""
        left_s = time_left(deadline_s)
        while True:
            said = await self._ask_swap(request, bps, left_s(), urgent=request.number > 0)
            amounts = self._amounts(said, request)
            quote = Quote(venue=self.name, amount_in=amounts.given, amount_out=amounts.taken)
            plan = Plan(
                order_id=_NOBODY, request=request, quote=quote, bound=amounts.bound, payer=self._wallet
            )
            try:
                steps = steps_of(said.json, plan, self._api)
                compiled(plan, _SOME, steps, self._tables(said), limit=MOST_UNITS, price=0)
                return said, steps
            except SwapTooLong:
                if not self._widths.narrow(request):
                    raise

    async def _ask_within(self, plan: Plan, left_s: Callable[[], float]) -> Said:
        """A swap whose own bound keeps the plan's: its slippage is of whole basis points, of its amount."""
        quoted = plan.quote.amount_out
        kept = self._kept.take(plan.request, slippage_bps(quoted, plan.bound, exact_out=False))
        if kept is not None and self._amounts(kept, plan.request).bound >= plan.bound:
            return kept
        for _ in range(2):
            bps = slippage_bps(quoted, plan.bound, exact_out=False)
            said = await self._ask_swap(plan.request, bps, left_s(), urgent=True)
            amounts = self._amounts(said, plan.request)
            if amounts.bound >= plan.bound:
                return said
            # The price has moved since: the same bound is another slippage of it.
            quoted = amounts.taken
        raise VenueError(
            f"{self.name}'s price moves too fast to build on it.", code="venue_moves", retryable=True
        )

    async def _ask_swap(self, request: QuoteRequest, bps: int, deadline_s: float, *, urgent: bool) -> Said:
        query = {
            "inputMint": request.input_token.mint,
            "outputMint": request.output_token.mint,
            "amount": str(request.amount),
            "taker": self._wallet,
            "slippageBps": str(bps),
        }
        if self._dexes is not None:
            query["dexes"] = self._dexes
        if (most := self._widths.of(request)) is not None:
            query["maxAccounts"] = str(most)
        return accepted(await self._api.get("/swap/v2/build", query, deadline_s, urgent=urgent), self.name)

    def _amounts(self, said: Said, request: QuoteRequest) -> Amounts:
        """Raises `VenueError` for another swap than asked."""
        found = amounts_of(said.json, (request.input_token.mint, request.output_token.mint), self._api)
        if found.given != request.amount:
            raise self._api.odd()
        return found

    def _tables(self, said: Said) -> list[AddressLookupTableAccount]:
        """What it says that they hold: the guard reads them from the chain."""
        try:
            return [
                AddressLookupTableAccount(Pubkey.from_string(key), [Pubkey.from_string(a) for a in addresses])
                for key, addresses in (said.json.get("addressesByLookupTableAddress") or {}).items()
            ]
        except (TypeError, ValueError, AttributeError):
            raise self._api.odd() from None
