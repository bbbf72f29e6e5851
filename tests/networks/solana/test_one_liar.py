"""What one node of several says alone: a false rejection doubles an order, a false landing loses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from oee_daemon.networks.solana.solana_look_evidence import Anchored, Answer, Shown, Status, look_of
from oee_daemon.networks.verdict import AGAINST_BLOCKS, APART_BLOCKS, Case
from oee_daemon.orders.swap import Fill, Landed, Look, Rejected, Unknown

FILL = Fill(
    signature="s", input_mint="a", output_mint="b", amount_in=1, amount_out=1, fee=None, slot=1,
    at=datetime(2026, 11, 1, tzinfo=UTC),
)  # fmt: skip
YES = Landed(FILL)
NO = Rejected("slippage_exceeded", "", True)


def look(node: str, height: int, *, rejected: bool) -> Look:
    return Look(
        node=node,
        height=height,
        as_of=height,
        seen=NO if rejected else None,
        final=rejected,
        remembers_from=0,
    )


def test_one_node_of_three_does_not_reject_what_can_still_land() -> None:
    case = Case(1_150, 3)
    for height in range(1_001, 1_001 + AGAINST_BLOCKS):
        said = case.judge([look("liar", height, rejected=True), look("b", height, rejected=False)])
        assert isinstance(said, Unknown), f"another is signed {1_150 - height} blocks before this one is dead"
    # Where the others say nothing for long, its word is all there is.
    assert case.judge([look("liar", 1_001 + AGAINST_BLOCKS, rejected=True)]) == NO


def test_two_nodes_reject_at_once_and_so_does_an_only_one() -> None:
    assert Case(1_150, 3).judge([look(node, 1_010, rejected=True) for node in "ab"]) == NO
    assert Case(1_150, 1).judge([look("a", 1_010, rejected=True)]) == NO


def landed(node: str, height: int, *, shows: bool) -> Look:
    return replace(look(node, height, rejected=shows), seen=YES if shows else None)


@pytest.mark.parametrize("others", [["b"], ["b", "c"]])
def test_one_node_of_several_does_not_confirm_what_never_landed(others: list[str]) -> None:
    """The honest ones show nothing, and once nothing can land any more they prove it."""
    case = Case(1_150, 1 + len(others))
    for height in range(1_001, 2_000):
        honest = [landed(node, height, shows=False) for node in others]
        said = case.judge([landed("liar", height, shows=True), *honest])
        assert isinstance(said, Unknown), f"confirmed at {height}, and it never landed"


def test_a_landing_of_two_or_of_an_only_node_is_believed_at_once() -> None:
    assert Case(1_150, 3).judge([landed(node, 1_010, shows=True) for node in "ab"]) == YES
    assert Case(1_150, 1).judge([landed("a", 1_010, shows=True)]) == YES


def test_a_silent_node_holds_a_landing_up_for_some_blocks_and_one_that_lags_for_more() -> None:
    silent, lags = Case(1_150, 2), Case(1_150, 2)
    for height in range(1_010, 1_010 + APART_BLOCKS):
        assert isinstance(silent.judge([landed("a", height, shows=True)]), Unknown)
    assert silent.judge([landed("a", 1_010 + APART_BLOCKS, shows=True)]) == YES
    stands = landed("b", 1_000, shows=False)
    for height in range(1_010, 1_150 + AGAINST_BLOCKS):
        assert isinstance(lags.judge([landed("a", height, shows=True), stands]), Unknown)
    assert lags.judge([landed("a", 1_150 + AGAINST_BLOCKS, shows=True), stands]) == YES


def test_a_height_that_can_not_be_one_makes_no_word_older() -> None:
    """Who says that 150 blocks have passed in a moment is not believed alone for that."""
    at, case = Anchored(slot=5_000, height=4_000), Case(4_150, 2)
    answer = Answer(
        node="liar", slot=5_100, height=4_090, context=5_132,
        status=Status(slot=5_090, failed=True, final=True),
    )  # fmt: skip
    for jumped in (answer, replace(answer, slot=5_700, height=4_600), replace(answer, height=5_090)):
        found = look_of(jumped, at, [Shown(slot=5_090, result=NO)], 5_200)
        assert found is not None and isinstance(case.judge([found]), Unknown)


def test_two_endpoints_that_tell_other_amounts_of_a_landing_confirm_neither() -> None:
    answer = Answer(
        node="a", slot=5_100, height=4_090, context=5_132,
        status=Status(slot=5_090, failed=False, final=True),
    )  # fmt: skip
    other = Landed(replace(FILL, amount_out=2))
    found = look_of(
        answer, Anchored(slot=5_000, height=4_000), [Shown(slot=5_090, result=one) for one in (YES, other)]
    )
    assert found is not None and isinstance(found.seen, Unknown)
