"""The simulated chain's own: to the millisecond and the block, its faults, its clock, and its ledger's file.

What it has in common with every chain is in `networks.conformance`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from solders.hash import Hash

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.simulated.simulated_chain import (
    SLOT_MS,
    VALID_SLOTS,
)
from oee_daemon.networks.verdict import APART_BLOCKS
from oee_daemon.orders.swap import (
    Anchor,
    Landed,
    Lapsed,
    Rejected,
    SignedSwap,
    Unknown,
)
from oee_daemon.orders.tokens import TOKENS
from tests.kit.now import now
from tests.networks.simulated.chain_bench import CONFIRM_MS, DEADLINE_S, LIFETIME_MS, PAST_MS, Bench, at_once

# Landing, once.


def test_a_swap_is_unknown_until_it_is_confirmed_and_then_landed_for_good(bench: Bench) -> None:
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.outcome(swap) == Unknown("not confirmed yet")
    bench.clock.wind(ms=CONFIRM_MS - 1)
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=1)
    landed = bench.outcome(swap)
    assert isinstance(landed, Landed)
    fill = landed.fill
    assert (fill.signature, fill.order_id) == (swap.signature, swap.order_id)
    assert (fill.input_mint, fill.output_mint) == (TOKENS["SOL"].mint, TOKENS["USDC"].mint)
    assert (fill.amount_in, fill.amount_out, fill.fee) == (10**9, 7, 3)
    assert fill.at.timestamp() * 1000 == bench.clock.now_ms()
    bench.clock.wind(s=3600)
    assert bench.outcome(swap) == landed


def test_waiting_ends_at_the_confirmation_and_not_a_poll_later(bench: Bench) -> None:
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    begun = bench.clock.now_ms()
    assert isinstance(bench.outcome(swap, wait_s=10), Landed)
    assert bench.clock.now_ms() - begun == CONFIRM_MS
    assert bench.clock.slept == [CONFIRM_MS]


def test_waiting_ends_in_time_where_nothing_comes(bench: Bench) -> None:
    swap = bench.swap()
    begun = bench.clock.now_ms()
    assert bench.outcome(swap, wait_s=2) == Unknown("not on the chain yet")
    assert bench.clock.now_ms() - begun == 2000
    now(bench.chain.submit(swap, DEADLINE_S))
    assert isinstance(bench.outcome(swap, wait_s=CONFIRM_MS / 1000 - 0.001), Unknown)


def test_what_is_expected_is_the_time_to_confirm(bench: Bench) -> None:
    assert bench.chain.expected_s() == CONFIRM_MS / 1000


# Lapsing, for good.


def test_a_swap_lapses_only_well_after_its_last_height_and_seen_twice(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=LIFETIME_MS - 1)
    assert now(bench.chain.height()) == swap.last_valid_height
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=PAST_MS - LIFETIME_MS)
    assert not bench.lapses(swap)
    bench.clock.wind(ms=1)
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=APART_BLOCKS * SLOT_MS - 1)
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=1)
    assert bench.outcome(swap) == Lapsed()


def test_at_its_last_height_a_swap_still_lands(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=LIFETIME_MS - 1)
    now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(s=60)
    assert isinstance(bench.outcome(swap), Landed)


def test_past_its_last_height_a_swap_is_not_taken(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=LIFETIME_MS)
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=PAST_MS)
    assert bench.lapses(swap)


def test_a_submission_that_waits_to_be_confirmed_never_lapses(bench: Bench) -> None:
    slow = bench.open_chain(confirm_ms=2 * LIFETIME_MS)
    swap = bench.swap()
    now(slow.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=LIFETIME_MS + SLOT_MS)
    assert isinstance(bench.outcome(swap, chain=slow), Unknown)
    bench.clock.wind(ms=LIFETIME_MS)
    assert isinstance(bench.outcome(swap, chain=slow), Landed)


@pytest.mark.parametrize("back_s", [0, 3600])
def test_what_was_called_lapsed_never_lands_though_the_clock_goes_back(bench: Bench, back_s: int) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    assert bench.lapses(swap)
    bench.clock.wind(s=-back_s)
    for chain in (bench.chain, bench.open_chain()):
        # Taken or refused: it has no effect.
        at_once(3, lambda chain=chain: now(chain.submit(swap, DEADLINE_S)))  # type: ignore[misc]
        bench.clock.wind(ms=CONFIRM_MS)
        assert not isinstance(bench.outcome(swap, chain=chain), Landed | Rejected)
    bench.clock.wind(s=back_s)
    assert bench.lapses(swap)
    assert bench.landed() == 0


def test_a_clock_that_was_a_day_ahead_closes_the_chain_to_nobody(bench: Bench) -> None:
    """As that of one worker of several, or of a machine that has just started."""
    swap = bench.swap()
    bench.clock.wind(s=86_400)
    assert bench.lapses(swap)
    bench.clock.wind(s=-86_400)
    bench.clock.wind(ms=2 * SLOT_MS)
    later = bench.swap()
    now(bench.chain.submit(later, DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    assert isinstance(bench.outcome(later), Landed)
    assert bench.landed() == 1


def test_what_has_landed_is_never_called_anything_else_though_the_clock_goes_back(bench: Bench) -> None:
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    landed = bench.outcome(swap)
    bench.clock.wind(s=-3600)
    assert bench.outcome(swap) in (landed, Unknown("not confirmed yet"))
    bench.clock.wind(s=7200)
    assert bench.outcome(swap) == landed


def test_a_landing_and_a_lapse_race_to_one_fate(bench: Bench) -> None:
    for _ in range(5):
        swap = bench.swap()
        bench.clock.wind(ms=LIFETIME_MS - 1)
        turns = itertools.count()

        def act(swap: SignedSwap = swap, turns: Iterator[int] = turns) -> object:
            if next(turns) % 2:
                bench.clock.wind(ms=1)
                return bench.outcome(swap)
            return now(bench.chain.submit(swap, DEADLINE_S))

        said = at_once(8, act)
        bench.clock.wind(ms=PAST_MS)
        final = Lapsed() if bench.lapses(swap) else bench.outcome(swap)
        assert isinstance(final, Landed | Lapsed)
        assert all(s == final for s in said if isinstance(s, Landed | Lapsed))


# Rejection.


def test_an_attempt_from_which_the_price_moves_away_is_rejected_and_moves_nothing(bench: Bench) -> None:
    chain = bench.open_chain(failure_rate="1")
    swap = bench.swap()
    now(chain.submit(swap, DEADLINE_S))
    assert isinstance(bench.outcome(swap, chain=chain), Unknown)
    rejected = bench.outcome(swap, chain=chain, wait_s=2)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.retryable) == ("slippage_exceeded", True)
    # And it stays so, even where the price would not move away any more.
    now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(s=3600)
    assert bench.outcome(swap) == rejected
    assert bench.landed() == 0
    assert bench.fills(10) == []


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("off", [0, 1])
def test_the_bound_is_kept_where_the_money_moves(bench: Bench, mode: SwapMode, off: int) -> None:
    swap = bench.swap(mode=mode, bound_off=off)
    now(bench.chain.submit(swap, DEADLINE_S))
    outcome = bench.outcome(swap, wait_s=1)
    if off:
        assert isinstance(outcome, Rejected) and outcome.code == "slippage_exceeded"
    else:
        assert isinstance(outcome, Landed)


# Bytes that are not right.


def test_bytes_that_were_tampered_with_are_refused(bench: Bench) -> None:
    swap = bench.swap()
    for place in (3, len(swap.raw) // 2, len(swap.raw) - 5):
        raw = bytearray(swap.raw)
        raw[place] ^= 1
        with pytest.raises(ChainUnavailable):
            now(bench.chain.submit(replace(swap, raw=bytes(raw)), DEADLINE_S))
    for raw_bytes in (b"", b"nonsense", swap.raw[:-1]):
        with pytest.raises(ChainUnavailable):
            now(bench.chain.submit(replace(swap, raw=raw_bytes), DEADLINE_S))
    assert isinstance(bench.outcome(swap), Unknown)
    assert bench.landed() == 0


def test_a_blockhash_that_is_none_of_this_chains_is_refused(bench: Bench) -> None:
    swap = bench.swap(anchor=Anchor(str(Hash.new_unique()), 10**6))
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.landed() == 0


def test_an_anchor_is_recent_and_valid_for_its_slots(bench: Bench) -> None:
    now(bench.chain.anchor(DEADLINE_S))
    bench.clock.wind(ms=10 * SLOT_MS)
    anchor = now(bench.chain.anchor(DEADLINE_S))
    assert anchor.last_valid_height == now(bench.chain.height()) + VALID_SLOTS
    assert anchor == now(bench.chain.anchor(DEADLINE_S))
    bench.clock.wind(ms=SLOT_MS)
    assert anchor.blockhash != now(bench.chain.anchor(DEADLINE_S)).blockhash
