"""What every venue promises. A new venue is one more factory in `VENUES`, and passes all of this.

A factory gives the venue on an anchor that its chain would know; what only the simulated ones can be
told to do (refuse, hang) is tested below the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from solders.hash import Hash
from solders.message import Message
from solders.transaction import Transaction
from sqlalchemy import Engine, insert, select

from oee_daemon.contract.terms import SwapMode
from oee_daemon.errors import AttemptFailed, VenueError, VenueLate, VenueRefused
from oee_daemon.networks.simulated.faults import Faults, sim_faults
from oee_daemon.networks.simulated.ledger import sim_chain, sim_ledger
from oee_daemon.networks.simulated.market import METEORA, RAYDIUM, Pool
from oee_daemon.networks.simulated.venues import SimulatedVenue
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS
from tests.kit.clock import FakeClock

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
    quote = venue.quote(request, DEADLINE_S)
    bound = quote.amount_out if mode is SwapMode.EXACT_IN else quote.amount_in
    return Plan(order_id=UUID(int=1), request=request, quote=quote, bound=bound, payer=wallet.address)


both_modes = pytest.mark.parametrize("mode", SwapMode)


@both_modes
def test_a_quote_comes_before_its_deadline(venue: Venue, clock: FakeClock, mode: SwapMode) -> None:
    begun = clock.now_ms()
    venue.quote(_request(mode), DEADLINE_S)
    assert clock.now_ms() - begun <= DEADLINE_S * 1000


@both_modes
def test_the_exact_side_is_kept_to_the_unit(venue: Venue, mode: SwapMode) -> None:
    amount = 123_456_789_123
    quote = venue.quote(_request(mode, amount), DEADLINE_S)
    assert (quote.amount_in if mode is SwapMode.EXACT_IN else quote.amount_out) == amount


@both_modes
def test_a_quote_is_net_and_its_fee_part_of_what_is_paid(venue: Venue, mode: SwapMode) -> None:
    quote = venue.quote(_request(mode), DEADLINE_S)
    assert quote.venue == venue.name
    assert quote.amount_out > 0
    if quote.fee is not None:
        assert 0 < quote.fee < quote.amount_in
        assert quote.fee * 10_000 >= quote.amount_in * (venue.fee_bps or 0)
    assert quote.price_impact_bps is None or quote.price_impact_bps >= 0


@both_modes
def test_the_same_request_has_the_same_quote(venue: Venue, mode: SwapMode) -> None:
    assert venue.quote(_request(mode), DEADLINE_S) == venue.quote(_request(mode), DEADLINE_S)


def test_an_output_that_no_venue_holds_is_refused_for_good(venue: Venue) -> None:
    with pytest.raises(VenueRefused) as caught:
        venue.quote(_request(SwapMode.EXACT_OUT, MAX_UNITS), DEADLINE_S)
    assert not caught.value.retryable
    assert venue.name in caught.value.message


def test_an_input_too_small_to_give_anything_is_refused_for_good(venue: Venue) -> None:
    with pytest.raises(VenueRefused) as caught:
        venue.quote(_request(SwapMode.EXACT_IN, 1), DEADLINE_S)
    assert not caught.value.retryable


def test_an_answer_that_can_not_come_in_time_is_late_and_no_later_than_the_deadline(
    venue: Venue, clock: FakeClock
) -> None:
    begun = clock.now_ms()
    with pytest.raises(VenueLate) as caught:
        venue.quote(_request(SwapMode.EXACT_IN), 0.001)
    assert caught.value.retryable
    assert clock.now_ms() - begun <= 1


def test_what_a_venue_raises_ends_an_attempt_and_nothing_more(venue: Venue) -> None:
    assert issubclass(VenueError, AttemptFailed)
    with pytest.raises(VenueError) as caught:
        venue.quote(_request(SwapMode.EXACT_OUT, MAX_UNITS), DEADLINE_S)
    assert set(caught.value.as_dict()) == {"code", "message", "retryable"}


@both_modes
def test_what_is_built_is_a_message_that_the_wallet_signs_and_that_verifies(
    venue: Venue, wallet: Wallet, mode: SwapMode
) -> None:
    built = venue.build(_plan(venue, wallet, mode), ANCHOR, DEADLINE_S)
    signed = wallet.sign(built, UUID(int=1), 1)
    transaction = Transaction.from_bytes(signed.raw)
    transaction.verify()
    assert str(transaction.signatures[0]) == signed.signature
    assert str(transaction.message.account_keys[0]) == wallet.address


def test_what_is_built_names_the_anchors_blockhash_and_height(venue: Venue, wallet: Wallet) -> None:
    built = venue.build(_plan(venue, wallet), ANCHOR, DEADLINE_S)
    assert str(Message.from_bytes(built.message).recent_blockhash) == ANCHOR.blockhash
    assert built.last_valid_height == ANCHOR.last_valid_height


def test_the_same_plan_on_the_same_anchor_is_the_same_bytes(venue: Venue, wallet: Wallet) -> None:
    plan = _plan(venue, wallet)
    assert venue.build(plan, ANCHOR, DEADLINE_S) == venue.build(plan, ANCHOR, DEADLINE_S)


def test_another_order_attempt_limit_or_anchor_is_another_swap(venue: Venue, wallet: Wallet) -> None:
    plan = _plan(venue, wallet)
    others = [
        venue.build(replace(plan, order_id=UUID(int=2)), ANCHOR, DEADLINE_S),
        venue.build(replace(plan, request=_request(SwapMode.EXACT_IN, attempt=2)), ANCHOR, DEADLINE_S),
        venue.build(replace(plan, bound=plan.bound - 1), ANCHOR, DEADLINE_S),
        venue.build(plan, Anchor(str(Hash.new_unique()), 4711), DEADLINE_S),
    ]
    signatures = {wallet.sign(built, UUID(int=1), 1).signature for built in others}
    signatures.add(wallet.sign(venue.build(plan, ANCHOR, DEADLINE_S), UUID(int=1), 1).signature)
    assert len(signatures) == 5


def test_neither_a_quote_nor_a_build_has_an_effect(venue: Venue, wallet: Wallet, ledger_file: Engine) -> None:
    venue.build(_plan(venue, wallet), ANCHOR, DEADLINE_S)
    with ledger_file.connect() as conn:
        assert conn.execute(select(sim_ledger)).all() == []
        assert conn.execute(select(sim_chain)).all() == []


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
            venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S)
        assert (caught.value.code, caught.value.retryable) == ("venue_down", False)
    assert clock.slept == []
    venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S)


def test_an_ordered_hang_takes_the_whole_deadline_and_is_late(
    venue: Venue, ledger_file: Engine, clock: FakeClock
) -> None:
    _order(ledger_file, venue.name, "hang", remaining=1)
    with pytest.raises(VenueLate):
        venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S)
    assert clock.slept == [1000]


@pytest.mark.parametrize(("ms", "slept", "late"), [(300, 500, False), (799, 999, False), (800, 1000, True)])
def test_an_ordered_delay_adds_to_the_latency(
    venue: Venue, ledger_file: Engine, clock: FakeClock, ms: int, slept: int, late: bool
) -> None:
    _order(ledger_file, venue.name, "hang", remaining=1, ms=ms)
    if late:
        with pytest.raises(VenueLate):
            venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S)
    else:
        venue.quote(_request(SwapMode.EXACT_IN), DEADLINE_S)
    assert clock.slept == [slept]


def test_a_fault_ordered_for_one_order_leaves_the_others_alone(venue: Venue, ledger_file: Engine) -> None:
    _order(ledger_file, venue.name, "refuse", number=5)
    venue.quote(_request(SwapMode.EXACT_IN, number=4), DEADLINE_S)
    venue.quote(_request(SwapMode.EXACT_IN, number=0), DEADLINE_S)
    with pytest.raises(VenueRefused):
        venue.quote(_request(SwapMode.EXACT_IN, number=5), DEADLINE_S)


def test_the_latency_is_paid_once_in_the_quote(venue: Venue, wallet: Wallet, clock: FakeClock) -> None:
    venue.build(_plan(venue, wallet), ANCHOR, DEADLINE_S)
    assert clock.slept == [200]
