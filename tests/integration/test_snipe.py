"""Snipers that wait for a moment: they fire in it and never before, past whatever else runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.engine.group_intake import GroupIntake
from oee_daemon.engine.placing import Placing
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.queue.queue_broker import LOOK
from oee_daemon.store import halt_row, lease_sql
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.lease_sql import MARKET
from tests.integration.test_editing import editor
from tests.kit.daemons import until
from tests.kit.engine import SLOTS, Bench
from tests.kit.now import now
from tests.kit.tables import execution_slots


def snipe(bench: Bench, ahead_s: float, **what: Any) -> Order:
    at = datetime.now(UTC) + timedelta(seconds=ahead_s)
    return bench.place(sell=False, amount=10**8, type=OrderType.SNIPER, launch_at=at, **what)


def watching(bench: Bench, **more: Any) -> Watcher:
    return bench.watcher(execution=bench.execution(**{"urgent_places": 2} | more))


def watched(bench: Bench, snipers: list[Order], **more: Any) -> list[Order]:
    """What becomes of them, once a watcher has seen that their moment is near."""
    watcher = watching(bench, **more)
    now(watcher.beat())
    until(lambda: all(bench.order(one.id).finished_at for one in snipers), what="the snipers' ends")
    now(watcher.leave())
    return [bench.order(one.id) for one in snipers]


def moment_of(bench: Bench, order: Order, status: Status) -> datetime:
    return next(event.at for event in bench.events(order.id) if event.status is status)


def test_a_sniper_begins_in_its_millisecond_and_never_before(bench: Bench) -> None:
    first, second = snipe(bench, 0.6), snipe(bench, 0.9)
    for order in watched(bench, [first, second]):
        assert order.status is Status.CONFIRMED and order.launch_at is not None
        begun = moment_of(bench, order, Status.ROUTING)
        assert order.launch_at <= moment_of(bench, order, Status.PENDING) <= begun
        # Generous: the figures are the benchmark's.
        assert begun - order.launch_at < timedelta(milliseconds=250)
        assert bench.trail(order.id)[:3] == ["waiting", "pending", "routing"]
        assert bench.events(order.id)[1].data["trigger"]["rule"] == "time"


def test_market_orders_hold_no_place_of_a_sniper(bench: Bench) -> None:
    for _ in range(SLOTS):
        bench.held(bench.place().id)
    with pytest.raises(lease_sql.NoSlot) as full:
        claim(bench, bench.place().id)
    assert not full.value.urgent
    (order,) = watched(bench, [snipe(bench, 0.5)])
    assert order.status is Status.CONFIRMED
    # Its place is still free, and still none of a market order's.
    with bench.db.connect() as conn:
        held = conn.execute(select(execution_slots.c["class"]).where(execution_slots.c.order_id.is_not(None)))
        assert set(held.scalars()) == {MARKET}


def claim(bench: Bench, order_id: Any) -> Any:
    return now(lease_sql.claim(bench.line, order_id, owner="two", network="simulated", slots=SLOTS))


def test_a_sniper_that_recovery_finds_takes_its_place_too(bench: Bench) -> None:
    for _ in range(SLOTS):
        bench.held(bench.place().id)
    order = snipe(bench, 60)
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    now(bench.watcher().beat())
    assert bench.order(order.id).status is Status.PENDING
    bench.execution(urgent_places=1).run(order.id)
    assert bench.order(order.id).status is Status.CONFIRMED


def test_a_launch_that_was_missed_is_no_order_of_an_hour_later(bench: Bench) -> None:
    order = snipe(bench, 60)
    assert order.launch_at is not None and order.good_until == order.launch_at + timedelta(seconds=30)
    bench.set(order.id, launch_at=bench.ago(seconds=31), expires_at=bench.ago(seconds=1))
    now(bench.watcher().beat())
    assert bench.order(order.id).status is Status.EXPIRED
    assert bench.trail(order.id) == ["waiting", "expired"]


def test_a_market_that_opens_late_is_asked_until_the_time_is_over(bench: Bench) -> None:
    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse", remaining=5)
    (order,) = watched(bench, [snipe(bench, 0.3)], max_attempts=1)
    assert order.status is Status.CONFIRMED and order.attempt > 1

    for venue in ("raydium", "meteora"):
        bench.fault(venue, "refuse", remaining=1000)
    (order,) = watched(bench, [snipe(bench, 0.3, valid_for_s=1)])
    assert (order.status, order.error) == (Status.EXPIRED, None)


def test_nothing_fires_under_a_halt(bench: Bench) -> None:
    order = snipe(bench, 0.4)
    with bench.db.connect() as conn:
        halt_row.set_alone(conn, "look first", "a test")
    watcher = watching(bench)
    now(watcher.beat())
    until(
        lambda: datetime.now(UTC) > (order.launch_at or order.created_at) + timedelta(milliseconds=50),
        what="its moment",
    )
    now(watcher.beat())
    now(watcher.leave())
    assert bench.order(order.id).status is Status.WAITING


def test_a_moment_that_is_moved_keeps_the_time_after_it(bench: Bench) -> None:
    order = snipe(bench, 600)
    assert order.launch_at is not None
    later = order.launch_at + timedelta(hours=2)
    edited = now(editor(bench).edit(order.id, lambda _: {"launch_at": later}, None))
    assert (edited.launch_at, edited.good_until) == (later, later + timedelta(seconds=30))
    soon = datetime.now(UTC) + timedelta(seconds=0.8)
    now(editor(bench).edit(order.id, lambda _: {"launch_at": soon}, None))
    (done,) = watched(bench, [order])
    assert done.status is Status.CONFIRMED and moment_of(bench, done, Status.ROUTING) >= soon


def test_whatever_is_stored_for_the_next_seconds_wakes_who_watches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an edit or with a group, too: its moment may come before the next beat."""
    rung: list[Sequence[UUID]] = []
    monkeypatch.setattr("oee_daemon.engine.intake.ring_all", lambda _, ids: rung.append(ids))
    order, look = snipe(bench, 3600), bench.intake.look_ahead
    network = bench.network(bench.chain())
    editing = Editing(bench.db, bench.feed, network, Placing(network), soon=look)

    def move(ahead_s: float) -> None:
        at = datetime.now(UTC) + timedelta(seconds=ahead_s)
        now(editing.edit(order.id, lambda _: {"launch_at": at}))

    move(1800)
    move(1.5)
    until(lambda: rung == [[LOOK]], what="the ring of the second edit alone")
    near = {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"], "amount": 10**9}
    terms = terms_of(near | {"launch_at": datetime.now(UTC) + timedelta(seconds=1.5)})
    armed = Armed(rule=Rule.TIME, price=None, data={})
    groups = GroupIntake(bench.db, bench.feed, network="simulated", soon=look)
    now(groups.accept([(terms, armed)] * 2, None))
    until(lambda: len(rung) == 3, what="the rings of a group")
