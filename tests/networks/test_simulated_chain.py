"""The simulated chain's own: to the millisecond and the block, its faults, its clock, and its ledger's file.

What it has in common with every chain is in `networks.conformance`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from solders.hash import Hash
from sqlalchemy import Engine, delete, func, insert, select

from oee_daemon.contract.terms import SwapMode
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.simulated.simulated_chain import (
    CALL_TIMEOUT_S,
    FORK_MS,
    SLOT_MS,
    VALID_SLOTS,
    SimulatedChain,
)
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_market import RAYDIUM
from oee_daemon.networks.simulated.simulated_schema import open_file, sim_faults, sim_ledger
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import AGAINST_BLOCKS, ALONE_BLOCKS, APART_BLOCKS, MARGIN_BLOCKS, Cases
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import (
    Anchor,
    Fill,
    Landed,
    Lapsed,
    Outcome,
    Quote,
    QuoteRequest,
    Rejected,
    SignedSwap,
    Unknown,
)
from oee_daemon.orders.tokens import TOKENS
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.networks.rigs import line_to

T = TypeVar("T")

DEADLINE_S = 4.0

#: Milliseconds; odd on purpose, so that no wait is right by chance.
CONFIRM_MS = 457
#: Until the last height at which a swap can land is over.
LIFETIME_MS = (VALID_SLOTS + 1) * SLOT_MS
#: Until its absence means something.
PAST_MS = LIFETIME_MS + MARGIN_BLOCKS * SLOT_MS


@pytest.fixture(params=["postgres", "sqlite"])
def ledger(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("db" if request.param == "postgres" else "ledger_file")
    return found


class Bench:
    """One chain with what it takes to send it something."""

    def __init__(self, ledger: Engine, clock: FakeClock, wallet: Wallet) -> None:
        self.ledger = ledger
        self.clock = clock
        self.wallet = wallet
        self.line = line_to(ledger)
        faults = Faults(ledger, self.line)
        self.venue = SimulatedVenue(RAYDIUM, seed=0, latency_ms=0, faults=faults, clock=clock)
        self.chain = self.open_chain()
        self.cases = Cases(self.chain.nodes)

    def outcome(self, swap: SignedSwap, wait_s: float = 0, *, chain: SimulatedChain | None = None) -> Outcome:
        """As the engine has it of one more round of looks."""
        return self.cases.judge(swap, now((chain or self.chain).look(swap, wait_s)))

    def lapses(self, swap: SignedSwap, *, chain: SimulatedChain | None = None) -> bool:
        """Whether it is proven never to land, by two looks at the time when that can be known."""
        self.outcome(swap, chain=chain)
        self.clock.wind(ms=APART_BLOCKS * SLOT_MS)
        return self.outcome(swap, chain=chain) == Lapsed()

    def open_chain(self, *, failure_rate: str = "0", confirm_ms: int = CONFIRM_MS) -> SimulatedChain:
        rate = Decimal(failure_rate)
        return SimulatedChain(
            self.ledger, seed=0, failure_rate=rate, confirm_ms=confirm_ms, clock=self.clock, line=self.line
        )

    def swap(
        self,
        *,
        anchor: Anchor | None = None,
        number: int = 1,
        mode: SwapMode = SwapMode.EXACT_IN,
        bound_off: int = 0,
    ) -> SignedSwap:
        """A signed swap of a new order; `bound_off`: how much stricter than its quote the bound is."""
        given, taken = ("SOL", "USDC") if mode is SwapMode.EXACT_IN else ("USDC", "SOL")
        request = QuoteRequest(
            input_token=TOKENS[given], output_token=TOKENS[taken], amount=10**9, mode=mode, number=number
        )
        quote = Quote(venue="raydium", amount_in=10**9, amount_out=7, fee=3, price_impact_bps=0)
        exact_in = mode is SwapMode.EXACT_IN
        bound = quote.amount_out + bound_off if exact_in else quote.amount_in - bound_off
        order_id = uuid4()
        plan = Plan(order_id=order_id, request=request, quote=quote, bound=bound, payer=self.wallet.address)
        unsigned = now(self.venue.build(plan, anchor or now(self.chain.anchor(DEADLINE_S)), DEADLINE_S))
        return self.wallet.sign(unsigned, order_id, 1)

    def landed(self) -> int:
        """Rows that moved money."""
        found = select(func.count()).where(sim_ledger.c.state == "landed")
        with self.ledger.connect() as conn:
            return int(conn.execute(found).scalar_one())

    def fault(self, kind: str, target: str = "chain", **what: int) -> int:
        with self.ledger.connect() as conn:
            result = conn.execute(insert(sim_faults).values(target=target, kind=kind, **what))
            key = result.inserted_primary_key
            assert key is not None
            return int(key[0])

    def remaining(self, fault: int) -> int:
        with self.ledger.connect() as conn:
            return int(
                conn.execute(select(sim_faults.c.remaining).where(sim_faults.c.id == fault)).scalar_one()
            )

    def fills(self, limit: int) -> list[Fill]:
        """All of them, page by page."""
        found: list[Fill] = []
        before = None
        while True:
            page = now(self.chain.fills(limit=limit, before=before))
            assert 0 < len(page.fills) <= limit or (before is None and not page.fills)
            found += page.fills
            before = page.before
            if before is None:
                return found


@pytest.fixture
def bench(ledger: Engine, clock: FakeClock, wallet: Wallet) -> Bench:
    return Bench(ledger, clock, wallet)


def at_once(times: int, what: Callable[[], T]) -> list[T | ChainUnavailable]:
    """What `times` threads get that do it at the same moment."""
    together = threading.Barrier(times)

    def one() -> T | ChainUnavailable:
        together.wait(30)
        try:
            return what()
        except ChainUnavailable as e:
            return e

    with ThreadPoolExecutor(times) as pool:
        return [f.result(60) for f in [pool.submit(one) for _ in range(times)]]


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


# Faults that can be ordered.


@pytest.mark.parametrize(("kind", "takes_ms"), [("refuse", 0), ("hang", int(CALL_TIMEOUT_S * 1000))])
def test_a_refused_or_hanging_submission_lands_nothing(bench: Bench, kind: str, takes_ms: int) -> None:
    fault = bench.fault(kind, remaining=1)
    swap = bench.swap()
    begun = bench.clock.now_ms()
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.clock.now_ms() - begun == takes_ms
    assert (bench.landed(), bench.remaining(fault)) == (0, 0)
    now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.landed() == 1


def test_a_lost_answer_is_a_landing_all_the_same(bench: Bench) -> None:
    bench.fault("lose", remaining=1)
    swap = bench.swap()
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(swap, DEADLINE_S))
    assert isinstance(bench.outcome(swap, wait_s=1), Landed)
    now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.landed() == 1


def test_a_mute_chain_can_not_be_asked(bench: Bench) -> None:
    fault = bench.fault("mute", remaining=1)
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    assert bench.remaining(fault) == 1
    with pytest.raises(ChainUnavailable):
        bench.outcome(swap)
    assert isinstance(bench.outcome(swap, wait_s=1), Landed)


def test_a_lagging_chain_shows_the_past_and_lapses_nothing_early(bench: Bench) -> None:
    bench.fault("lag", remaining=1, ms=5000)
    landed, never = bench.swap(), bench.swap()
    now(bench.chain.submit(landed, DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS + 4999)
    assert isinstance(bench.outcome(landed), Unknown)
    assert isinstance(bench.outcome(landed), Landed)
    bench.fault("lag", remaining=3, ms=5000)
    bench.clock.wind(ms=PAST_MS - CONFIRM_MS - 4999)
    assert not bench.lapses(never)
    assert isinstance(bench.outcome(never), Unknown)
    assert bench.lapses(never)


def test_waiting_on_a_lagging_chain_ends_when_it_catches_up(bench: Bench) -> None:
    bench.fault("lag", ms=1000)
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    begun = bench.clock.now_ms()
    assert isinstance(bench.outcome(swap, wait_s=5), Landed)
    assert bench.clock.now_ms() - begun == CONFIRM_MS + 1000


@pytest.mark.parametrize("kind", ["refuse", "hang", "lose"])
def test_a_fault_for_one_order_leaves_the_others_alone(bench: Bench, kind: str) -> None:
    bench.fault(kind, number=2)
    now(bench.chain.submit(bench.swap(number=1), DEADLINE_S))
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(bench.swap(number=2), DEADLINE_S))


def test_an_outcomes_fault_for_one_order_is_for_that_order(bench: Bench) -> None:
    bench.fault("mute", number=2)
    one, two = bench.swap(number=1), bench.swap(number=2)
    bench.outcome(one)
    with pytest.raises(ChainUnavailable):
        bench.outcome(two)


def test_faults_are_used_up_exactly_once_by_ten_at_once(bench: Bench) -> None:
    fault = bench.fault("refuse", remaining=7)
    swaps = iter([bench.swap() for _ in range(10)])
    said = at_once(10, lambda: now(bench.chain.submit(next(swaps), DEADLINE_S)))
    assert sum(isinstance(s, ChainUnavailable) for s in said) == 7
    assert bench.landed() == 3
    assert bench.remaining(fault) == 0


def test_the_first_ordered_fault_comes_first_and_then_the_next(bench: Bench) -> None:
    bench.fault("lose", remaining=1)
    bench.fault("drop", remaining=1)
    one, two, three = bench.swap(), bench.swap(), bench.swap()
    with pytest.raises(ChainUnavailable):
        now(bench.chain.submit(one, DEADLINE_S))
    now(bench.chain.submit(two, DEADLINE_S))
    now(bench.chain.submit(three, DEADLINE_S))
    bench.clock.wind(ms=PAST_MS)
    assert bench.lapses(two)
    assert [type(bench.outcome(s)) for s in (one, three)] == [Landed, Landed]


def test_a_fault_of_some_percent_hits_about_as_many(bench: Bench) -> None:
    bench.fault("mute", percent=50)
    swap = bench.swap()
    said = [at_once(1, lambda: bench.outcome(swap))[0] for _ in range(100)]
    assert 20 <= sum(isinstance(s, ChainUnavailable) for s in said) <= 80


# Nodes that contradict each other, and chains that change their mind.


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "stale", "ms": 10**7},
        {"kind": "forget", "ms": 0},
        {"kind": "lag", "ms": 10**7},
        {"kind": "mute"},
    ],
)
@pytest.mark.parametrize("target", ["chain", "node 1", "node 2"])
def test_no_bad_node_makes_a_landing_a_lapse(bench: Bench, target: str, row: dict[str, Any]) -> None:
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=PAST_MS)
    fault = bench.fault(**row, target=target)
    for good_alone in (Unknown, Landed):
        try:
            said = bench.outcome(swap)
        except ChainUnavailable:
            said = Unknown("mute")
        # One node's word is believed a while later.
        assert isinstance(said, Unknown if target == "chain" else good_alone)
        bench.clock.wind(ms=AGAINST_BLOCKS * SLOT_MS)
    with bench.ledger.connect() as conn:
        conn.execute(delete(sim_faults).where(sim_faults.c.id == fault))
    assert isinstance(bench.outcome(swap), Landed)


def test_one_good_node_against_a_bad_one_proves_an_absence_later(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    bench.fault("forget", target="node 2", ms=0)
    assert not bench.lapses(swap)
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=AGAINST_BLOCKS * SLOT_MS)
    assert bench.outcome(swap) == Lapsed()


def test_a_node_that_is_silent_may_know_better(bench: Bench) -> None:
    """Only where there is no other node is one alone enough so soon."""
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    bench.fault("mute", target="node 2")
    assert not bench.lapses(swap)
    bench.clock.wind(ms=ALONE_BLOCKS * SLOT_MS)
    assert isinstance(bench.outcome(swap), Unknown)
    bench.clock.wind(ms=(AGAINST_BLOCKS - ALONE_BLOCKS - APART_BLOCKS) * SLOT_MS)
    assert bench.outcome(swap) == Lapsed()


def test_the_only_node_that_there_is_proves_it_sooner(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    cases = Cases(1)
    for blocks, said in ((0, Unknown), (1, Unknown), (ALONE_BLOCKS - 1, Unknown), (ALONE_BLOCKS, Lapsed)):
        (look, _) = now(bench.chain.look(swap))
        assert isinstance(cases.judge(swap, [replace(look, height=look.height + blocks, as_of=2**40)]), said)


def test_two_nodes_prove_it_by_two_sights_each(bench: Bench) -> None:
    """What one saw first says nothing for the other, and nothing of the time that passed: one is ahead."""
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    one, two = now(bench.chain.look(swap))
    ahead = replace(two, height=two.height + AGAINST_BLOCKS, as_of=two.as_of + AGAINST_BLOCKS)
    cases = Cases(2)
    for looks in ([one], [ahead], [one, ahead]):
        assert isinstance(cases.judge(swap, looks), Unknown)
    later = [replace(look, height=look.height + APART_BLOCKS, as_of=2**40) for look in (one, ahead)]
    assert isinstance(cases.judge(swap, later[:1]), Unknown)
    assert cases.judge(swap, later) == Lapsed()


@pytest.mark.parametrize("kind", ["late", "fork"])
def test_what_lands_in_the_last_block_that_takes_it_is_found(bench: Bench, kind: str) -> None:
    bench.fault(kind, remaining=1)
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    now(bench.chain.submit(swap, DEADLINE_S))
    assert isinstance(bench.outcome(swap, wait_s=FORK_MS / 1000), Unknown)
    assert bench.fills(10) == []
    while now(bench.chain.height()) <= swap.last_valid_height:
        assert isinstance(bench.outcome(swap), Unknown)
        bench.clock.wind(ms=SLOT_MS)
    landed = bench.outcome(swap, wait_s=2)
    assert isinstance(landed, Landed) and landed.fill.slot == swap.last_valid_height + 1
    assert bench.landed() == len(bench.fills(10)) == 1


def test_a_block_that_is_lost_is_shown_and_gone(bench: Bench) -> None:
    bench.fault("fork", remaining=1)
    swap = bench.swap()
    now(bench.chain.submit(swap, DEADLINE_S))
    assert {(type(look.seen), look.final) for look in now(bench.chain.look(swap))} == {(Landed, False)}
    bench.clock.wind(ms=FORK_MS)
    assert {look.seen for look in now(bench.chain.look(swap))} == {None}


def test_a_sight_between_two_absences_takes_the_first_away(bench: Bench) -> None:
    swap = bench.swap()
    bench.clock.wind(ms=PAST_MS)
    gone = now(bench.chain.look(swap))
    bench.clock.wind(ms=APART_BLOCKS * SLOT_MS)
    again = now(bench.chain.look(swap))
    seen = [replace(gone[0], seen=Rejected("x", "x", retryable=True))]
    cases = Cases(bench.chain.nodes)
    for looks in (gone, seen, again):
        assert isinstance(cases.judge(swap, looks), Unknown)
    final = [replace(seen[0], final=True), replace(gone[0], seen=Rejected("y", "y", True), final=True)]
    assert isinstance(cases.judge(swap, final), Unknown)


def test_a_send_that_was_frozen_past_the_proof_lands_no_more(bench: Bench) -> None:
    """The process that sends took the time long before it reached the ledger."""
    swap = bench.swap()
    early = FakeClock()
    early.wind(ms=bench.clock.now_ms() - early.now_ms())
    frozen = SimulatedChain(bench.ledger, seed=0, failure_rate=Decimal(0), confirm_ms=CONFIRM_MS, clock=early)
    bench.clock.wind(ms=PAST_MS)
    assert bench.lapses(swap)
    with suppress(ChainUnavailable):
        now(frozen.submit(swap, DEADLINE_S))
    assert bench.lapses(swap)
    assert bench.landed() == 0


# Fills, and what is kept.


@pytest.mark.parametrize("limit", [1, 3, 7, 12, 1000])
def test_fills_are_paged_to_the_end_with_none_doubled_or_missing(bench: Bench, limit: int) -> None:
    sent = []
    for n in range(12):
        swap = bench.swap(number=n)
        now(bench.chain.submit(swap, DEADLINE_S))
        sent.append(swap.signature)
        if n % 3 == 0:  # several of the same millisecond
            bench.clock.wind(ms=100)
    bench.clock.wind(ms=CONFIRM_MS)
    found = bench.fills(limit)
    assert sorted(f.signature for f in found) == sorted(sent)
    assert [f.at for f in found] == sorted((f.at for f in found), reverse=True)


def test_fills_that_come_while_paging_disturb_nothing(bench: Bench) -> None:
    first = [bench.swap() for _ in range(4)]
    for swap in first:
        now(bench.chain.submit(swap, DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    page = now(bench.chain.fills(limit=2))
    for _ in range(3):
        bench.clock.wind(ms=CONFIRM_MS)
        now(bench.chain.submit(bench.swap(), DEADLINE_S))
    bench.clock.wind(ms=CONFIRM_MS)
    rest = now(bench.chain.fills(limit=1000, before=page.before))
    assert sorted(f.signature for f in (*page.fills, *rest.fills)) == sorted(s.signature for s in first)
    assert rest.before is None


@pytest.mark.parametrize("before", ["", "x", "1700000000000-x", "9" * 64, "tip", "\x00"])
def test_fills_before_a_swap_that_never_landed_are_refused(bench: Bench, before: str) -> None:
    with pytest.raises(BadCursor):
        now(bench.chain.fills(limit=1, before=before))


def test_the_ledger_survives_being_opened_again(bench: Bench) -> None:
    landed, waiting = bench.swap(), bench.swap()
    now(bench.chain.submit(landed, DEADLINE_S))
    bench.clock.wind(s=10)
    before, height = bench.outcome(landed), now(bench.chain.height())
    now(bench.chain.submit(waiting, DEADLINE_S))
    bench.ledger.dispose()
    again = bench.open_chain()
    assert now(again.height()) == height > 0
    assert bench.outcome(landed, chain=again) == before
    assert isinstance(bench.outcome(waiting, chain=again), Unknown)
    now(again.submit(waiting, DEADLINE_S))
    now(again.submit(landed, DEADLINE_S))
    assert bench.landed() == 2


def test_a_file_that_two_share_is_one_ledger(tmp_path: Path, clock: FakeClock, wallet: Wallet) -> None:
    one = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    two = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    swap = one.swap()
    now(one.chain.submit(swap, DEADLINE_S))
    now(two.chain.submit(swap, DEADLINE_S))
    assert two.landed() == one.landed() == 1
    assert two.outcome(swap, wait_s=1) == one.outcome(swap)
    for bench in (one, two):
        bench.ledger.dispose()


def test_a_ledger_that_is_away_is_a_chain_that_is_away(
    tmp_path: Path, clock: FakeClock, wallet: Wallet
) -> None:
    bench = Bench(open_file(tmp_path / "sim.db"), clock, wallet)
    swap = bench.swap()
    with bench.ledger.connect() as conn:
        for table in (sim_ledger, sim_faults):
            table.drop(conn)
    for call in (
        lambda: now(bench.chain.submit(swap, DEADLINE_S)),
        lambda: bench.outcome(swap),
        lambda: now(bench.chain.fills(limit=1)),
    ):
        with pytest.raises(ChainUnavailable):
            call()
    bench.ledger.dispose()
