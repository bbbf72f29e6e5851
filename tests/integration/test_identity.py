"""A database that is not where it was: what is live is in doubt until the chain has been asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_identity
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_identity import NOWHERE, Identity
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import ChainUnavailable, Conflict, Unavailable
from oee_daemon.networks.chain import FillPage, LandingPage, ListedLanding
from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.orders.order import Order
from oee_daemon.store import engine_row, move_sql
from oee_daemon.store.cancel_sql import Chosen
from oee_daemon.store.database import open_database
from oee_daemon.store.engine_row import where
from tests.kit.engine import Bench
from tests.kit.hooked_chain import HookedChain
from tests.kit.now import now
from tests.kit.waiting import limit

CONFIRMED = ["pending", "routing", "building", "submitted", "confirmed"]


def identity(bench: Bench, mark: Path | None = None, chain: SimulatedChain | None = None) -> Identity:
    return Identity(bench.db, bench.network(chain or bench.chain()), now, mark=mark)


def execute(bench: Bench, sql: str, **values: object) -> None:
    with bench.db.connect() as conn:
        conn.execute(text(sql), values)


def forget(bench: Bench, order_id: UUID, events: int) -> None:
    """Takes the database back to the order's first `events`, as if the rest had never been flushed."""
    status = CONFIRMED[events - 1]
    execute(bench, "DELETE FROM order_events WHERE order_id = :id AND seq > :seq", id=order_id, seq=events)
    execute(bench, "DELETE FROM swaps WHERE order_id = :id", id=order_id)
    execute(
        bench,
        "UPDATE orders SET status = :status, event_seq = :seq, signature = NULL, filled_in = NULL,"
        " filled_out = NULL, fee = NULL, finished_at = NULL, next_run_at = now() WHERE id = :id",
        id=order_id, status=status, seq=events,
    )  # fmt: skip


def executed_and_forgotten(bench: Bench, events: int = 1) -> Order:
    order = bench.place()
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    bench.clock.wind(s=1)
    forget(bench, order.id, events)
    return order


def other_timeline(bench: Bench, _mark: Path) -> None:
    execute(bench, "UPDATE engine SET timeline = '0000000A'")


def other_server(bench: Bench, _mark: Path) -> None:
    execute(bench, "UPDATE engine SET server = '1'")


def log_ends_early(_bench: Bench, mark: Path) -> None:
    server, timeline, flushed = json.loads(mark.read_text())
    mark.write_text(json.dumps([server, timeline, flushed + 2**40]))


def unknown_landing(bench: Bench, _mark: Path) -> None:
    executed_and_forgotten(bench)
    execute(bench, "DELETE FROM orders WHERE finished_at IS NULL AND created_at = (SELECT max(created_at)"
                   " FROM orders)")  # fmt: skip


GAPS = [other_timeline, other_server, log_ends_early, unknown_landing]


@pytest.mark.parametrize("gap", GAPS)
def test_a_database_that_is_not_where_it_was_puts_live_orders_in_doubt_once(
    bench: Bench, tmp_path: Path, gap: Callable[[Bench, Path], None]
) -> None:
    mark = tmp_path / "mark"
    identity(bench, mark).settle()
    order = bench.place()
    identity(bench, mark).settle()
    assert bench.order(order.id).status is Status.PENDING
    gap(bench, mark)
    identity(bench, mark).settle()
    assert bench.trail(order.id) == CONFIRMED[:4]
    with bench.db.connect() as conn:
        assert move_sql.cancel(conn, order.id) is None
    fence = bench.order(order.id).fence
    identity(bench, mark).settle()
    assert bench.order(order.id).fence == fence


def test_a_change_under_a_running_worker_is_noticed_at_its_next_look(bench: Bench) -> None:
    one, two = identity(bench), identity(bench)
    one.look()
    two.look()
    order = bench.place()
    one.look()
    assert bench.order(order.id).status is Status.PENDING
    execute(bench, "UPDATE engine SET timeline = '0000000A'")
    one.known = one.known and one.known._replace(timeline="0000000A")
    one.look()
    assert bench.order(order.id).status is Status.SUBMITTED
    assert one.known and two.known and one.known.timeline == two.known.timeline == "00000001"


