"""Cancelling: what can't be on the chain ends at once, one order or many, and nothing else does."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from oee_daemon.contract.status import Status
from oee_daemon.engine import intake
from oee_daemon.errors import Conflict, NotFound
from oee_daemon.orders.order import Order
from oee_daemon.store import cancel_sql, move_sql
from oee_daemon.store.cancel_sql import Chosen
from oee_daemon.store.database import transactions
from tests.kit.engine import Bench
from tests.kit.tables import orders

STEPS = (Status.ROUTING, Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_what_can_not_be_on_the_chain_is_cancelled_even_while_it_is_held(bench: Bench, steps: int) -> None:
    order = bench.to(bench.held(bench.place().id), *STEPS[:steps])
    cancelled = bench.intake.cancel(order.id)
    assert (cancelled.status, cancelled.fence) == (Status.CANCELLED, order.fence + 1)
    assert cancelled.finished_at is not None
    assert bench.trail(order.id)[-1] == "cancelled"


def test_cancelling_again_is_harmless(bench: Bench) -> None:
    order = bench.place()
    first = bench.intake.cancel(order.id)
    assert bench.intake.cancel(order.id) == first
    assert bench.trail(order.id) == ["pending", "cancelled"]


@pytest.mark.parametrize(
    ("steps", "code", "words"),
    [
        (3, "order_submitted", "it may be on the chain and can't be cancelled any more"),
        (4, "order_confirmed", "The order is confirmed, which is final."),
    ],
)
def test_what_was_sent_or_is_final_is_a_conflict_that_says_what_it_is(
    bench: Bench, steps: int, code: str, words: str
) -> None:
    order = bench.to(bench.held(bench.place().id), *STEPS[:steps])
    before = bench.row(order.id)
    with pytest.raises(Conflict) as caught:
        bench.intake.cancel(order.id)
    assert (caught.value.status, caught.value.code) == (409, code)
    assert words in caught.value.message
    assert bench.row(order.id) == before


@pytest.mark.parametrize("final", [Status.FAILED, Status.EXPIRED])
def test_other_ends_are_conflicts_too(bench: Bench, final: Status) -> None:
    order = bench.held(bench.place().id)
    bench.advance(order, final)
    with pytest.raises(Conflict) as caught:
        bench.intake.cancel(order.id)
    assert caught.value.code == f"order_{final}"


def test_between_attempts_an_order_is_cancelled_too(bench: Bench) -> None:
    submitted = bench.to(bench.held(bench.place().id), *STEPS[:3])
    assert bench.advance(submitted, Status.PENDING, swap_ended="rejected") is not None
    assert bench.intake.cancel(submitted.id).status is Status.CANCELLED
    assert bench.swaps(submitted.id) == [(1, "rejected")]


def test_an_order_that_is_not_there_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.intake.cancel(uuid4())


def test_a_cancel_that_meets_the_end_of_an_attempt_never_calls_a_live_order_final(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = bench.to(bench.held(bench.place().id), *STEPS[:3])

    def refused_first(conn: Any, order_id: Any, seen: Any) -> Order | None:
        found = cancel(conn, order_id, seen)
        if not looked:
            assert found is None
            assert bench.advance(submitted, Status.PENDING, swap_ended="rejected") is not None
        looked.append(found)
        return found

    looked: list[Order | None] = []
    cancel = move_sql.cancel
    monkeypatch.setattr(move_sql, "cancel", refused_first)
    try:
        bench.intake.cancel(submitted.id)
    except Conflict as e:
        assert "final" not in e.message
    assert looked
    assert bench.order(submitted.id).attempt == 2


def test_all_that_can_not_be_on_the_chain_is_cancelled_in_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CANCEL_AT_ONCE", 2)
    pending = [bench.place() for _ in range(4)]
    held = bench.to(bench.held(bench.place().id), *STEPS[:2])
    sent = bench.to(bench.held(bench.place().id), *STEPS[:3])
    done = bench.intake.cancel_many(Chosen())
    assert (done.count, done.sent, done.unsent) == (5, [sent.id], 0)
    for order in (*pending, held):
        assert bench.trail(order.id)[-1] == "cancelled"
        assert bench.order(order.id).finished_at is not None
    # Whoever held it can move it no more, and its place is free.
    assert bench.order(held.id).fence == held.fence + 1
    assert bench.order(sent.id) == sent
    assert bench.intake.cancel_many(Chosen()).count == 0


def test_what_is_placed_while_all_are_cancelled_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "CANCEL_AT_ONCE", 1)
    meant = [bench.place(), bench.place()]
    later: list[Order] = []
    some = cancel_sql.cancel_some

    def placed_meanwhile(*asked: Any) -> Any:
        if not later:
            later.append(bench.place())
        return some(*asked)

    monkeypatch.setattr(cancel_sql, "cancel_some", placed_meanwhile)
    assert bench.intake.cancel_many(Chosen()).count == 2
    assert [bench.order(order.id).status for order in meant] == [Status.CANCELLED] * 2
    assert bench.order(later[0].id).status is Status.PENDING


def test_only_what_was_chosen_is_cancelled(bench: Bench) -> None:
    first, second = bench.place(), bench.place()
    pair, side = first.pair, first.side
    other = "sell" if side == "buy" else "buy"
    for chosen in (Chosen(side=other), Chosen(pair="A/B"), Chosen(type="limit"), Chosen(ids=[uuid4()])):
        assert bench.intake.cancel_many(chosen).count == 0
    named = bench.intake.cancel_many(Chosen(ids=[first.id, first.id]))
    assert (named.count, bench.order(second.id).status) == (1, Status.PENDING)
    assert bench.intake.cancel_many(Chosen(pair=pair, side=side, type="market")).count == 1


def test_what_is_being_moved_is_waited_for_and_told_where_that_takes_too_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, free = bench.place(), bench.place()
    monkeypatch.setattr(intake, "CANCEL_S", 0.1)
    with transactions(bench.db).begin() as conn:
        conn.execute(select(orders.c.id).where(orders.c.id == order.id).with_for_update())
        done = bench.intake.cancel_many(Chosen())
        assert (done.count, done.sent, done.unsent) == (1, [], 1)
    assert bench.trail(free.id)[-1] == "cancelled"
    assert bench.intake.cancel_many(Chosen()).count == 1
