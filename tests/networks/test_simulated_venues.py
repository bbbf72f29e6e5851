"""What only the simulated venues can be told to do: refuse, hang, delay.

What they have in common with every venue is in `networks.conformance`.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from solders.hash import Hash
from sqlalchemy import Engine, insert

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueLate, VenueRefused
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_market import METEORA, RAYDIUM, Pool
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, QuoteRequest
from oee_daemon.orders.tokens import TOKENS
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.kit.simulated_tables import sim_faults

DEADLINE_S = 1.0
ANCHOR = Anchor(str(Hash.new_unique()), 4711)

Factory = Callable[[Engine, FakeClock], Venue]


def _simulated(pool: Pool) -> Factory:
    return lambda db, clock: SimulatedVenue(pool, seed=7, latency_ms=200, faults=Faults(db), clock=clock)


VENUES: dict[str, Factory] = {
    "simulated raydium": _simulated(RAYDIUM),
    "simulated meteora": _simulated(METEORA),
}


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest, ledger_file: Engine, clock: FakeClock) -> Venue:
    return VENUES[request.param](ledger_file, clock)


def _request(mode: SwapMode, amount: int = 10**9, *, number: int = 1, attempt: int = 1) -> QuoteRequest:
    given, taken = ("SOL", "USDC") if mode is SwapMode.EXACT_IN else ("USDC", "SOL")
    return QuoteRequest(
        input_token=TOKENS[given],
        output_token=TOKENS[taken],
        amount=amount,
        mode=mode,
        number=number,
        attempt=attempt,
    )


def _plan(venue: Venue, wallet: Wallet, mode: SwapMode = SwapMode.EXACT_IN) -> Plan:
    request = _request(mode)
    quote = now(venue.quote(request, DEADLINE_S))
    bound = quote.amount_out if mode is SwapMode.EXACT_IN else quote.amount_in
    return Plan(order_id=UUID(int=1), request=request, quote=quote, bound=bound, payer=wallet.address)


# What can be ordered of the simulated venues.


def _order(db: Engine, target: str, kind: str, **what: int) -> None:
    with db.connect() as conn:
        conn.execute(insert(sim_faults).values(target=target, kind=kind, **what))


def test_an_ordered_refusal_is_used_up_and_hits_only_its_venue(
    venue: Venue, ledger_file: Engine, clock: FakeClock
) -> None:
    _order(ledger_file, venue.name, "refuse", remaining=2)
    _order(ledger_file, "another", "refuse")
    for _ in range(2):
        with pytest.raises(VenueRefused) as caught:
            now(venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S))
        assert (caught.value.code, caught.value.retryable) == ("venue_down", False)
    assert clock.slept == []
    now(venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S))


def test_an_ordered_hang_takes_the_whole_deadline_and_is_late(
    venue: Venue, ledger_file: Engine, clock: FakeClock
) -> None:
    _order(ledger_file, venue.name, "hang", remaining=1)
    with pytest.raises(VenueLate):
        now(venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S))
    assert clock.slept == [1000]


@pytest.mark.parametrize(("ms", "slept", "late"), [(300, 500, False), (799, 999, False), (800, 1000, True)])
def test_an_ordered_delay_adds_to_the_latency(
    venue: Venue, ledger_file: Engine, clock: FakeClock, ms: int, slept: int, late: bool
) -> None:
    _order(ledger_file, venue.name, "hang", remaining=1, ms=ms)
    if late:
        with pytest.raises(VenueLate):
            now(venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S))
    else:
        now(venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S))
    assert clock.slept == [slept]


def test_a_fault_ordered_for_one_order_leaves_the_others_alone(venue: Venue, ledger_file: Engine) -> None:
    _order(ledger_file, venue.name, "refuse", number=5)
    now(venue.quote(_request(SwapMode.EXACT_IN, number=4), DEADLINE_S))
    now(venue.quote(_request(SwapMode.EXACT_IN, number=0), DEADLINE_S))
    with pytest.raises(VenueRefused):
        now(venue.quote(_request(SwapMode.EXACT_IN, number=5), DEADLINE_S))


def test_the_latency_is_paid_once_in_the_quote(venue: Venue, wallet: Wallet, clock: FakeClock) -> None:
    now(venue.build(_plan(venue, wallet), ANCHOR, DEADLINE_S))
    assert clock.slept == [200]