def test_a_start_waits_for_a_database_that_takes_no_writes(bench: Bench) -> None:
    url = bench.db.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    read_only = open_database(url, pool_size=1)
    found = Identity(read_only, bench.network(bench.chain()), now)
    engine_identity.try_to_settle(found)
    read_only.dispose()
    assert not found.settled


def test_only_where_the_database_is_known_to_be_anything_is_claimed(bench: Bench) -> None:
    """From the first moment on: nobody looks between two beats."""
    with bench.db.connect() as conn:
        here = where(conn)
    assert here is not None
    order = bench.place()
    execution = bench.execution()
    other_timeline = here._replace(timeline="0000000A")
    restarted = here._replace(started=here.started - timedelta(seconds=1))
    for place in (NOWHERE, other_timeline, restarted):
        execution.slots.where = place
        execution.run(order.id)
        assert bench.trail(order.id) == ["pending"]
    execution.slots.where = here
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED


@pytest.mark.parametrize("gap", [other_timeline, other_server, log_ends_early])
def test_where_the_database_may_have_forgotten_nothing_is_cancelled(
    bench: Bench, tmp_path: Path, gap: Callable[[Bench, Path], None]
) -> None:
    """Also while the chain can't be asked what became of the order."""
    mark = tmp_path / "mark"
    ours = identity(bench, mark)
    ours.settle()
    order = bench.place()
    gap(bench, mark)
    mute = identity(bench, mark, MuteChain(bench.ledger, clock=bench.clock))
    intake = Intake(bench.db, bench.line, bench.broker, bench.feed, network="simulated", identity=mute)
    with pytest.raises(Unavailable, match="not known yet"):
        intake.cancel(order.id)
    assert bench.trail(order.id) == ["pending"]
    intake = Intake(
        bench.db, bench.line, bench.broker, bench.feed, network="simulated", identity=identity(bench, mark)
    )
    with pytest.raises(Conflict):
        intake.cancel(order.id)
    assert bench.trail(order.id) == CONFIRMED[:4]


def cancelled(intake: Intake, _editing: Editing, order: Order) -> None:
    intake.cancel(order.id)


def cancelled_with_all(intake: Intake, _editing: Editing, order: Order) -> None:
    done = intake.cancel_many(Chosen())
    assert (done.count, done.sent) == (0, [order.id])
    raise Conflict("sent")


def edited(_intake: Intake, editing: Editing, order: Order) -> None:
    now(editing.edit(order.id, lambda _: {"target_price": Decimal(80)}))


@pytest.mark.parametrize("change", [cancelled, cancelled_with_all, edited])
def test_a_database_that_takes_over_between_the_look_and_the_statement_changes_no_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: Callable[[Intake, Editing, Order], None]
) -> None:
    ours = identity(bench)
    ours.settle()
    order = limit(bench, "0.9") if change is edited else bench.place()
    before = bench.row(order.id)
    # Seen last where it was before; from the next look on it is seen where it is.
    other_timeline(bench, Path())
    assert ours.known is not None
    ours.known = old = ours.known._replace(timeline="0000000A")
    seen, look = [old], engine_row.where
    monkeypatch.setattr(engine_row, "where", lambda conn: seen.pop() if seen else look(conn))
    parts = (bench.db, bench.line, bench.broker, bench.feed)
    network = bench.network(bench.chain())
    editing = Editing(bench.db, bench.feed, network, Placing(network), identity=ours)
    with pytest.raises(Conflict):
        change(Intake(*parts, network="simulated", identity=ours), editing, order)
    row = bench.row(order.id)
    assert (row.status, row.target_price) == ("submitted", before.target_price)
    assert not seen


class MuteChain(HookedChain):
    async def fills(self, **_what: Any) -> FillPage:
        raise ChainUnavailable("mute")


