"""Each place where the worker can die, in the first attempt and in a retry: once, and as it should be."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from oee_daemon import market
from tests.faults.bench import Bench

#: Where an attempt that succeeds passes. `submitted_lost` believes that its commit's answer was lost.
PLACES = [
    "claimed", "before_routing", "routing", "before_building", "building", "signed", "before_submitted",
    "stored", "sent", "landed", "before_confirmed", "confirmed",
]  # fmt: skip
#: Where an attempt that fails passes.
RETRY_PLACES = ["before_retry", "retry"]
RATE = Decimal("0.5")


def fails_once() -> int:
    """A seed under which order 1 is rejected in its first attempt and lands in its second."""
    return next(
        seed
        for seed in range(1000)
        if market.moves_away(seed, 1, 1, RATE) and not market.moves_away(seed, 1, 2, RATE)
    )


def lands_at_once() -> int:
    return next(seed for seed in range(1000) if not market.moves_away(seed, 1, 1, RATE))


def prove(bench: Bench, rule: str, seed: int, monkeypatch: pytest.MonkeyPatch, attempt: int) -> None:
    monkeypatch.setenv("OEE_FAILPOINTS", rule)
    bench.settings = dataclasses.replace(bench.settings, sim_seed=seed, sim_failure_rate=RATE)
    bench.place()
    with bench.worker() as worker:
        bench.wait(worker)
    verdict = bench.verdict()
    assert verdict.kept, verdict
    (order,) = bench.orders()
    assert (order["status"], order["attempt"]) == ("confirmed", attempt)
    assert bench.deaths() == [rule.partition("=")[0] + ".0"], "the worker did not die there"


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_dies_in_the_first_attempt(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove(bench, f"{place}=kill@1*1", lands_at_once(), monkeypatch, 1)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_dies_in_a_retry(bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(bench, f"{place}=kill@2*1", fails_once(), monkeypatch, 2)


@pytest.mark.parametrize("place", RETRY_PLACES)
def test_a_worker_that_dies_around_the_move_to_a_retry(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove(bench, f"{place}=kill@1*1", fails_once(), monkeypatch, 2)


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_commit_whose_answer_is_lost(bench: Bench, attempt: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = lands_at_once() if attempt == 1 else fails_once()
    prove(bench, f"submitted_lost=lose@{attempt}*1", seed, monkeypatch, attempt)
