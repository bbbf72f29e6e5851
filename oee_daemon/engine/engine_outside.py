"""The venues and the chain of a network, asked so that nothing they do wrong goes further than their answer.

Each call has a deadline. Whatever a venue raises or fails to answer ends
the attempt; whatever the chain does decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from solders.hash import Hash
from solders.message import from_bytes_versioned

from oee_daemon import failpoints
from oee_daemon.engine import engine_quotes
from oee_daemon.errors import AttemptFailed, ChainUnavailable, VenueError, VenueLate, WalletLocked
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import (
    Anchor,
    Outcome,
    Quote,
    QuoteRequest,
    SignedSwap,
    Unknown,
    UnsignedSwap,
    VenueAnswer,
)

log = logging.getLogger(__name__)

#: Seconds that a venue has to build a swap. An attempt's longest way between two signs of life stays below
#: its lease, with what the chain may take.
BUILD_S = 4.0
#: Seconds that the guard has to judge it: what it takes to read lookup tables and to simulate.
GUARD_S = 3.5


class Outside:
    """One worker's way to them."""

    def __init__(self, network: Network, faults: FaultLog) -> None:
        self._network = network
        self._faults = faults
        self.chain = BoundedChain(network.chain, faults)
        self._cases = Cases(self.chain.nodes)

    async def quotes(self, order: Order, only: str | None = None, route: bytes = b"") -> list[VenueAnswer]:
        """What each venue, or `only` that one for that `route`, answers for the order's running attempt, in
        the venues' order; last come those that it may not ask."""
        request = engine_quotes.request_of(order, self._network.tokens, order.number, order.attempt)
        request = replace(request, route=route)
        venues = [venue for venue in self.venues_of(order) if only in (None, venue.name)]
        asked = await engine_quotes.ask(venues, request)
        asked = engine_quotes.within_impact(asked, self._network.max_impact, order)
        asked += [engine_quotes.barred(venue) for venue in order.barred or ()]
        unset = [one.name for one in self._network.venues if not order.may_ask(one.name)]
        return asked + [engine_quotes.left_out(name, engine_quotes.UNSET) for name in unset]

    def venues_of(self, order: Order) -> list[Venue]:
        """Those that the order may ask."""
        return [venue for venue in self._network.venues if engine_quotes.may_ask(order, venue.name)]

    async def signed(self, order: Order) -> SignedSwap:
        """The swap of the order's choice, built and signed.

        Raises `AttemptFailed`, `ChainUnavailable` where there is no anchor, and `WalletLocked`.
        """
        venue = next((v for v in self._network.venues if v.name == order.venue), None)
        if venue is None:
            raise AttemptFailed(
                f"{order.venue} is no venue of this network.", code="venue_gone", retryable=True
            )
        request = engine_quotes.request_of(order, self._network.tokens, order.number, order.attempt)
        plan = _plan(order, request, venue.name, self._network)
        anchor = await self.chain.anchor()
        try:
            async with asyncio.timeout(BUILD_S):
                unsigned = await venue.build(plan, anchor, BUILD_S)
            await self._guard(unsigned, plan)
            _must_be_anchored(unsigned, anchor)
            return self._network.wallet.sign(unsigned, order.id, order.attempt)
        except (AttemptFailed, ChainUnavailable, WalletLocked):
            raise
        except TimeoutError:
            raise VenueLate(f"{venue.name} did not build the swap within {BUILD_S:g} s.") from None
        except Exception as e:
            self._faults.say("a venue failed", e, order_id=order.id, venue=venue.name)
            failed = f"{venue.name} failed to build the swap: {type(e).__name__}."
            raise VenueError(failed, retryable=True) from e

    async def _guard(self, unsigned: UnsignedSwap, plan: Plan) -> None:
        """Raises what `Guard.check` raises: what it can't judge in time is not signed."""
        try:
            async with asyncio.timeout(GUARD_S):
                await self._network.guard.check(unsigned, plan)
        except TimeoutError:
            raise ChainUnavailable(f"What the swap would do was not known within {GUARD_S:g} s.") from None

    async def send(self, swap: SignedSwap) -> None:
        """Whatever the answer is, it ends nothing: an earlier send of the same bytes may still land."""
        try:
            await self.chain.submit(swap)
        except ChainUnavailable as e:
            extra = {"order_id": swap.order_id, "attempt": swap.attempt, "signature": swap.signature}
            log.warning("sent without an answer", extra=extra | {"reason": e.message})
        failpoints.hit("sent", swap.attempt)

    async def outcome(self, swap: SignedSwap, wait_s: float) -> Outcome:
        """What became of the swap, after up to `wait_s` seconds."""
        try:
            looks = await self.chain.look(swap, wait_s=wait_s)
            outcome = self._cases.judge(swap, looks)
            if isinstance(outcome, Unknown) and sum(look.final for look in looks) >= min(2, self.chain.nodes):
                # Who show something final wait no longer: don't turn that into a busy loop either.
                await asyncio.sleep(wait_s / 4)
            return outcome
        except ChainUnavailable as e:
            # A chain that can't be asked answers at once: don't turn that into a busy loop.
            await asyncio.sleep(wait_s / 4)
            return Unknown(e.message)


def _must_be_anchored(unsigned: UnsignedSwap, anchor: Anchor) -> None:
    """Raises `VenueError`: by its anchor it is known from when on a swap can't land any more."""
    named = from_bytes_versioned(unsigned.message).recent_blockhash
    if (named, unsigned.last_valid_height) != (Hash.from_string(anchor.blockhash), anchor.last_valid_height):
        raise VenueError("The venue built the swap on another block than the one asked for.", retryable=True)


def _plan(order: Order, request: QuoteRequest, venue: str, network: Network) -> Plan:
    assert order.quote_in is not None and order.quote_out is not None and order.bound is not None
    quote = Quote(
        venue=venue,
        amount_in=order.quote_in,
        amount_out=order.quote_out,
        fee=order.quote_fee,
        route=order.route or b"",
    )
    bound = engine_quotes.guarded(quote, order)
    by_quote = order.fixed_by is not None or bound != order.bound
    return Plan(
        order_id=order.id,
        request=request,
        quote=quote,
        bound=bound,
        payer=network.wallet.address,
        by_quote=by_quote,
        fee_cap=order.most("fee_cap", network.fee_cap),
    )
