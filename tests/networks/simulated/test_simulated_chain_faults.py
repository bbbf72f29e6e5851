"""The simulated chain misbehaves where that was ordered: its faults, its nodes, its forks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.simulated.simulated_chain import (
    CALL_TIMEOUT_S,
    FORK_MS,
    SLOT_MS,
    SimulatedChain,
)
from oee_daemon.networks.verdict import AGAINST_BLOCKS, ALONE_BLOCKS, APART_BLOCKS, Cases
from oee_daemon.orders.swap import (
    Landed,
    Lapsed,
    Rejected,
    Unknown,
)
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.kit.simulated_tables import sim_faults
from tests.networks.simulated.chain_bench import CONFIRM_MS, DEADLINE_S, PAST_MS, Bench, at_once

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
