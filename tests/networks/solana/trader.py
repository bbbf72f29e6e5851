"""What a worker does with an order, done by hand against localnet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeAlias
from uuid import UUID, uuid4

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap
from oee_daemon.networks.solana.guard.guard_solana import SolanaGuard
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Landed, Outcome, QuoteRequest, SignedSwap, Unknown
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana.local import SLOT_MS, Local

FEE_CAP = 200_000


AnyVenue: TypeAlias = RaydiumVenue | JupiterVenue | CpmmVenue


#: Seconds.
DEADLINE_S = 5.0


@dataclass
class Trader:
    """What a worker does with an order, by hand."""

    local: Local
    pool: Pool
    chain: SolanaChain
    venues: dict[str, AnyVenue]
    guard: SolanaGuard
    cases: Cases
    slots: asyncio.Semaphore

    async def signed(self, venue: str, request: QuoteRequest, order: UUID, bps: int = 100) -> SignedSwap:
        quote = await self.venues[venue].quote(request, DEADLINE_S)
        exact_in = request.mode is SwapMode.EXACT_IN
        bound = (
            quote.amount_out * (10_000 - bps) // 10_000
            if exact_in
            else quote.amount_in * (10_000 + bps) // 10_000
        )
        plan = Plan(
            order_id=order, request=request, quote=quote, bound=bound, payer=self.local.wallet.address
        )
        anchor = await self.chain.anchor(DEADLINE_S)
        unsigned = await self.venues[venue].build(plan, anchor, DEADLINE_S)
        await self.guard.check(unsigned, plan)
        return self.local.wallet.sign(unsigned, order, request.attempt)

    async def outcome(self, swap: SignedSwap, *, send: bool = True) -> Outcome:
        """Looks, and sends the same bytes again, until it is known."""
        while True:
            if send:
                with suppress(ChainUnavailable):
                    await self.chain.submit(swap, DEADLINE_S)
            try:
                outcome = self.cases.judge(swap, await self.chain.look(swap, 0.1))
            except ChainUnavailable:
                continue
            if not isinstance(outcome, Unknown):
                return outcome

    async def bought(self, venue: str, request: QuoteRequest) -> Landed:
        """The order until it has landed, by as many attempts as it takes; ten are traded at once."""
        order, attempt = uuid4(), 1
        async with self.slots:
            while attempt < 20:
                try:
                    swap = await self.signed(venue, replace(request, attempt=attempt), order)
                except UnsafeSwap:
                    # What a venue builds in good faith is never refused.
                    raise
                except (AttemptFailed, ChainUnavailable):
                    continue
                attempt += 1
                outcome = await self.outcome(swap)
                if isinstance(outcome, Landed):
                    assert outcome.fill.order_id == order
                    return outcome
        raise AssertionError("it never landed")


@asynccontextmanager
async def trading(local: Local, *nodes: str) -> AsyncIterator[Trader]:
    pool = open_pool([f"{local.address}/{node}" for node in nodes or ("",)], 1000.0, 1000)
    raydium = Api("raydium", Site(f"{local.address}/raydium"), Bucket(1000.0, 1000))
    jupiter = Api("jupiter", Site(f"{local.address}/jupiter"), Bucket(1000.0, 1000))
    wallet = local.wallet.address
    chain = SolanaChain(pool, wallet=wallet, genesis=local.genesis, fastest_slot_ms=SLOT_MS / 2, poll_s=0.03)
    pricing = Pricing(pool, fee_cap=FEE_CAP)
    venues: dict[str, AnyVenue] = {"raydium": RaydiumVenue(raydium, pricing)}
    venues["cpmm"] = CpmmVenue(pool, pricing)
    for name in ("meteora", "orca", "jupiter"):
        venues[name] = JupiterVenue(name, jupiter, pricing, wallet)
    try:
        yield Trader(
            local,
            pool,
            chain,
            venues,
            SolanaGuard(pool, fee_cap=FEE_CAP),
            Cases(chain.nodes),
            asyncio.Semaphore(10),
        )
    finally:
        for closing in (pool, raydium, jupiter):
            await closing.close()


def request_of(given: str, taken: str, amount: int, mode: SwapMode = SwapMode.EXACT_IN) -> QuoteRequest:
    return QuoteRequest(
        input_token=TOKENS[given], output_token=TOKENS[taken], amount=amount, mode=mode, number=1, attempt=1
    )
