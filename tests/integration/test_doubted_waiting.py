"""An order that waits, and was in doubt because the database may have forgotten something, waits on: doubt is
no trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_wallet_walk, recall
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.store import doubt_sql
from oee_daemon.store.database import transactions
from tests.integration.test_identity import forget
from tests.kit.engine import Bench
from tests.kit.hooked_chain import HookedChain
from tests.kit.now import now
from tests.kit.waiting import (
    limit,
    looked,
    stop,
)


def through_doubt(bench: Bench, chain: HookedChain, order_id: UUID, *, elsewhere: bool = False) -> Order:
    """As after a change of Postgres's timeline, until the chain has said that nothing can land any more."""
    identity = now(chain.identity())
    with bench.db.connect() as conn:
        doubt_sql.doubt(conn, identity, elsewhere=elsewhere)
    assert bench.order(order_id).status is Status.SUBMITTED
    execution = bench.execution(chain)
    for _ in range(6):
        bench.wake(order_id)
        execution.run(order_id)
        bench.clock.wind(s=120)
    return bench.order(order_id)


def placed(bench: Bench, kind: str, good_until: datetime | None) -> Order:
    later: dict[str, Any] = {"launch_at": datetime.now(UTC) + timedelta(days=1), "good_until": good_until}
    if kind == "stop":
        return stop(bench, "0.9", good_until=good_until)
    if kind == "trailing":
        return bench.place(type=OrderType.STOP, trail_bps=1000, confirm_ms=1, good_until=good_until)
    if kind == "limit":
        return limit(bench, "0.95", good_until=good_until)
    return bench.place(**later) if kind == "launch" else limit(bench, "1.01", **later)


@pytest.mark.parametrize("days", [None, 2])
@pytest.mark.parametrize("kind", ["stop", "trailing", "limit", "launch", "limit and launch"])
def test_doubt_fires_nothing(bench: Bench, kind: str, days: int | None) -> None:
    end = None if days is None else datetime.now(UTC) + timedelta(days=days)
    order = placed(bench, kind, end)
    before, chain = bench.row(order.id), bench.chain()
    back = through_doubt(bench, chain, order.id)
    assert (back.status, back.latched, back.firings) == (Status.WAITING, False, 0)
    row = bench.row(order.id)
    assert (row.arm_rule, row.arm_price) == (before.arm_rule, before.arm_price)
    assert row.expires_at == before.expires_at
    assert looked(bench, bench.watcher(chain), 3) == [] == chain.sent


@pytest.mark.parametrize("fired", [False, True])
@pytest.mark.parametrize("days", [None, 2])
def test_of_a_copy_nothing_fires_that_its_original_may_fire(
    bench: Bench, days: int | None, fired: bool
) -> None:
    """Whose end is known waits for it; without one the copy ends it: both would execute it."""
    order = limit(bench, "0.95", good_until=days and datetime.now(UTC) + timedelta(days=days))
    chain = bench.chain()
    chain.inside = False
    if fired:
        bench.move_market(-900)
        assert looked(bench, bench.watcher(chain)) == [order.id]
    back = through_doubt(bench, chain, order.id, elsewhere=True)
    if days is None:
        assert (back.status, back.error and back.error["code"]) == (Status.FAILED, "restored_unknown")
    else:
        assert back.status is Status.SUBMITTED
    assert chain.sent == []


def test_doubt_ends_only_past_the_last_height_that_the_chain_tells(bench: Bench) -> None:
    order, chain = limit(bench, "0.95"), bench.chain()
    plain, told = chain.last_height, []

    async def last_height(deadline_s: float) -> int:
        told.append(await plain(deadline_s) + 10_000)
        return told[-1]

    chain.last_height = last_height  # type: ignore[method-assign]
    assert through_doubt(bench, chain, order.id).status is Status.SUBMITTED
    with bench.db.connect() as conn:
        doubt = doubt_sql.doubt_of(conn, order.id)
    assert doubt is not None and told == [doubt.last_height]


