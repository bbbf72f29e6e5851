"""Several workers, threads and clients at one order: it is stored once, and lands once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from oee_daemon.orders.order import Order
from tests.integration.test_identity import CONFIRMED
from tests.kit.engine import Bench


def test_orders_that_come_by_every_way_at_once_are_executed_once(bench: Bench) -> None:
    """Directly, by the queue, twice each, in two workers."""
    orders = [bench.place() for _ in range(12)]
    workers = [bench.execution(owner=owner) for owner in ("one", "two")]

    def run(execution: Any, order: Order) -> None:
        for _ in range(50):
            execution.run(order.id)
            if bench.order(order.id).finished_at is not None:
                return

    with ThreadPoolExecutor(16) as pool:
        for _ in [pool.submit(run, w, o) for o in orders for w in workers for _ in range(2)]:
            pass
    assert {len(bench.ledgered(o.id)) for o in orders} == {1}
    assert {tuple(bench.trail(o.id)) for o in orders} == {tuple(CONFIRMED)}


def test_one_key_from_many_of_whom_one_dies_halfway_is_one_order(bench: Bench) -> None:
    """Its connection is cut while it holds the key's lock, in the middle of what it stores."""
    pids: list[int] = []

    def accept(n: int) -> UUID | None:
        if n == 3:
            with bench.db.connect() as conn:
                pids.extend(
                    conn.execute(
                        text(
                            "SELECT pid FROM pg_stat_activity WHERE CASE WHEN pid <> pg_backend_pid()"
                            " AND state = 'active' AND datname = current_database()"
                            " THEN pg_terminate_backend(pid) END"
                        )
                    ).scalars()
                )
            return None
        # Whoever is cut off asks again, and may be cut off again.
        for _ in range(10):
            with suppress(OperationalError):
                return bench.place(key="one and the same").id
        raise AssertionError("no answer")

    for _ in range(5):
        with ThreadPoolExecutor(12) as pool:
            found = {order_id for order_id in pool.map(accept, range(24)) if order_id}
        assert len(found) == 1
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1


def test_a_slot_that_was_reaped_in_the_middle_of_a_send_makes_one_landing(bench: Bench) -> None:
    """The holder wakes up in its send after another one has sent, confirmed, or given up."""
    order = bench.place()
    one, two = bench.chain(), bench.chain()
    sending, go_on = threading.Event(), threading.Event()

    def frozen() -> None:
        sending.set()
        go_on.wait(60)

    one.before_submit = frozen
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.execution(one, owner="frozen").run, order.id)
        assert sending.wait(30)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
        bench.execution(two, owner="other").run(order.id)
        go_on.set()
        first.result(60)
    assert bench.trail(order.id) == CONFIRMED
    assert len(bench.ledgered(order.id)) == 1
    assert set(one.sent) <= set(two.sent)
