"""What the database may have forgotten: what was executed is found on the chain, the rest is executed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.store import doubt_sql, order_rows
from oee_daemon.store.engine_row import where
from tests.integration.test_identity import CONFIRMED, execute, executed_and_forgotten, forget, identity
from tests.kit.engine import Bench
from tests.kit.now import now


def doubt(bench: Bench, *, elsewhere: bool = False, chain: str | None = None) -> None:
    with bench.db.connect() as conn:
        doubt_sql.doubt(conn, chain or now(bench.chain().identity()), elsewhere=elsewhere)


@pytest.mark.parametrize("events", [1, 2, 3])
def test_what_was_executed_and_forgotten_is_found_on_the_chain(bench: Bench, events: int) -> None:
    identity(bench).settle()
    order = executed_and_forgotten(bench, events)
    identity(bench).settle()
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert [bench.order(order.id).signature] == bench.ledgered(order.id)


def test_what_lands_late_after_it_was_forgotten_is_waited_for(bench: Bench, tmp_path: Path) -> None:
    order = bench.place()
    bench.fault("chain", "late", remaining=1)
    failpoints.arm("sent=lose*1", tmp_path)
    bench.execution().run(order.id)
    assert bench.order(order.id).status is Status.SUBMITTED
    forget(bench, order.id, 1)
    doubt(bench)
    execution = bench.execution()
    for _ in range(20):
        execution.run(order.id)
        if bench.order(order.id).finished_at is not None:
            break
        assert bench.trail(order.id) == CONFIRMED[:4]
        bench.wake(order.id)
        bench.clock.wind(s=5)
    assert bench.trail(order.id) == CONFIRMED
    assert len(bench.ledgered(order.id)) == 1


def test_what_was_never_sent_is_executed_once_nothing_older_can_land(bench: Bench) -> None:
    order = bench.place()
    doubt(bench)
    chain = bench.chain()
    execution = bench.execution(chain)
    begun = bench.clock.now_ms()
    while not chain.sent:
        execution.run(order.id)
        bench.wake(order.id)
        bench.clock.wind(s=5)
    assert bench.clock.now_ms() - begun > 60_000
    assert bench.trail(order.id) == [*CONFIRMED[:4], *CONFIRMED]
    assert bench.order(order.id).attempt == 2
    assert len(bench.ledgered(order.id)) == 1


def in_doubt_with_an_earlier_attempt(bench: Bench) -> UUID:
    """Its second attempt has landed, of which the database knows nothing."""
    order = bench.place()
    bench.execution(bench.chain(failure_rate="1")).run(order.id)
    bench.wake(order.id)
    bench.execution().run(order.id)
    bench.clock.wind(s=1)
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "landed")]
    execute(bench, "DELETE FROM swaps WHERE attempt = 2")
    execute(bench, "UPDATE swaps SET state = 'signed', ended_at = NULL")
    execute(bench, "DELETE FROM order_events WHERE seq > 4")
    execute(
        bench,
        "UPDATE orders SET status = 'submitted', attempt = 1, event_seq = 4, filled_in = NULL, fee = NULL,"
        " filled_out = NULL, finished_at = NULL, next_run_at = now(),"
        " signature = (SELECT signature FROM swaps)",
    )
    doubt(bench)
    return order.id


def test_a_later_attempt_than_the_one_that_is_known_is_found(bench: Bench) -> None:
    order_id = in_doubt_with_an_earlier_attempt(bench)
    bench.execution().run(order_id)
    assert bench.trail(order_id) == CONFIRMED
    assert [bench.order(order_id).signature] == bench.ledgered(order_id)
    assert bench.swaps(order_id) == [(1, "rejected")]


@pytest.mark.parametrize(
    ("room", "read", "says"),
    [(doubt_sql, "doubt_of", None), (doubt_sql, "concerned", ()), (order_rows, "live_swap", None)],
)
def test_what_a_database_says_that_lost_its_place_ends_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, room: ModuleType, read: str, says: object
) -> None:
    """It still answers on an old connection; there the order is in no doubt, has ended, or has no swap."""
    order_id = in_doubt_with_an_earlier_attempt(bench)
    execution = bench.execution()
    with bench.db.connect() as conn:
        here = where(conn)
    assert here is not None
    claim = execution.slots.claim

    async def claimed(*args: Any, **named: Any) -> Any:
        execution.slots.where = here
        found = await claim(*args, **named)
        # What is asked from now on is asked on connections to where it was before.
        execution.slots.where = here._replace(timeline="0000000A")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(room, read, lambda *_: says)
        patched.setattr(execution.slots, "claim", claimed)
        for _ in range(4):
            execution.run(order_id)
            assert bench.trail(order_id) == CONFIRMED[:4]
            assert bench.swaps(order_id) == [(1, "signed")]
            bench.wake(order_id)
            bench.clock.wind(s=120)
    assert bench.order(order_id).faults == 0
    execution.slots.where = here
    execution.run(order_id)
    assert bench.trail(order_id) == CONFIRMED
    assert [bench.order(order_id).signature] == bench.ledgered(order_id)


@pytest.mark.parametrize("other", [True, False])
def test_a_copy_that_can_not_know_says_so_and_executes_nothing(bench: Bench, other: bool) -> None:
    order = bench.place()
    chain = bench.chain()
    chain.inside = not other
    doubt(bench, elsewhere=True, chain="another" if other else None)
    bench.execution(chain).run(order.id)
    ended = bench.order(order.id)
    assert (ended.status, ended.error and ended.error["code"]) == (Status.FAILED, "restored_unknown")
    assert chain.sent == []


def test_a_copy_finds_what_had_landed_before(bench: Bench) -> None:
    order = executed_and_forgotten(bench)
    doubt(bench, elsewhere=True, chain="another")
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED


def test_a_copy_waits_until_its_original_can_sign_no_more(bench: Bench) -> None:
    order = bench.place()
    doubt(bench, elsewhere=True)
    bench.set(order.id, expires_at=bench.ago(seconds=10**6))
    chain = bench.chain()
    execution = bench.execution(chain)
    for _ in range(3):
        execution.run(order.id)
        bench.wake(order.id)
        bench.clock.wind(s=60)
    assert bench.order(order.id).status is Status.SUBMITTED
    execute(bench, "UPDATE doubts SET until = now()")
    for _ in range(4):
        execution.run(order.id)
        bench.wake(order.id)
        bench.clock.wind(s=60)
    assert bench.order(order.id).status is Status.EXPIRED
    assert chain.sent == []