def test_a_stop_that_was_in_doubt_fires_at_its_own_price(bench: Bench) -> None:
    order, chain = stop(bench, "0.9"), bench.chain()
    through_doubt(bench, chain, order.id)
    assert bench.row(order.id).arm_rule == Rule.SELL_STOP
    watcher = bench.watcher(chain)
    bench.move_market(-1200)
    assert looked(bench, watcher, 3) == [order.id]
    assert bench.run_to_end(bench.execution(chain), order.id).status is Status.CONFIRMED


def test_however_many_are_live_no_statement_doubts_more_than_it_has_the_time_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that reaches its limit would do so at each beat, and nothing would run any more."""
    monkeypatch.setattr(doubt_sql, "AT_ONCE", 2)
    orders = [*(limit(bench, "0.95").id for _ in range(3)), bench.place().id, bench.held(bench.place().id).id]
    going_on: list[None] = []
    with transactions(bench.db).begin() as conn:
        for statement in _COUNT_CHANGES:
            conn.exec_driver_sql(statement)
        found = doubt_sql.doubt(conn, "x", elsewhere=False, going_on=lambda: going_on.append(None))
        most = conn.exec_driver_sql("SELECT max(n), sum(n) FROM pg_temp.changed").one()
        conn.exec_driver_sql("DROP TRIGGER counts ON orders")
    assert sorted(found) == ["pending", "routing", "waiting", "waiting", "waiting"]
    assert (tuple(most), len(going_on)) == ((2, 5), 3)
    assert {bench.order(one).status for one in orders} == {Status.SUBMITTED}


#: How many orders each statement of this connection changes.
_COUNT_CHANGES = (
    "CREATE TEMP TABLE changed (n int) ON COMMIT DROP",
    "CREATE FUNCTION pg_temp.counts() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO changed SELECT count(*) FROM anew; RETURN NULL; END'",
    "CREATE TRIGGER counts AFTER UPDATE ON orders REFERENCING NEW TABLE AS anew"
    " FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.counts()",
)


def test_of_many_in_doubt_each_is_asked_about_once_and_who_was_found_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand that wait are to be watched again soon."""
    monkeypatch.setattr(recall, "FEW", 2)
    monkeypatch.setattr(engine_wallet_walk, "GLANCE_S", 0.0)
    done = bench.place()
    assert bench.run_to_end(bench.execution(), done.id).status is Status.CONFIRMED
    bench.clock.wind(s=1)
    forget(bench, done.id, 1)
    waiting = [limit(bench, "0.95").id for _ in range(5)]
    chain = bench.chain()
    with bench.db.connect() as conn:
        doubt_sql.doubt(conn, now(chain.identity()), elsewhere=False)
    execution = bench.execution(chain)
    execution.run(waiting[0])
    later = {one for one in waiting if bench.row(one).next_run_at > datetime.now(UTC) + timedelta(seconds=60)}
    assert later == {*waiting}, "all are left until it can be told what became of them"
    bench.run_to_end(execution, done.id)
    assert bench.order(done.id).status is Status.CONFIRMED and len(bench.ledgered(done.id)) == 1
    bench.clock.wind(s=80)
    for one in waiting:
        bench.wake(one)
        execution.run(one)
        assert bench.order(one).status is Status.WAITING
    assert chain.sent == []


def test_who_was_found_while_others_are_asked_about_is_due_at_once(bench: Bench) -> None:
    found, other, waits = bench.place(), bench.place(), limit(bench, "0.95")
    with bench.db.connect() as conn:
        doubt_sql.doubt(conn, "chain", elsewhere=False)
        doubt_sql.bound(conn, doubt_sql.unbound(conn, "chain"), 7, timedelta(seconds=75))
        assert not doubt_sql.unbound(conn, "chain")
        assert {*doubt_sql.concerned(conn, [found.id, uuid4()])} == {found.id}
    due = {one.id: bench.row(one.id).next_run_at < datetime.now(UTC) for one in (found, other, waits)}
    assert due == {found.id: True, other.id: False, waits.id: False}
