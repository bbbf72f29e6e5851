"""Orders that exclude each other, after the database forgot that one of them was filled: the chain's landing
of one keeps the others from being executed, whichever of them is asked about first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from oee_daemon.contract.status import Status
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import Conflict
from oee_daemon.orders.order import Order
from oee_daemon.store import creating_sql, doubt_sql, group_placing_sql
from oee_daemon.store.database import transactions
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.waiting import fired, in_doubt, legs, limit, looked, pair, resolved, turn


def forgotten(bench: Bench, *placed: Order) -> None:
    """Nothing is known any more but that they were placed, and wait."""
    forgets = (
        "UPDATE order_groups SET turn = NULL, filled = NULL",
        "DELETE FROM order_events WHERE seq > 1",
        "DELETE FROM swaps",
        "UPDATE execution_slots SET order_id = NULL",
    )
    with bench.db.connect() as conn:
        for forget in forgets:
            conn.execute(text(forget))
    for order in placed:
        values = dict.fromkeys(
            ("filled_in", "filled_out", "fee", "signature", "venue", "finished_at", "turn")
        )
        values |= {"expires_at": order.good_until, "lease_owner": None, "lease_until": None}
        values |= {"status": "waiting", "event_seq": 1, "attempt": 1, "first_attempt": 1, "firings": 0}
        rule = 2 if order.type == "stop" else 1
        bench.set(order.id, **values, arm_rule=rule, arm_price=order.target_price, fired_at=None)


def filled(bench: Bench, order: Order) -> None:
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED


@pytest.mark.parametrize("first", ["the one that was filled", "the other"])
def test_of_a_group_of_which_a_fill_was_forgotten_no_other_is_filled(bench: Bench, first: str) -> None:
    profit, loss = fired(bench)
    filled(bench, profit)
    forgotten(bench, profit, loss)
    in_doubt(bench)
    order = [profit, loss] if first == "the one that was filled" else [loss, profit]
    # The market has come to the price of the other before anybody asks about the second.
    bench.move_market(-600)
    resolved(bench, order[0].id)
    watcher = bench.watcher()
    if looked(bench, watcher, 3):
        bench.run_to_end(bench.execution(), order[0].id)
    resolved(bench, order[1].id)
    ends = {bench.order(o.id).status for o in (profit, loss)}
    assert ends == {Status.CONFIRMED, Status.FAILED}
    assert bench.order(profit.id).status is Status.CONFIRMED


def test_who_had_the_turn_is_not_tried_again_where_another_was_filled_since(bench: Bench) -> None:
    """What was forgotten: it waited again, and the other was filled."""
    profit, loss = pair(bench)
    bench.move_market(-600)
    assert looked(bench, bench.watcher(), 3) == [loss.id]
    filled(bench, loss)
    forgotten(bench, profit, loss)
    with bench.db.connect() as conn:
        conn.execute(text("UPDATE watch SET lease_until = now() - interval '1 s'"))
    bench.move_market(300)
    assert looked(bench, bench.watcher(owner="two"), 3) == [profit.id]
    in_doubt(bench)
    assert resolved(bench, profit.id).status is Status.FAILED
    assert resolved(bench, loss.id).status is Status.CONFIRMED


def test_who_joins_in_the_moment_of_a_doubt_is_in_doubt_too(bench: Bench) -> None:
    """One of its group may have been filled, and it would be executed as well."""
    profit, loss = pair(bench)
    (terms, _) = legs(bench)
    armed = now(Placing(bench.network(bench.chain())).armed(terms))
    assert armed is not None
    with (
        transactions(bench.db).connect() as conn,
        conn.begin() as joining,
        ThreadPoolExecutor(1) as pool,
    ):
        group = group_placing_sql.join(conn, profit.id, "simulated")
        member = creating_sql.New(terms, None, armed)
        (third,) = group_placing_sql.place(conn, "simulated", group, [member])
        doubted = pool.submit(in_doubt, bench)
        until(lambda: doubted.done() or waits(bench), within=5, what="a doubt that has seen the two")
        joining.commit()
        doubted.result()
    assert {bench.order(o.id).status for o in (profit, loss, third)} == {Status.SUBMITTED}


@pytest.mark.parametrize("grouped", [True, False])
def test_who_joins_and_waits_for_a_doubt_is_refused(bench: Bench, grouped: bool) -> None:
    """What it saw before it waited said that the others wait."""
    wanted = pair(bench)[0] if grouped else limit(bench, "0.9")
    chain = now(bench.chain().identity())

    def join() -> None:
        with transactions(bench.db).connect() as conn, conn.begin():
            group_placing_sql.join(conn, wanted.id, "simulated")

    with ThreadPoolExecutor(1) as pool:
        with transactions(bench.db).connect() as conn, conn.begin():
            doubt_sql.doubt(conn, chain, elsewhere=False)
            joined = pool.submit(join)
            until(lambda: joined.done() or waits(bench), within=5, what="who joins")
            assert not joined.done()
        with pytest.raises(Conflict):
            joined.result()
    assert bench.order(wanted.id).status is Status.SUBMITTED


def waits(bench: Bench) -> bool:
    with bench.db.connect() as conn:
        return bool(conn.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def test_nobody_joins_beside_one_that_is_in_doubt(bench: Bench) -> None:
    """Its end would not see who joins at that moment, and that one would wait for ever."""
    profit, loss = pair(bench)
    in_doubt(bench)
    assert resolved(bench, loss.id).status is Status.WAITING
    assert bench.order(profit.id).status is Status.SUBMITTED and turn(bench, profit) == (None, None)
    with pytest.raises(Conflict):
        limit(bench, "0.9", oco=loss.id)
