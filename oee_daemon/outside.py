"""The venues and the chain of a network, asked so that nothing they do wrong goes further than their answer.

Each call has a deadline, and each party threads of its own. Whatever a venue raises or fails to answer ends
the attempt; whatever the chain does decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from oee_daemon import calls
from oee_daemon.chains.verdict import Cases
from oee_daemon.errors import AttemptFailed, ChainUnavailable, VenueError, VenueLate
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks import Network
from oee_daemon.order import Order
from oee_daemon.swap import Anchor, Outcome, Quote, QuoteRequest, SignedSwap
from oee_daemon.tokens import TOKENS
from oee_daemon.venues.venue import Plan

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds that a venue has to build a swap, and the chain to answer. An attempt's longest way between two
#: signs of life stays below its lease.
BUILD_S = 4.0
CHAIN_S = 4.0


class Outside:
    """One worker's way to them, for at most `threads` orders at once."""

    def __init__(self, network: Network, threads: int, faults: FaultLog) -> None:
        self._network = network
        self._faults = faults
        self._venues = {venue.name: calls.Calls(threads, venue.name) for venue in network.venues}
        self._chain = calls.Calls(threads, "chain")
        self._cases = Cases()

    @property
    def asking(self) -> Mapping[str, Executor]:
        """The threads that ask each venue for its price, by its name."""
        return self._venues

    def close(self) -> None:
        """Nobody waits for what still hangs."""
        for party in (*self._venues.values(), self._chain):
            party.shutdown(wait=False)

    def signed(self, order: Order) -> SignedSwap:
        """The swap of the order's choice, built and signed.

        Raises `AttemptFailed`, and `ChainUnavailable` where there is no anchor.
        """
        venue = next((v for v in self._network.venues if v.name == order.venue), None)
        if venue is None:
            raise AttemptFailed(
                f"{order.venue} is no venue of this network.", code="venue_gone", retryable=True
            )
        plan = _plan(order, venue.name, self._network.wallet.address)
        anchor = self._anchor()
        try:
            unsigned = self._venues[venue.name].ask(BUILD_S, venue.build, plan, anchor)
            return self._network.wallet.sign(unsigned, order.id, order.attempt)
        except AttemptFailed:
            raise
        except TimeoutError:
            raise VenueLate(f"{venue.name} did not build the swap within {BUILD_S:g} s.") from None
        except Exception as e:
            self._faults.say("a venue failed", e, order_id=order.id, venue=venue.name)
            failed = f"{venue.name} failed to build the swap: {type(e).__name__}."
            raise VenueError(failed, retryable=True) from e

    def _anchor(self) -> Anchor:
        return self._ask(CHAIN_S, self._network.chain.anchor)

    def submit(self, swap: SignedSwap) -> None:
        """Raises `ChainUnavailable` and nothing else."""
        self._ask(CHAIN_S, self._network.chain.submit, swap)

    def outcome(self, swap: SignedSwap, wait_s: float) -> Outcome:
        """Raises `ChainUnavailable` and nothing else."""
        return self._ask(wait_s + CHAIN_S, self._judged, swap, wait_s)

    def _judged(self, swap: SignedSwap, wait_s: float) -> Outcome:
        return self._cases.judge(swap, self._network.chain.look(swap, wait_s=wait_s))

    def _ask(self, deadline_s: float, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return self._chain.ask(deadline_s, fn, *args, **kwargs)
        except ChainUnavailable:
            raise
        except TimeoutError:
            raise ChainUnavailable(f"The chain did not answer within {deadline_s:g} s.") from None
        except Exception as e:
            self._faults.say("the chain failed", e)
            raise ChainUnavailable(f"The chain failed: {type(e).__name__}.") from e


def request_of(order: Order) -> QuoteRequest:
    """What a venue is asked for the order's running attempt."""
    return QuoteRequest(
        input_token=TOKENS[order.input_token],
        output_token=TOKENS[order.output_token],
        amount=order.amount,
        mode=order.swap_mode,
        number=order.number,
        attempt=order.attempt,
    )


def _plan(order: Order, venue: str, payer: str) -> Plan:
    assert order.quote_in is not None and order.quote_out is not None and order.quote_fee is not None
    assert order.worst is not None
    quote = Quote(
        venue=venue,
        amount_in=order.quote_in,
        amount_out=order.quote_out,
        fee=order.quote_fee,
        price_impact_bps=0,
    )
    return Plan(order_id=order.id, request=request_of(order), quote=quote, limit=order.worst, payer=payer)
