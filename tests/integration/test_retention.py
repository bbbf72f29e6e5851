"""Orders are kept as long as the user wants; their keys, and the chain's ledger, for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select, text

from oee_daemon.contract.status import Status
from oee_daemon.engine import retention
from oee_daemon.engine.retention import Retention
from oee_daemon.errors import Conflict
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.orders.order import Order
from oee_daemon.settings import load
from oee_daemon.start_errors import BadSetting
from oee_daemon.store import retention_sql as statements
from tests.kit.engine import Bench
from tests.kit.tables import order_events, orders, spent_keys, swaps

#: Days that these tests keep.
KEEP = 30


@pytest.fixture
def own(db: Engine, redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench at a database of its own."""
    ledger = open_file(tmp_path / "chain.db")
    made = Bench(db, redis_url, ledger)
    yield made
    made.close()
    ledger.dispose()


def ended(bench: Bench, *, days: float, key: str | None = None) -> Order:
    """A confirmed order that ended `days` ago."""
    order = bench.place(key=key)
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    age(bench, order.id, days)
    return order


def age(bench: Bench, order_id: UUID, days: float) -> None:
    bench.set(order_id, finished_at=bench.ago(days=days), created_at=bench.ago(days=days))


def left(bench: Bench) -> dict[str, set[UUID]]:
    """The orders that each table still knows."""
    columns = {"orders": orders.c.id, "events": order_events.c.order_id, "swaps": swaps.c.order_id}
    with bench.db.connect() as conn:
        return {name: set(conn.execute(select(column)).scalars()) for name, column in columns.items()}


def test_what_ended_longer_ago_goes_whole_and_the_rest_stays_whole(own: Bench) -> None:
    old, young = ended(own, days=KEEP + 0.01), ended(own, days=KEEP - 0.01)
    live = own.place()
    own.set(live.id, created_at=own.ago(days=1000), updated_at=own.ago(days=1000))
    cancelled = own.place()
    own.intake.cancel(cancelled.id)
    age(own, cancelled.id, KEEP + 1)
    trail = own.trail(young.id)

    assert Retention(own.db, days=KEEP).remove_old() == (2, False)

    stay = {young.id, live.id}
    assert left(own) == {"orders": stay, "events": stay, "swaps": {young.id}}
    assert own.trail(young.id) == trail
    # The chain forgets nothing: its ledger is what an audit compares with.
    assert len(own.ledgered(old.id)) == 1


def test_a_removed_orders_key_never_places_another(own: Bench) -> None:
    old = ended(own, days=KEEP + 1, key="key-of-old")
    assert Retention(own.db, days=KEEP).remove_old() == (1, False)
    for amount in (10**9, 2 * 10**9):
        with pytest.raises(Conflict, match=f"{old.id}, which ended as confirmed") as refused:
            own.place(amount=amount, key="key-of-old")
        assert (refused.value.code, refused.value.status) == ("idempotency_key_spent", 409)
    # Nothing was stored, and no number used up.
    assert own.place(key="another-key").number == old.number + 1
    with own.db.connect() as conn:
        kept = conn.execute(select(spent_keys)).one()
    assert (kept.idempotency_key, kept.order_id, kept.status) == ("key-of-old", old.id, "confirmed")


def test_repeats_while_it_is_removed_find_the_order_or_are_refused(own: Bench) -> None:
    """Whatever the moment: the one order, or a refusal, and never a second order."""

    def repeat(key: str) -> UUID | str:
        try:
            return own.place(key=key).id
        except Conflict as e:
            return e.code

    with ThreadPoolExecutor(8) as pool:
        for n in range(10):
            key = f"race-{n:04}"
            order = own.place(key=key)
            own.intake.cancel(order.id)
            age(own, order.id, KEEP + 1)
            go = threading.Barrier(9)

            def both(key: str = key, go: threading.Barrier = go) -> list[UUID | str]:
                go.wait(30)
                return [repeat(key) for _ in range(4)]

            answers = [pool.submit(both) for _ in range(8)]
            go.wait(30)
            while not left(own)["orders"].isdisjoint({order.id}):
                Retention(own.db, days=KEEP).remove_old()
            assert {a for f in answers for a in f.result(30)} <= {order.id, "idempotency_key_spent"}
            assert left(own)["orders"] == set()


def test_a_key_that_is_being_asked_for_keeps_its_order_until_the_next_time(own: Bench) -> None:
    order = ended(own, days=KEEP + 1, key="asked-for")
    old = Retention(own.db, days=KEEP)
    with own.db.execution_options(isolation_level="READ COMMITTED").begin() as conn:
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("asked-for", 0))))
        assert old.remove_old() == (0, False)
        assert left(own)["orders"] == {order.id}
    assert old.remove_old() == (1, False)


def test_one_worker_removes_at_a_time(own: Bench) -> None:
    ended(own, days=KEEP + 1)
    with own.db.execution_options(isolation_level="READ COMMITTED").begin() as conn:
        conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": statements.LOCK_NUMBER})
        assert Retention(own.db, days=KEEP).remove_old() == (0, False)
    assert Retention(own.db, days=KEEP).remove_old() == (1, False)


def test_it_ends_in_time_and_says_that_there_is_more(own: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for order in [own.place() for _ in range(5)]:
        own.intake.cancel(order.id)
        age(own, order.id, KEEP + 1)
    monkeypatch.setattr(retention, "BATCH", 2)
    old = Retention(own.db, days=KEEP)
    monkeypatch.setattr(retention, "BUSY_S", 0.0)
    assert old.once()
    monkeypatch.setattr(retention, "BUSY_S", 60.0)
    assert old.remove_old() == (5, False)
    assert not old.once()


def test_nothing_is_removed_unless_days_are_set() -> None:
    assert load({}, Path("/nowhere")).keep_days is None
    assert load({"OEE_KEEP_DAYS": "90"}, Path("/nowhere")).keep_days == 90
    for wrong in ("0", "-1", "1.5", "forever"):
        with pytest.raises(BadSetting, match="OEE_KEEP_DAYS"):
            load({"OEE_KEEP_DAYS": wrong}, Path("/nowhere"))
