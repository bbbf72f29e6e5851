"""Attempts of one order: what costs one, when the next one comes, and when there is none any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_moves import backoff
from oee_daemon.engine.execution import Execution
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.timing import USUAL
from tests.kit.engine import Bench
from tests.kit.executions import CONFIRMED, data


def test_an_order_fails_when_its_attempts_are_used_up_and_nothing_has_moved(bench: Bench) -> None:
    order = bench.place()
    execution = bench.execution(bench.chain(failure_rate="1"), max_attempts=3)
    waits = []
    for attempt in (1, 2):
        wait = execution.run(order.id)
        assert wait is not None
        waits.append(round(wait.total_seconds() * 1000))
        assert bench.order(order.id).attempt == attempt + 1
        assert execution.run(order.id) is None, "its pause is not over"
        bench.wake(order.id)
    assert execution.run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.FAILED, 3)
    assert found.error is not None
    assert (found.error["code"], found.error["retryable"]) == ("slippage_exceeded", True)
    assert bench.trail(order.id) == (["pending", "routing", "building", "submitted"] * 3 + ["failed"])
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "rejected"), (3, "rejected")]
    assert (bench.ledgered(order.id), len(bench.ledgered(order.id, "rejected"))) == ([], 3)
    retries = data(bench, order.id, Status.PENDING)[1:]
    for said, waited in zip(retries, waits, strict=True):
        assert set(said) == {"retryInMs", "error", "quotes"}
        assert said["error"] == found.error
        assert abs(said["retryInMs"] - waited) <= 20
    assert [e.attempt for e in bench.events(order.id)] == [1] * 4 + [2] * 4 + [3] * 5
    assert data(bench, order.id, Status.FAILED)[0]["error"] == found.error


def test_the_waits_double_up_to_their_bound_with_a_jitter_of_a_quarter() -> None:
    first, most = USUAL.backoff_s
    for attempt in range(1, 40):
        full = min(most, first * 2 ** (attempt - 1))
        for _ in range(20):
            assert 0.75 * full <= backoff(attempt, USUAL.backoff_s).total_seconds() <= full
    assert backoff(10**9, USUAL.pause_s) <= timedelta(seconds=USUAL.pause_s[1])
    assert len({backoff(1, USUAL.backoff_s) for _ in range(20)}) > 1


def test_an_attempt_after_a_rejected_one_succeeds_with_another_signature(bench: Bench) -> None:
    order = bench.place()
    rejecting, fair = bench.chain(failure_rate="1"), bench.chain()
    bench.execution(rejecting).run(order.id)
    bench.wake(order.id)
    bench.execution(fair).run(order.id)
    assert bench.trail(order.id) == CONFIRMED[:4] + CONFIRMED
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "landed")]
    assert rejecting.sent != fair.sent
    assert bench.ledgered(order.id) == fair.sent
    assert bench.order(order.id).signature == fair.sent[0]


def test_when_every_venue_refuses_the_order_fails_at_once(bench: Bench) -> None:
    bench.fault("raydium", "refuse")
    bench.fault("meteora", "refuse")
    order = bench.place()
    assert bench.execution().run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.FAILED, 1)
    assert found.error == {
        "code": "no_route",
        "message": "No venue can fill it. raydium is down; meteora is down.",
        "retryable": False,
    }
    assert bench.trail(order.id) == ["pending", "routing", "failed"]
    (said,) = data(bench, order.id, Status.FAILED)
    assert [q["error"]["code"] for q in said["quotes"]] == ["venue_down", "venue_down"]


def test_while_one_merely_did_not_answer_the_order_is_retried(bench: Bench) -> None:
    bench.fault("raydium", "refuse", remaining=1)
    bench.fault("meteora", "hang", remaining=1)
    order = bench.place()
    execution = bench.execution()
    assert execution.run(order.id) is not None
    (said,) = data(bench, order.id, Status.PENDING)[1:]
    assert (said["error"]["code"], said["error"]["retryable"]) == ("no_route", True)
    assert [q["error"]["code"] for q in said["quotes"]] == ["venue_down", "venue_late"]
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


@pytest.mark.parametrize(("kind", "code"), [("refuse", "venue_down"), ("hang", "venue_late")])
@pytest.mark.parametrize("down", ["raydium", "meteora"])
def test_with_one_venue_down_the_other_is_used_and_the_events_say_why(
    bench: Bench, down: str, kind: str, code: str
) -> None:
    bench.fault(down, kind)
    order = bench.place()
    bench.execution().run(order.id)
    (said,) = data(bench, order.id, Status.BUILDING)
    assert said["venue"] != down
    (lost,) = [q for q in said["quotes"] if q["venue"] == down]
    assert lost["error"]["code"] == code
    assert lost["amountIn"] is lost["amountOut"] is lost["price"] is None
    assert bench.order(order.id).status is Status.CONFIRMED


def test_a_chain_without_an_anchor_costs_an_attempt_and_sends_nothing(bench: Bench) -> None:
    chain = bench.chain()

    def away() -> None:
        chain.before_anchor = lambda: None
        raise ChainUnavailable("no anchor")

    chain.before_anchor = away
    order = bench.place()
    execution = bench.execution(chain)
    execution.run(order.id)
    assert bench.trail(order.id) == ["pending", "routing", "building", "pending"]
    assert bench.swaps(order.id) == []
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


def test_a_venue_that_is_gone_costs_an_attempt(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING, Status.BUILDING)
    bench.set(order.id, lease_until=bench.ago(seconds=1), venue="orca")
    execution = bench.execution()
    execution.run(order.id)
    assert data(bench, order.id, Status.PENDING)[1]["error"]["code"] == "venue_gone"
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


def test_a_venue_that_breaks_does_not_take_the_other_with_it(bench: Bench) -> None:
    order = bench.place()
    network = bench.network(bench.chain())

    class Broken:
        name, fee_bps = "broken", 0

        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            raise RuntimeError("a bug, or a body that does not read")

        build = network.venues[0].build

    execution = Execution(
        bench.db,
        bench.line,
        bench.loop,
        replace(network, venues=[Broken(), *network.venues]),
        bench.feed,
        owner="one",
        max_attempts=3,
        max_active=10,
    )
    execution.run(order.id)
    assert bench.order(order.id).status is Status.CONFIRMED


def test_what_an_attempt_failed_with_is_an_error_object() -> None:
    failure = AttemptFailed("why", code="x", retryable=True)
    assert failure.as_dict() == {"code": "x", "message": "why", "retryable": True}
