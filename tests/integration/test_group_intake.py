"""Orders of which at most one is filled: how they are accepted, joined and kept."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.group_intake import RowRefused
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.retention import Retention
from oee_daemon.errors import Conflict, Halted, InvalidInput, KeyConflict
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.settings import Settings
from oee_daemon.store import halt_row
from tests.kit.engine import Bench
from tests.kit.waiting import (
    SALE,
    grouped,
    legs,
    limit,
    looked,
    price,
)


def test_all_are_stored_or_none_and_a_repeat_finds_them(bench: Bench) -> None:
    terms = legs(bench)
    first, again = grouped(bench, terms, "group-key-1"), grouped(bench, terms, "group-key-1")
    assert (first.created, again.created) == (True, False)
    assert [o.id for o in first.orders] == [o.id for o in again.orders]
    assert [o.idempotency_key for o in first.orders] == ["group-key-1/1", "group-key-1/2"]
    with pytest.raises(KeyConflict):
        grouped(bench, legs(bench, profit="1.03"), "group-key-1")
    with pytest.raises(KeyConflict, match=str(first.id)) as alone:
        bench.place(key="group-key-1")
    assert (alone.value.code, alone.value.field) == ("idempotency_key_reused", "Idempotency-Key")
    limits = SpendingLimits(replace(Settings(), max_open=100), bench.db, bench.network(bench.chain()))
    limited = Intake(bench.db, bench.line, bench.broker, bench.feed, network="simulated", limits=limits)
    with pytest.raises(KeyConflict):
        bench.loop.run(limited.accept(terms_of(SALE), "group-key-1"))
    with pytest.raises(KeyConflict):
        joined(bench, first.id, key="group-key-1")
    bench.buy(key="group-key-2/2")
    before = bench.order(bench.place().id).number
    with pytest.raises(RowRefused) as refused:
        grouped(bench, terms, "group-key-2")
    assert refused.value.number == 1 and refused.value.cause.code == "idempotency_key_reused"
    with bench.db.connect() as conn:
        assert (
            conn.execute(text("SELECT count(*) FROM orders WHERE number > :n"), {"n": before}).scalar() == 0
        )
        assert conn.execute(text("SELECT count(*) FROM order_groups")).scalar() == 1


def test_limits_and_a_halt_hold_for_a_group_as_for_each_of_its_orders(bench: Bench) -> None:
    """There is room for one of both: none is stored."""
    terms = [legs(bench)[0]] * 2
    network = bench.network(bench.chain())
    worth = price(bench, sell=True)
    limits = SpendingLimits(replace(Settings(), max_daily=worth * Decimal("1.5")), bench.db, network)
    with pytest.raises(RowRefused) as refused:
        grouped(bench, terms, limits=limits)
    assert (refused.value.number, refused.value.cause.code) == (1, "over_limit")
    with bench.db.connect() as conn:
        for table in ("orders", "order_groups", "reservations"):
            assert conn.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0  # noqa: S608
        enough = SpendingLimits(replace(Settings(), max_daily=worth * 3), bench.db, network)
        assert grouped(bench, terms, limits=enough).created
        halt_row.set_alone(conn, "a test", None)
        with pytest.raises(Halted):
            grouped(bench, terms)


def joined(bench: Bench, other: UUID, **what: Any) -> Order:
    return bench.buy(type=OrderType.LIMIT, target_price=Decimal(100), oco=other, **what)


def test_one_joins_an_order_or_its_group_while_none_is_beyond_waiting(bench: Bench) -> None:
    alone = limit(bench, "1.02", sell=True)
    first = joined(bench, alone.id, key="joins-key-1")
    assert first.group_id is not None and bench.order(alone.id).group_id == first.group_id
    assert joined(bench, first.group_id).group_id == joined(bench, first.id).group_id == first.group_id
    bench.move_market(300)
    assert looked(bench, bench.watcher(), 2) == [alone.id]
    assert joined(bench, alone.id, key="joins-key-1").id == first.id, "a repeat finds it, whatever came then"
    for other in (alone.id, first.id, first.group_id):
        with pytest.raises(Conflict) as refused:
            joined(bench, other)
        assert refused.value.code == "order_pending"
    assert bench.run_to_end(bench.execution(), alone.id).status is Status.CONFIRMED
    assert bench.order(first.id).status is Status.CANCELLED
    with pytest.raises(Conflict):
        joined(bench, first.group_id)
    with pytest.raises(InvalidInput) as unknown:
        joined(bench, uuid4())
    assert (unknown.value.code, unknown.value.field) == ("unknown_order", "oco")
    with pytest.raises(InvalidInput) as market:
        terms_of(SALE | {"oco": alone.id})
    assert (market.value.code, market.value.field) == ("field_contradicts", "oco")


def test_a_group_takes_ten(bench: Bench) -> None:
    group = grouped(bench, legs(bench) * 5)
    with pytest.raises(Conflict) as full:
        joined(bench, group.id)
    assert full.value.code == "group_full"


def test_a_group_goes_with_its_last_order(bench: Bench) -> None:
    profit, loss = grouped(bench, legs(bench), "group-key-1").orders
    bench.intake.cancel(profit.id)
    bench.set(profit.id, finished_at=bench.ago(days=5))
    assert Retention(bench.db, days=2).remove_old()[0] == 1
    bench.move_market(-600)
    assert looked(bench, bench.watcher(), 3) == [loss.id], "the one that is left fires"
    bench.run_to_end(bench.execution(), loss.id)
    bench.set(loss.id, finished_at=bench.ago(days=5))
    assert Retention(bench.db, days=2).remove_old()[0] == 1
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM order_groups")).scalar() == 0
    for again in (lambda: bench.place(key="group-key-1"), lambda: grouped(bench, legs(bench), "group-key-1")):
        with pytest.raises(Conflict, match=f"{loss.id}, which ended as confirmed") as spent:
            again()
        assert spent.value.code == "idempotency_key_spent"


@pytest.mark.parametrize("single_first", [True, False])
def test_a_group_and_an_order_of_one_key_both_go(bench: Bench, single_first: bool) -> None:
    """As an earlier version stored them: the second one's key kept whatever was due with it for ever."""
    group = grouped(bench, legs(bench), "group-key-2").orders
    single = bench.place(key="single-key-2")
    bench.set(single.id, idempotency_key="group-key-2")
    for order in (single, *group):
        bench.intake.cancel(order.id)
    batches = [[single], group] if single_first else [group, [single]]
    for due in batches:
        for order in due:
            bench.set(order.id, finished_at=bench.ago(days=5))
        assert Retention(bench.db, days=2).remove_old() == (len(due), False)
    with pytest.raises(Conflict) as spent:
        bench.place(key="group-key-2")
    assert spent.value.code == "idempotency_key_spent"
