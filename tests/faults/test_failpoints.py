"""Each place where the worker can die, in the first attempt and in a retry: once, and as it should be."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from sqlalchemy import text

from oee_daemon.networks.simulated import simulated_market
from tests.kit.killing import Bench

#: Where an attempt that succeeds passes: the claim, what lies between, and each commit from both sides.
PLACES = [
    "claimed", "after_routing", "before_building", "after_building", "signed",
    "before_submitted", "after_submitted", "sent", "landed", "before_confirmed", "after_confirmed",
]  # fmt: skip
COMMITS = [place for place in PLACES if place.startswith("after_")]
RATE = Decimal("0.5")


def fails_once() -> int:
    """A seed under which order 1 is rejected in its first attempt and lands in its second."""
    return next(
        seed
        for seed in range(1000)
        if simulated_market.moves_away(seed, 1, 1, RATE) and not simulated_market.moves_away(seed, 1, 2, RATE)
    )


def lands_at_once() -> int:
    return next(seed for seed in range(1000) if not simulated_market.moves_away(seed, 1, 1, RATE))


def prove(bench: Bench, rule: str, seed: int, monkeypatch: pytest.MonkeyPatch, attempt: int) -> None:
    monkeypatch.setenv("OEE_FAILPOINTS", rule)
    bench.settings = dataclasses.replace(bench.settings, sim_seed=seed, sim_failure_rate=RATE)
    bench.place()
    with bench.worker() as worker:
        bench.wait(worker)
        bench.wait_death(rule.partition("=")[0])
    verdict = bench.verdict()
    assert verdict.kept, verdict
    (order,) = bench.orders()
    assert (order["status"], order["attempt"]) == ("confirmed", attempt)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_dies_in_the_first_attempt(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove(bench, f"{place}=kill@1*1", lands_at_once(), monkeypatch, 1)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_dies_in_a_retry(bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(bench, f"{place}=kill@2*1", fails_once(), monkeypatch, 2)


@pytest.mark.parametrize("place", ["before_pending", "after_pending"])
def test_a_worker_that_dies_around_the_move_to_a_retry(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove(bench, f"{place}=kill@1*1", fails_once(), monkeypatch, 2)


@pytest.mark.parametrize("place", ["before_fire", "after_fire", "before_waiting", "after_waiting"])
@pytest.mark.parametrize("action", ["kill", "lose"])
def test_a_leader_that_dies_around_a_fire_and_a_return(
    bench: Bench, place: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt is rejected on the chain: the order waits again, and fires again."""
    monkeypatch.setenv("OEE_FAILPOINTS", f"{place}={action}*1")
    bench.settings = dataclasses.replace(bench.settings, sim_seed=fails_once(), sim_failure_rate=RATE)
    bench.wait_for("100")
    with bench.worker() as worker:
        bench.wait(worker)
        bench.wait_death(place)
    assert bench.verdict().kept, bench.verdict()
    (order,) = bench.orders()
    assert (order["status"], order["attempt"], order["firings"]) == ("confirmed", 2, 2)
    steps = [event["status"] for event in order["events"]]
    assert steps[:1] + steps[-5:] == ["waiting", "pending", "routing", "building", "submitted", "confirmed"]
    assert steps.count("waiting") == 2


@pytest.mark.parametrize("action", ["kill", "lose"])
@pytest.mark.parametrize(
    "place",
    ["before_fire", "after_fire", "after_submitted", "before_confirmed", "after_confirmed", "after_waiting"],
)
def test_of_two_that_exclude_each_other_one_is_filled_wherever_the_worker_dies(
    bench: Bench, place: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are met from the first moment on. Around a return the other one's turn comes."""
    monkeypatch.setenv("OEE_FAILPOINTS", f"{place}={action}*1")
    seed = fails_once() if place == "after_waiting" else lands_at_once()
    bench.settings = dataclasses.replace(bench.settings, sim_seed=seed, sim_failure_rate=RATE)
    bench.wait_for_one("100", "101")
    with bench.worker() as worker:
        bench.wait(worker)
        bench.wait_death(place)
    assert bench.verdict().kept, bench.verdict()
    ends = {order["status"]: order for order in bench.orders()}
    assert ends.keys() == {"confirmed", "cancelled"}
    said = ends["cancelled"]["events"][-1]["data"]
    assert said == {"by": "oco", "order": ends["confirmed"]["orderId"]}


@pytest.mark.parametrize("place", COMMITS)
def test_a_commit_whose_answer_is_lost(bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prove(bench, f"{place}=lose@1*1", lands_at_once(), monkeypatch, 1)


@pytest.mark.parametrize("place", [*COMMITS, "after_pending"])
def test_a_commit_whose_answer_is_lost_around_a_retry(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = 1 if place == "after_pending" else 2
    prove(bench, f"{place}=lose@{attempt}*1", fails_once(), monkeypatch, 2)


@pytest.mark.parametrize("place", ["before_failed", "after_failed"])
def test_a_worker_that_dies_around_the_end_of_an_order_that_fails(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.settings = dataclasses.replace(bench.settings, max_attempts=1)
    dies_at_the_end(bench, f"{place}=kill*1", "failed", monkeypatch)


@pytest.mark.parametrize("place", ["before_expired", "after_expired"])
def test_a_worker_that_dies_around_the_end_of_an_order_that_expires(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_at_the_end(bench, f"{place}=kill*1", "expired", monkeypatch)


def dies_at_the_end(bench: Bench, rule: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OEE_FAILPOINTS", rule)
    bench.settings = dataclasses.replace(bench.settings, sim_seed=fails_once(), sim_failure_rate=RATE)
    bench.place()
    if end == "expired":
        with bench.db.connect() as conn:
            conn.execute(text("UPDATE orders SET expires_at = now()"))
    with bench.worker() as worker:
        bench.wait(worker)
        bench.wait_death(rule.partition("=")[0])
    verdict = bench.verdict()
    assert verdict.kept, verdict
    assert [o["status"] for o in bench.orders()] == [end]
