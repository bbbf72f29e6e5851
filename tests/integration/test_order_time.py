"""The time that an order has: what is unsent when it is over expires, and what was sent is still found."""

from __future__ import annotations

from pathlib import Path

import pytest

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.orders.order import Order
from tests.kit.engine import Bench
from tests.kit.executions import CONFIRMED


@pytest.mark.parametrize("steps", [(), (Status.ROUTING,), (Status.ROUTING, Status.BUILDING)])
def test_what_is_out_of_time_and_unsent_expires_when_it_is_claimed(
    bench: Bench, steps: tuple[Status, ...]
) -> None:
    order = bench.place()
    if steps:
        bench.to(bench.held(order.id, "dead"), *steps)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.set(order.id, expires_at=bench.ago(seconds=1))
    chain = bench.chain()
    assert bench.execution(chain).run(order.id) is None
    assert bench.trail(order.id) == ["pending", *[s.value for s in steps], "expired"]
    assert chain.sent == []
    assert bench.order(order.id).finished_at is not None


def test_what_runs_out_of_time_while_it_is_being_built_expires_unsent(bench: Bench) -> None:
    order = bench.place()
    chain = bench.chain()
    chain.before_anchor = lambda: bench.set(order.id, expires_at=bench.ago(seconds=0))
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == ["pending", "routing", "building", "expired"]
    assert (chain.sent, bench.swaps(order.id)) == ([], [])


def test_between_attempts_an_order_expires_too(bench: Bench) -> None:
    order = bench.place()
    bench.execution(bench.chain(failure_rate="1")).run(order.id)
    bench.wake(order.id)
    bench.set(order.id, expires_at=bench.ago(seconds=0))
    bench.execution().run(order.id)
    assert bench.trail(order.id)[-2:] == ["pending", "expired"]
    assert bench.ledgered(order.id) == []


def _submitted_and_out_of_time(bench: Bench, tmp_path: Path, point: str) -> Order:
    failpoints.arm(f"{point}=lose*1", tmp_path)
    order = bench.place()
    bench.execution(bench.chain(), owner="dead").run(order.id)
    bench.set(order.id, next_run_at=bench.ago(seconds=1), expires_at=bench.ago(seconds=1), faults=0)
    return bench.order(order.id)


def test_past_its_time_nothing_is_sent_any_more_and_it_ends_expired(bench: Bench, tmp_path: Path) -> None:
    order = _submitted_and_out_of_time(bench, tmp_path, "after_submitted")
    chain = bench.chain()
    execution = bench.execution(chain, owner="heir")
    assert bench.run_to_end(execution, order.id).status is Status.EXPIRED
    assert chain.sent == []
    assert bench.trail(order.id) == [*CONFIRMED[:4], "pending", "expired"]
    assert bench.swaps(order.id) == [(1, "lapsed")]
    assert bench.ledgered(order.id) == []


def test_past_its_time_what_was_sent_before_is_still_found(bench: Bench, tmp_path: Path) -> None:
    order = _submitted_and_out_of_time(bench, tmp_path, "sent")
    chain = bench.chain()
    bench.execution(chain, owner="heir").run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert chain.sent == []
    assert len(bench.ledgered(order.id)) == 1
