"""A halt returns once what is being stored is stored, or ends who hangs in the middle of it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from oee_daemon.contract.status import Status
from oee_daemon.orders.order import Order
from oee_daemon.store import halt_row, move_sql
from oee_daemon.store.postgres_line import Batch
from tests.kit.daemons import until
from tests.kit.databases import connect, hold_key, waiting
from tests.kit.engine import Bench


def stored(sql: psycopg.Connection[Any]) -> int:
    row = sql.execute("SELECT count(*) FROM swaps").fetchone()
    assert row is not None
    return int(row[0])


def store_across_a_halt(bench: Bench, sql: psycopg.Connection[Any], url: str) -> tuple[int, int]:
    """A swap whose statement has begun, and has its snapshot, when the engine is halted: how many swaps there
    were when the halt had returned, and in the end."""
    order = bench.to(bench.place(), Status.ROUTING, Status.BUILDING)
    with ThreadPoolExecutor(2) as threads, connect(url) as holder:
        with holder.transaction():
            holder.execute("SELECT FROM orders WHERE id = %s FOR UPDATE", (order.id,))
            storing: Future[Order | None] = threads.submit(bench.advance, order, Status.SUBMITTED)
            until(lambda: waiting(sql, "transactionid") or waiting(sql, "tuple"), what="the store")

            def halt() -> int:
                halt_row.halt(bench.db, None, None)
                return stored(sql)

            halted = threads.submit(halt)
            # Where nothing holds it up, it has returned while the swap is still being stored.
            until(lambda: halted.done() or waiting(sql, "advisory"), what="the halt")
        with_it = halted.result(20)
        storing.exception(20)
    return with_it, stored(sql)


def test_what_is_being_stored_is_stored_before_a_halt_returns(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str
) -> None:
    at_return, in_the_end = store_across_a_halt(bench, sql, empty_url)
    assert at_return == in_the_end == 1


def test_the_flag_without_the_lock_would_let_a_swap_through(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_sql, "_SUBMIT", Batch(move_sql._SUBMIT.texts[-1]))
    assert store_across_a_halt(bench, sql, empty_url) == (0, 1)


def test_who_hangs_in_the_middle_of_storing_is_ended(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str
) -> None:
    order = bench.to(bench.place(), Status.ROUTING, Status.BUILDING)
    with connect(empty_url) as frozen:
        frozen.execute("BEGIN")
        frozen.execute(halt_row.SHARED_LOCK.encode())
        frozen.execute("UPDATE orders SET status = 'submitted' WHERE id = %s", (order.id,))
        assert halt_row.halt(bench.db, "why", "me").reason == "why"
        with pytest.raises(psycopg.OperationalError):
            frozen.execute("COMMIT")
    assert bench.order(order.id).status is Status.BUILDING


def test_what_is_being_accepted_is_stored_before_a_halt_returns(
    bench: Bench, sql: psycopg.Connection[Any], empty_url: str
) -> None:
    """As what is being signed."""
    bench.place()
    with ThreadPoolExecutor(2) as threads, connect(empty_url) as another:
        with another.transaction(force_rollback=True):
            hold_key(another, "the key")
            placing = threads.submit(bench.place, key="the key")
            until(lambda: waiting(sql, "transactionid"), what="the order")

            def halt() -> int:
                halt_row.halt(bench.db, None, None)
                return accepted(sql)

            halted = threads.submit(halt)
            until(lambda: halted.done() or waiting(sql, "advisory"), what="the halt")
        at_return = halted.result(20)
        placing.exception(20)
    assert at_return == accepted(sql)


def accepted(sql: psycopg.Connection[Any]) -> int:
    row = sql.execute("SELECT count(*) FROM orders").fetchone()
    assert row is not None
    return int(row[0])
