"""Landings about which a chain's nodes differ: told once that has lasted, and not longer than it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from oee_daemon.networks.network_contests import LASTS_S, OVER_S, Contests
from oee_daemon.orders.swap import Look, Rejected, Unknown

NO = Rejected("slippage", "moved", retryable=True)
LACKS = Look(node="b", height=9, as_of=9)


def shows(seen: Any, node: str = "a", *, final: bool = True) -> Look:
    return Look(node=node, height=9, as_of=9, seen=seen, final=final)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("looks", "contested"),
    [
        ([shows(NO), LACKS], True),
        ([shows(NO), shows(Unknown("final in two ways"), "b")], True),
        ([shows(Unknown("final in two ways"))], True),
        ([shows(NO), shows(NO, "b")], False),
        ([shows(NO)], False),
        ([shows(Unknown("not yet told what it moved"), final=False), LACKS], True),
        ([shows(Unknown("not final yet"), final=False)], False),
        ([LACKS], False),
        ([], False),
    ],
)
def test_what_nodes_tell_in_two_ways_for_long_is_contested(looks: list[Look], contested: bool) -> None:
    contests = Contests(clock := Clock())
    contests.see("s", looks)
    clock.now += LASTS_S - 1
    contests.see("s", looks)
    assert contests.lasting() == [], "one of them may lag"
    clock.now += 2
    contests.see("s", looks)
    assert contests.lasting() == (["s"] if contested else [])


def test_what_they_agree_about_or_nobody_asks_for_any_more_is_not() -> None:
    contests = Contests(clock := Clock())
    for signature in ("settled", "gone"):
        contests.note(signature)
    clock.now += LASTS_S + 1
    for signature in ("settled", "gone"):
        contests.note(signature)
    contests.see("settled", [shows(NO), shows(NO, "b")])
    assert contests.lasting() == ["gone"]
    clock.now += OVER_S + 1
    assert contests.lasting() == []
