"""The table of outcomes against a model of nodes: no order doubled, none lost; five hurried ones double."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oee_daemon.networks.solana.solana_look_evidence import Anchored, Answer, Shown, Status, look_of
from oee_daemon.networks.verdict import Case
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Look, Rejected, Unknown
from tests.networks.solana.model import Endpoint, Judge, Node, Scenario, Swap, Tally, World, trade

FULL, LAGS, LAGS_MORE = Node(), Node(lag=60), Node(lag=120)
LIAR = Node(slot_for_height=True)
NONE, PRUNED, GHOST = Node(history="none"), Node(history="pruned"), Node(ghost=True)


def pair(*nodes: Node | Sequence[Node], batches: bool = True) -> list[Endpoint]:
    return [
        Endpoint(f"node {n}", [node] if isinstance(node, Node) else node, batches=batches)
        for n, node in enumerate(nodes, 1)
    ]


SCENARIOS = {
    "a laggard": Scenario(pair(FULL, LAGS)),
    "two laggards": Scenario(pair(LAGS, LAGS_MORE)),
    "a balancer": Scenario(pair([Node(lag=2), Node(lag=40), LAGS_MORE])),
    "two balancers without batches": Scenario(pair([FULL, LAGS], [FULL, LAGS_MORE], batches=False)),
    "slots for heights": Scenario(pair(FULL, LIAR)),
    "slots for heights, all late": Scenario(pair(FULL, LIAR), late=1.0),
    "no history, pruned, full": Scenario(pair(NONE, PRUNED, FULL)),
    "ghosts": Scenario(pair(FULL, GHOST), forks=True),
    "forks behind a balancer": Scenario(pair([FULL, GHOST, Node(lag=40)], FULL), forks=True),
    "one alone": Scenario(pair(FULL), forks=True),
    "quick finality": Scenario(pair(FULL, LAGS), finality=1),
    "quick finality, balancers": Scenario(pair([FULL, LAGS, LIAR], [NONE, LAGS_MORE]), finality=1),
}
ORDERS = int(os.environ.get("OEE_FUZZ_EXAMPLES", "60"))


def told(slot: int, failed: bool) -> Shown:
    fill = Fill(
        signature="s", input_mint="a", output_mint="b", amount_in=1, amount_out=1, fee=None, slot=slot,
        at=datetime(2026, 11, 1, tzinfo=UTC),
    )  # fmt: skip
    return Shown(slot=slot, result=Rejected("slippage_exceeded", "", True) if failed else Landed(fill))


def real(swap: Swap, nodes: int) -> Judge:
    case = Case(swap.last, nodes)
    anchored = Anchored(slot=swap.slot, height=swap.height)

    def judge(world: World, swap: Swap, answers: Sequence[Answer | None]) -> str | None:
        heard = [a for a in answers if a is not None]
        final = {(a.status.slot, a.status.failed) for a in heard if a.status and a.status.final}
        shown = [told(slot, bool(failed)) for slot, failed in final]
        looks = [look_of(a, anchored, shown, world.now) for a in heard]
        outcome = case.judge([look for look in looks if look is not None])
        return None if isinstance(outcome, Unknown) else type(outcome).__name__.lower()

    return judge


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_no_order_is_doubled_lost_or_stuck(scenario: Scenario) -> None:
    tally = trade(scenario, real, ORDERS, seed=1)
    assert tally == Tally(orders=ORDERS, signed=tally.signed)
    assert tally.signed >= ORDERS * 1.1, "no second swap was ever signed: nothing was tried"


NODES = st.builds(
    Node,
    lag=st.integers(0, 200),
    history=st.sampled_from(["full", "none", "pruned"]),
    slot_for_height=st.booleans(),
    ghost=st.booleans(),
)
ENDPOINTS = st.lists(
    st.tuples(st.lists(NODES, min_size=1, max_size=3), st.booleans()), min_size=1, max_size=3
)


@settings(max_examples=ORDERS, deadline=None)
@given(ENDPOINTS, st.sampled_from([1, 32]), st.booleans(), st.integers(0, 10**6))
def test_no_set_of_nodes_doubles_an_order(
    endpoints: list[tuple[list[Node], bool]], finality: int, forks: bool, seed: int
) -> None:
    """With one honest node among them, without which there is no anchor."""
    named = [Endpoint(f"{n}", nodes, batches=batches) for n, (nodes, batches) in enumerate(endpoints)]
    named.append(Endpoint("honest", [FULL], silent=0.5))
    tally = trade(Scenario(named, finality=finality, forks=forks), real, 2, seed)
    assert (tally.doubled, tally.lost) == (0, 0)


# The hurried ones. Each judges an order by something that is nearly right.


def final_result(answers: Sequence[Answer | None]) -> str | None:
    for a in answers:
        if a is not None and a.status is not None and a.status.final:
            return "rejected" if a.status.failed else "landed"
    return None


def any_height_any_status(swap: Swap, nodes: int) -> Judge:
    def judge(world: World, swap: Swap, answers: Sequence[Answer | None]) -> str | None:
        heard = [a for a in answers if a is not None]
        past = any(a.height > swap.last for a in heard)
        absent = any(a.status is None for a in heard)
        return "lapsed" if past and absent else final_result(answers)

    return judge


def height_of_one_status_of_another(swap: Swap, nodes: int) -> Judge:
    def judge(world: World, swap: Swap, answers: Sequence[Answer | None]) -> str | None:
        one, other = answers[0], answers[-1]
        if one and other and one.height > swap.last + 10 and other.status is None:
            return "lapsed"
        return final_result([other])

    return judge


def it_has_been_a_while(swap: Swap, nodes: int) -> Judge:
    rounds = iter(range(10**6))

    def judge(world: World, swap: Swap, answers: Sequence[Answer | None]) -> str | None:
        return final_result(answers) or ("lapsed" if next(rounds) > 20 else None)

    return judge


def an_error_is_an_error(swap: Swap, nodes: int) -> Judge:
    sound = real(swap, nodes)

    def judge(world: World, swap: Swap, answers: Sequence[Answer | None]) -> str | None:
        if any(a is not None and a.status is not None and a.status.failed for a in answers):
            return "rejected"
        return sound(world, swap, answers)

    return judge


MUTANTS: dict[str, tuple[str, Callable[[Swap, int], Judge]]] = {
    "any height, any status": ("a laggard", any_height_any_status),
    "any height, any status, of a liar": ("slots for heights", any_height_any_status),
    "height of one, status of another": ("quick finality", height_of_one_status_of_another),
    "it has been a while": ("quick finality", it_has_been_a_while),
    "an error is an error": ("ghosts", an_error_is_an_error),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_hurried_judge_doubles(mutant: tuple[str, Callable[[Swap, int], Judge]]) -> None:
    scenario, judge_of = mutant
    assert trade(SCENARIOS[scenario], judge_of, 60, seed=1).doubled > 0
    assert trade(SCENARIOS[scenario], real, 60, seed=1).doubled == 0


# Row by row.

AT = Anchored(slot=5000, height=4000)
NULL = Answer(node="n", slot=5200, height=4190, context=5232, status=None, knows_all=True)


def absent(look: Look | None) -> bool:
    """Whether that look, again and again from two nodes, proves an absence."""
    if look is None:
        return False
    case, rounds = Case(4150, 2), [0, 10, 20]
    outcomes = [
        case.judge([replace(look, node=n, height=look.height + r, as_of=look.as_of + r) for n in "ab"])
        for r in rounds
    ]
    return outcomes[-1] == Lapsed()


def test_an_absence_is_of_one_time_past_the_last_block_and_remembers() -> None:
    assert absent(look_of(NULL, AT, [], 5300))
    changes: list[tuple[dict[str, Any], str]] = [
        ({"height": 5200}, "more blocks than slots"),
        ({"height": 5201}, "above its slot"),
        ({"context": 5199}, "the status is older than the height"),
        ({"context": 5260, "knows_all": False}, "past the cache, and it may have forgotten"),
    ]
    for change, why in changes:
        assert not absent(look_of(replace(NULL, **change), AT, [], 5300)), why
    assert not absent(look_of(NULL, AT, [], 5199)), "ahead of what time allows"
    assert absent(look_of(replace(NULL, context=5260), AT, []))


def test_what_is_not_final_wipes_and_a_ghost_says_nothing() -> None:
    status = Status(slot=5201, failed=False, final=False)
    look = look_of(replace(NULL, status=status), AT, [])
    assert look is not None and isinstance(look.seen, Unknown) and not look.final
    assert look_of(replace(NULL, status=replace(status, slot=5200)), AT, []) is None


def test_a_final_status_waits_for_its_transaction_and_agrees_with_it() -> None:
    answer = replace(NULL, status=Status(slot=5100, failed=False, final=True))
    untold, agreed = look_of(answer, AT, []), look_of(answer, AT, [told(5100, False)])
    assert untold is not None and agreed is not None
    assert (untold.final, type(untold.seen)) == (False, Unknown)
    assert (agreed.final, type(agreed.seen)) == (True, Landed)
    for other in (told(5100, True), told(5101, False)):
        for shown in ([other], [told(5100, False), other]):
            look = look_of(answer, AT, shown)
            assert look is not None and isinstance(Case(4150, 1).judge([look]), Unknown)
            # Nor does another endpoint's word win over it.
            assert isinstance(Case(4150, 2).judge([look, replace(agreed, node="b")]), Unknown)


@pytest.mark.parametrize("nodes", [1, 2])
def test_one_node_alone_is_asked_more_than_twice_however_far_apart(nodes: int) -> None:
    """A history that fails now and then shows nothing then; whoever asks seldom must not take that for it."""
    case = Case(4150, nodes)
    looks = [Look(node="a", height=height, as_of=height) for height in (4170, 4300, 4430, 4560)]
    said = [type(case.judge([look])) for look in looks]
    assert said == [Unknown, Unknown, Unknown, Lapsed]


@pytest.mark.parametrize("final", [False, True])
def test_whatever_was_seen_wipes_what_spoke_for_an_absence(final: bool) -> None:
    gone = [Look(node=node, height=4165, as_of=4165) for node in "ab"]
    later = [replace(look, height=4175, as_of=4175) for look in gone]
    case = Case(4150, 2)
    case.judge(gone)
    assert case.judge(later) == Lapsed()
    case = Case(4150, 2)
    case.judge(gone)
    assert isinstance(case.judge([replace(gone[0], seen=Unknown("it is there"), final=final)]), Unknown)
    assert isinstance(case.judge(later), Unknown)