def test_while_the_chain_can_not_be_asked_nothing_counts_as_settled(bench: Bench, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    one = identity(bench, mark, MuteChain(bench.ledger, clock=bench.clock))
    with pytest.raises(ChainUnavailable):
        one.look()
    assert not one.settled
    two = identity(bench, mark)
    two.look()
    assert two.settled
    server, timeline, flushed = json.loads(mark.read_text())
    three = identity(bench, mark, MuteChain(bench.ledger, clock=bench.clock))
    three.known, three.settled = two.known, True
    three.look()
    mark.write_text(json.dumps([server, timeline, flushed + 2**40]))
    with pytest.raises(ChainUnavailable):
        three.look()
    assert not three.settled


class ReadingChain(HookedChain):
    """Notes which landings it is asked to read."""

    read: list[str]

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        self.read = [*getattr(self, "read", []), *signatures]
        return await super().fills_of(signatures)


def test_only_landings_that_the_database_does_not_have_are_read(bench: Bench) -> None:
    """An endpoint without batches, or with a rate, tells hundreds of them one after another for ever."""
    identity(bench).settle()
    orders = [bench.place() for _ in range(7)]
    for order in orders:
        assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    bench.clock.wind(s=1)
    chain = ReadingChain(bench.ledger, clock=bench.clock)
    identity(bench, chain=chain).settle()
    assert not hasattr(chain, "read")
    (gone,) = bench.ledgered(orders[0].id)
    execute(bench, "UPDATE engine SET newest_fill = NULL")
    forget(bench, orders[0].id, 1)
    identity(bench, chain=chain).settle()
    assert chain.read == [gone]
    assert bench.trail(orders[0].id)[0] == "pending"


def test_whatever_landed_in_between_hides_no_forgotten_landing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_identity, "_LANDINGS", 1)
    identity(bench).settle()
    orders = [bench.place() for _ in range(3)]
    for order in orders:
        assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED
    bench.clock.wind(s=1)
    forget(bench, orders[0].id, 1)
    identity(bench).settle()
    assert bench.order(orders[0].id).status is Status.SUBMITTED


class UnreadChain(HookedChain):
    """Every landing moved something that can't be read."""

    unread: Sequence[UUID] = ()

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        return FillPage([], None, unread=self.unread)


def test_a_forgotten_landing_that_can_not_be_read_is_one_as_well(bench: Bench) -> None:
    identity(bench).settle()
    order = executed_and_forgotten(bench)
    chain = UnreadChain(bench.ledger, clock=bench.clock)
    chain.unread = [order.id]
    identity(bench, chain=chain).settle()
    assert bench.order(order.id).status is Status.SUBMITTED


class MadeUpChain(HookedChain):
    """It lists a landing that nobody tells, or a page of which nobody tells the next."""

    endless = False

    async def landings(
        self, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        if before is not None:
            raise ChainUnavailable("not known")
        return LandingPage([ListedLanding("1" * 88, datetime.now(UTC))], "1" if self.endless else None)

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        raise ChainUnavailable("listed and not told")


@pytest.mark.parametrize("endless", [True, False])
def test_a_landing_that_nobody_tells_doubts_what_is_live_and_stops_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, endless: bool
) -> None:
    """An endpoint makes it up for ever, and nothing was claimed for so long."""
    identity(bench).settle()
    order = bench.place()
    chain = MadeUpChain(bench.ledger, clock=bench.clock)
    chain.endless = endless
    ours = identity(bench, chain=chain)
    with pytest.raises(ChainUnavailable):
        ours.look()
    assert (ours.settled, bench.order(order.id).status) == (False, Status.PENDING)
    monkeypatch.setattr(engine_identity, "_UNTOLD_S", 0.0)
    ours.look()
    assert (ours.settled, bench.order(order.id).status) == (True, Status.SUBMITTED)
    with bench.db.connect() as conn:
        newest = conn.execute(text("SELECT newest_fill FROM engine")).scalar()
    assert newest != "1" * 88, "what is made up would hide what lands before it is listed again"
    later = bench.place()
    assert bench.run_to_end(bench.execution(), later.id).status is Status.CONFIRMED


@pytest.mark.parametrize("bound", ["_READ", "_LOOK_S"])
def test_landings_that_are_too_many_to_be_read_may_be_any(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Or to be read in time: a worker that is silent for so long is killed, and its successor as well."""
    monkeypatch.setattr(engine_identity, bound, 0)
    identity(bench).settle()
    order = executed_and_forgotten(bench)
    identity(bench, chain=UnreadChain(bench.ledger, clock=bench.clock)).settle()
    assert bench.order(order.id).status is Status.SUBMITTED
    with bench.db.connect() as conn:
        newest = conn.execute(text("SELECT newest_fill FROM engine")).scalar()
    assert newest not in bench.ledgered(order.id), "nobody knows yet whether it is real"
