"""The simulated market as properties of pure functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from unittest.mock import patch

from hypothesis import assume, given
from hypothesis import strategies as st

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueRefused
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_market import (
    METEORA,
    POOLS,
    RAYDIUM,
    REFERENCE_USD,
    Pool,
    mid_price,
    moves_away,
    quote,
)
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS, Token

seeds = st.integers(0, 2**62)
pools = st.sampled_from(POOLS)
modes = st.sampled_from(SwapMode)


@st.composite
def requests(draw: st.DrawFn, *, usd: tuple[int, int] = (1, 100_000)) -> QuoteRequest:
    """Two different tokens, and an amount worth between so many dollars."""
    given_token, taken = draw(st.permutations(list(TOKENS.values())))[:2]
    mode = draw(modes)
    counted = given_token if mode is SwapMode.EXACT_IN else taken
    worth = draw(st.integers(usd[0] * 100, usd[1] * 100))
    return QuoteRequest(
        input_token=given_token,
        output_token=taken,
        amount=_units_worth(counted, Fraction(worth, 100)),
        mode=mode,
        number=draw(st.integers(0, 10**9)),
        attempt=draw(st.integers(1, 100)),
    )


def _units_worth(token: Token, usd: Fraction) -> int:
    return max(1, int(usd / REFERENCE_USD[token.symbol] * 10**token.decimals))


def _other(ask: QuoteRequest, *, amount: int, mode: SwapMode) -> QuoteRequest:
    return replace(ask, amount=amount, mode=mode)


def _again(ask: QuoteRequest, attempt: int) -> QuoteRequest:
    return replace(ask, attempt=attempt)


def _at_one_mid(seed: int, pool: Pool, ask: QuoteRequest, *others: QuoteRequest) -> list[Quote]:
    """Quotes of one pool at the mid that the first request has: the mid depends on the amount."""
    mid = mid_price(seed, pool, ask)
    with patch.object(simulated_market, "mid_price", lambda *_: mid):
        return [quote(seed, pool, one) for one in (ask, *others)]


@given(seeds, requests())
def test_the_venues_mids_stand_two_to_five_percent_apart_around_the_reference(
    seed: int, ask: QuoteRequest
) -> None:
    low, high = sorted(mid_price(seed, pool, ask) for pool in POOLS)
    assert Fraction(2, 100) <= high / low - 1 <= Fraction(5, 100)
    reference = REFERENCE_USD[ask.input_token.symbol] / REFERENCE_USD[ask.output_token.symbol]
    assert low < reference < high


@given(seeds, requests(usd=(10, 1000)))
def test_net_quotes_stand_two_to_five_percent_apart_for_usual_amounts(seed: int, ask: QuoteRequest) -> None:
    one, two = (quote(seed, pool, ask) for pool in POOLS)
    counted = "amount_out" if ask.mode is SwapMode.EXACT_IN else "amount_in"
    low, high = sorted((getattr(one, counted), getattr(two, counted)))
    assume(low > 1_000_000)  # rounding to whole units must not blur the percentage
    assert Fraction(2, 100) <= Fraction(high, low) - 1 <= Fraction(5, 100)


@given(seeds, pools, requests())
def test_the_same_question_has_the_same_answer(seed: int, pool: Pool, ask: QuoteRequest) -> None:
    assert quote(seed, pool, ask) == quote(seed, pool, ask)


def test_the_answer_is_the_same_on_every_machine_and_release() -> None:
    ask = QuoteRequest(
        input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=10**9, mode=SwapMode.EXACT_IN, number=1
    )
    found = [(q.venue, q.amount_out, q.fee) for q in (quote(0, pool, ask) for pool in POOLS)]
    assert found == [("raydium", 139_783_812, 2_500_000), ("meteora", 144_619_809, 2_000_000)]


@given(seeds, pools, requests())
def test_the_exact_side_is_kept_and_the_fee_is_exact_and_part_of_the_input(
    seed: int, pool: Pool, ask: QuoteRequest
) -> None:
    found = quote(seed, pool, ask)
    assert (found.amount_in if ask.mode is SwapMode.EXACT_IN else found.amount_out) == ask.amount
    assert found.venue == pool.venue
    assert found.amount_out > 0
    # Rounded up, as a pool does: the fee is never less than its rate, and by less than one unit more.
    share = Fraction(found.amount_in * pool.fee_bps, 10_000)
    assert found.fee is not None and found.price_impact_bps is not None
    assert 0 < found.fee <= found.amount_in
    assert abs(found.fee - share) < 1
    assert found.price_impact_bps >= 0


@given(seeds, pools, requests())
def test_what_an_exact_output_costs_buys_at_least_that_output(
    seed: int, pool: Pool, ask: QuoteRequest
) -> None:
    assume(ask.mode is SwapMode.EXACT_OUT)
    mid = mid_price(seed, pool, ask)
    with patch.object(simulated_market, "mid_price", lambda *_: mid):
        cost = quote(seed, pool, ask).amount_in
        back = quote(seed, pool, _other(ask, amount=cost, mode=SwapMode.EXACT_IN))
        assert back.amount_out >= ask.amount
        # And it is the least: one unit less no longer does.
        try:
            less = quote(seed, pool, _other(ask, amount=cost - 1, mode=SwapMode.EXACT_IN)).amount_out
        except VenueRefused:
            less = 0
        assert less < ask.amount


@given(seeds, pools, requests(usd=(1, 100_000)), st.integers(2, 10))
def test_impact_and_the_price_paid_grow_with_size(
    seed: int, pool: Pool, ask: QuoteRequest, times: int
) -> None:
    small, large = _at_one_mid(seed, pool, ask, _other(ask, amount=ask.amount * times, mode=ask.mode))
    assert large.price_impact_bps is not None and small.price_impact_bps is not None
    assert large.fee is not None and small.fee is not None
    assert large.price_impact_bps >= small.price_impact_bps
    # Out per in, after the fee, never gets better with size, but for the rounding to whole units.
    small_net, large_net = small.amount_in - small.fee, large.amount_in - large.fee
    assert large.amount_out * (small_net - 1) <= (small.amount_out + 1) * large_net


@given(seeds, pools)
def test_the_impact_of_a_large_order_is_real(seed: int, pool: Pool) -> None:
    def ask(usd: int) -> QuoteRequest:
        return QuoteRequest(
            input_token=TOKENS["USDC"],
            output_token=TOKENS["SOL"],
            amount=usd * 10**6,
            mode=SwapMode.EXACT_IN,
        )

    small, large = quote(seed, pool, ask(100)), quote(seed, pool, ask(pool.depth_usd // 10))
    assert small.price_impact_bps is not None and small.price_impact_bps <= 1
    assert large.price_impact_bps is not None and large.price_impact_bps > 800


@given(seeds, pools, requests(), st.integers(1, 100))
def test_prices_drift_by_twenty_bps_at_most_between_attempts(
    seed: int, pool: Pool, ask: QuoteRequest, attempt: int
) -> None:
    one, two = mid_price(seed, pool, ask), mid_price(seed, pool, _again(ask, attempt))
    # Twice ten bps either way of the price that does not drift.
    assert abs(one - two) <= Fraction(20, 10_000) * min(one, two) * Fraction(10_000, 9_990)


def test_prices_do_drift() -> None:
    ask = QuoteRequest(
        input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=10**9, mode=SwapMode.EXACT_IN, number=7
    )
    assert len({mid_price(0, RAYDIUM, _again(ask, n)) for n in range(1, 11)}) > 3


@given(seeds, pools, st.sampled_from(list(TOKENS.values())))
def test_an_amount_at_the_u64_bound_is_quoted_or_refused_but_never_past_it(
    seed: int, pool: Pool, token: Token
) -> None:
    other = TOKENS["USDC" if token.symbol != "USDC" else "SOL"]
    for mode in SwapMode:
        ask = QuoteRequest(input_token=token, output_token=other, amount=MAX_UNITS, mode=mode)
        try:
            found = quote(seed, pool, ask)
        except VenueRefused as e:
            assert e.code in ("insufficient_liquidity", "amount_too_small") and not e.retryable
        else:
            assert found.amount_in <= MAX_UNITS and 0 < found.amount_out <= MAX_UNITS


def test_an_amount_that_gives_less_than_a_unit_is_refused() -> None:
    ask = QuoteRequest(
        input_token=TOKENS["BONK"], output_token=TOKENS["USDC"], amount=1, mode=SwapMode.EXACT_IN
    )
    for pool in POOLS:
        try:
            found = quote(0, pool, ask)
        except VenueRefused as e:
            assert e.code == "amount_too_small"
        else:
            raise AssertionError(found)


def test_about_five_in_a_hundred_attempts_fail_and_always_the_same() -> None:
    draws = [moves_away(0, number, 1, Decimal("0.05")) for number in range(1, 20_001)]
    assert 900 <= sum(draws) <= 1100
    assert draws == [moves_away(0, number, 1, Decimal("0.05")) for number in range(1, 20_001)]
    assert draws != [moves_away(1, number, 1, Decimal("0.05")) for number in range(1, 20_001)]
    assert draws != [moves_away(0, number, 2, Decimal("0.05")) for number in range(1, 20_001)]


@given(seeds, st.integers(0, 10**9), st.integers(1, 100))
def test_a_rate_of_zero_never_fails_and_of_one_always(seed: int, number: int, attempt: int) -> None:
    assert not moves_away(seed, number, attempt, Decimal(0))
    assert moves_away(seed, number, attempt, Decimal(1))


def test_both_venues_win_about_half_of_the_time() -> None:
    wins: Counter[str] = Counter()
    for number in range(1, 1001):
        ask = QuoteRequest(
            input_token=TOKENS["SOL"],
            output_token=TOKENS["USDC"],
            amount=10**9,
            mode=SwapMode.EXACT_IN,
            number=number,
        )
        wins[max((quote(0, pool, ask) for pool in POOLS), key=lambda q: q.amount_out).venue] += 1
    assert wins[RAYDIUM.venue] > 400 and wins[METEORA.venue] > 400
