"""A venue of the simulated network: `simulated_market`'s prices after a latency, and faults as ordered.

The swap it builds is a real Solana message with the one instruction of the simulated program.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message
from solders.pubkey import Pubkey

from oee_daemon.errors import VenueLate, VenueRefused
from oee_daemon.networks.network_clock import Clock, SystemClock
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_faults import MARKET, Faults
from oee_daemon.networks.simulated.simulated_instruction import PROGRAM, instruction_of
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_path import Moved, key_of
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap


@dataclass(eq=False)
class SimulatedVenue:
    """Quotes from one pool of the simulated market, `latency_ms` after it was asked. `height`: of the chain,
    by which watched pairs move; none where no pair ever is. `listings`: new tokens, which have pools of their
    own."""

    pool: simulated_market.Pool
    _: KW_ONLY
    seed: int
    latency_ms: int
    faults: Faults
    clock: Clock = field(default_factory=SystemClock)
    height: Callable[[], Awaitable[int]] | None = None
    volatility: int = 0
    listings: SimulatedListings | None = None

    @property
    def name(self) -> str:
        return self.pool.venue

    @property
    def fee_bps(self) -> int:
        return self.pool.fee_bps

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        path = key_of(request.input_token, request.output_token)
        fault, begun = await self.faults.met(self.name, ("refuse", "hang"), request.number, path)
        latency_s = self.latency_ms / 1000
        if fault is not None:
            if fault.kind == "refuse":
                raise VenueRefused(f"{self.name} is down.", code="venue_down")
            latency_s = deadline_s if fault.ms is None else latency_s + fault.ms / 1000
        await self.clock.sleep(min(latency_s, deadline_s))
        if latency_s >= deadline_s:
            raise VenueLate(f"{self.name} did not answer within {deadline_s:g} s.")
        if self.listings is not None:
            new = self.listings.traded(request.input_token, request.output_token)
            if new is not None:
                return await self.listings.quote(self.pool, new, request)
        at = None if begun is None else await self._find_move(begun)
        return simulated_market.quote(self.seed, self.pool, request, at)

    async def _find_move(self, begun: int) -> Moved | None:
        """Where a pair is that has been watched since that height."""
        if self.height is None:
            return None
        shifts = await self.faults.shifts()
        shift = shifts.get(self.name, 0) + shifts.get(MARKET, 0)
        return Moved(max(0, await self.height() - begun), self.volatility, shift)

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        payer = Pubkey.from_string(plan.payer)
        swap = Instruction(
            PROGRAM, instruction_of(plan), [AccountMeta(payer, is_signer=True, is_writable=True)]
        )
        message = Message.new_with_blockhash([swap], payer, Hash.from_string(anchor.blockhash))
        return UnsignedSwap(message=bytes(message), last_valid_height=anchor.last_valid_height)
