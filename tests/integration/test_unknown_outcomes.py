"""Unknown is not failed: sends without a good answer, a chain that lags, bytes that can land no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oee_daemon.contract.status import Status
from oee_daemon.timing import USUAL
from tests.kit.engine import Bench
from tests.kit.executions import CONFIRMED, data


@pytest.fixture
def impatient(bench: Bench) -> None:
    """A thread lets go at once of what it can't learn: real seconds, which the held clock doesn't rule."""
    bench.timing = replace(USUAL, ask_s=-1.0, resend_s=0.01)


@pytest.mark.parametrize("kind", ["refuse", "lose", "drop", "hang"])
def test_a_send_without_a_good_answer_ends_nothing_and_is_repeated(bench: Bench, kind: str) -> None:
    bench.fault("chain", kind, remaining=1)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert len(set(chain.sent)) == 1
    assert (len(chain.sent) == 1) is (kind == "lose")
    assert bench.ledgered(order.id) == [chain.sent[0]]


@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_is_let_go_of_with_growing_pauses_and_found_in_the_end(bench: Bench) -> None:
    bench.fault("chain", "mute", remaining=3)
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    pauses = []
    for asks in (1, 2, 3):
        assert execution.run(order.id) is None
        row = bench.row(order.id)
        assert (row.status, row.attempt, row.asks) == ("submitted", 1, asks)
        assert row.lease_owner is row.lease_until is None
        pauses.append((row.next_run_at - bench.events(order.id)[-1].at).total_seconds())
        bench.set(order.id, next_run_at=bench.ago(seconds=0))
    assert bench.trail(order.id)[-1] == "submitted"
    # 2, 4 and 8 s, less a jitter of a quarter, counted from one moment.
    assert 1.5 <= pauses[0] < 3 <= pauses[1] < 6 <= pauses[2]
    chain.before_outcome = lambda: bench.clock.wind(s=1)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert len(set(chain.sent)) == 1
    assert bench.ledgered(order.id) == [chain.sent[0]]


@pytest.mark.usefixtures("impatient")
def test_ten_unknown_outcomes_do_not_stop_trading(bench: Bench) -> None:
    bench.fault("chain", "mute", remaining=10)
    execution = bench.execution()
    stuck = [bench.place() for _ in range(10)]
    for order in stuck:
        execution.run(order.id)
    assert {bench.order(o.id).status for o in stuck} == {Status.SUBMITTED}
    bench.clock.wind(s=1)
    more = bench.place()
    chain = bench.chain()
    chain.before_outcome = lambda: bench.clock.wind(s=1)
    bench.execution(chain).run(more.id)
    assert bench.order(more.id).status is Status.CONFIRMED


def test_a_swap_that_can_never_land_gives_way_to_a_new_attempt_with_a_new_signature(bench: Bench) -> None:
    order = bench.place()
    bench.fault("chain", "drop", number=order.number)
    dropped, fair = bench.chain(), bench.chain()
    wait = bench.execution(dropped).run(order.id)
    assert wait is not None
    assert bench.swaps(order.id) == [(1, "lapsed")]
    (said,) = data(bench, order.id, Status.PENDING)[1:]
    assert (said["error"]["code"], said["error"]["retryable"]) == ("swap_lapsed", True)
    # The same bytes again and again, until they could not land any more.
    assert len(dropped.sent) > 5 and len(set(dropped.sent)) == 1
    bench.fault("chain", "lose", remaining=1)
    with bench.ledger.connect() as conn:
        conn.exec_driver_sql("DELETE FROM sim_faults WHERE kind = 'drop'")
    bench.wake(order.id)
    bench.execution(fair).run(order.id)
    assert bench.swaps(order.id) == [(1, "lapsed"), (2, "landed")]
    assert fair.sent[0] != dropped.sent[0]
    assert bench.ledgered(order.id) == [fair.sent[0]]


def test_a_lagging_chain_makes_no_second_swap(bench: Bench) -> None:
    bench.fault("chain", "lag", ms=5_000)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
