"""That a swap was rejected means that another is signed: one node of several does not say so alone."""

from __future__ import annotations

from oee_daemon.networks.verdict import AGAINST_BLOCKS, Case
from oee_daemon.orders.swap import Look, Rejected, Unknown

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
