"""A halt: nothing is stored or sent once it has returned, whatever was under way; and what goes on then."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from oee_daemon.boot_clock import clock_s
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_send_gate
from oee_daemon.engine.engine_send_gate import FRESH_S, Gate
from oee_daemon.engine.halting import Halting
from oee_daemon.errors import Halted
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import engine_row, halt_row, readiness_sql
from tests.integration.test_identity import execute, identity, other_timeline
from tests.kit.daemons import until
from tests.kit.engine import Bench


@pytest.fixture
def halting(bench: Bench, tmp_path: Path) -> Halting:
    return Halting(
        bench.db, home=tmp_path, network="simulated", home_id="home", end_worker=lambda: ended.append("w")
    )


#: Who had to be killed.
ended: list[str] = []


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    ended.clear()
    yield
    ended.clear()


def test_nothing_is_accepted_but_what_was(bench: Bench, halting: Halting) -> None:
    before = bench.place(key="the-same-key")
    halting.halt(None, None)
    assert bench.place(key="the-same-key").id == before.id
    terms = terms_of({"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 1})
    for key in (None, "a-new-key"):
        with pytest.raises(Halted):
            bench.place(key=key)
        with pytest.raises(Halted):
            bench.loop.run(bench.intake.check(terms, key))
    halting.resume()
    assert bench.place(key="a-new-key").number == before.number + 1


def test_an_order_stays_where_it_is_and_goes_on_when_the_halt_is_over(bench: Bench, halting: Halting) -> None:
    execution, pending = bench.execution(), bench.place()
    building = bench.to(bench.place(), Status.ROUTING, Status.BUILDING)
    late = bench.place()
    bench.set(late.id, expires_at=bench.ago(seconds=1))
    halting.halt(None, None)
    bench.set(building.id, lease_until=None)
    for order in (pending, building, late):
        execution.run(order.id)
    assert bench.order(pending.id).status is Status.PENDING
    assert bench.order(building.id).status is Status.BUILDING
    assert bench.order(late.id).status is Status.EXPIRED
    assert bench.intake.cancel(building.id).status is Status.CANCELLED
    with bench.db.connect() as conn:
        assert readiness_sql.look(conn, "simulated").moving
    recovery = bench.recovery(execution)
    assert recovery.take_up()[0] == 0
    halting.resume()
    recovery.beat()
    assert bench.run_to_end(execution, pending.id).status is Status.CONFIRMED


def test_an_order_that_a_halt_meets_while_it_is_signed_lets_go(bench: Bench, halting: Halting) -> None:
    chain = bench.chain()
    chain.before_anchor = lambda: setattr(chain, "told", halting.halt(None, None))
    order = bench.place()
    bench.execution(chain).run(order.id)
    found = bench.row(order.id)
    assert (found.status, found.lease_owner, chain.sent) == ("building", None, [])
    assert bench.swaps(order.id) == []
    halting.resume()
    chain.before_anchor = lambda: None
    assert bench.run_to_end(bench.execution(chain), order.id).status is Status.CONFIRMED


def test_what_was_sent_is_asked_about_and_never_sent_again(bench: Bench, halting: Halting) -> None:
    """Its first send is lost on its way, and it lapses, which costs it no attempt."""
    chain = bench.chain()
    execution = bench.execution(chain, max_attempts=1)
    recovery = bench.recovery(execution)
    recovery.beat()
    bench.fault("chain", "drop")

    def halt() -> None:
        chain.before_outcome = lambda: None
        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(halting.halt, None, None)
            until(lambda: done.done() or (recovery.beat(), done.done())[1], what="the halt")
        assert done.result().unanswered == []
        told.extend(done.result().may_land)

    told: list[halt_row.MayLand] = []
    chain.before_outcome = halt
    order = bench.place()
    execution.run(order.id)
    assert len(chain.sent) == 1
    assert [swap.signature for swap in told] == chain.sent
    assert (bench.order(order.id).status, bench.swaps(order.id)) == (Status.PENDING, [(1, "lapsed")])


def test_a_halt_that_was_stored_where_the_database_is_no_more_is_stored_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One that lost its place still answers on some connections: nobody who works would read it there."""
    ours = identity(bench)
    ours.settle()
    assert ours.known is not None
    other_timeline(bench, Path())
    ours.known = old = ours.known._replace(timeline="0000000A")
    seen, look = [old], engine_row.where
    monkeypatch.setattr(engine_row, "where", lambda conn: seen.pop() if seen else look(conn))
    halt = halt_row.halt
    tried: list[halt_row.Halt] = []

    def elsewhere(db: Engine, reason: str | None, by: str | None) -> halt_row.Halt:
        stored = halt(db, reason, by)
        if not tried:
            execute(bench, "DELETE FROM halt")
        tried.append(stored)
        return stored

    monkeypatch.setattr(halt_row, "halt", elsewhere)
    halting = Halting(
        bench.db, home=tmp_path, network="simulated", home_id="h", end_worker=lambda: None, identity=ours
    )
    halting.halt("storm", None)
    found = halting.read()
    assert found is not None and found.reason == "storm"
    assert not seen and len(tried) == 2


def test_a_halt_waits_for_each_worker_and_names_who_does_not_answer(
    bench: Bench, halting: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.engine.halting.QUIET_S", 0.2)
    recovery = bench.recovery(owner="elsewhere")
    recovery.beat()
    with bench.db.connect() as conn:
        for owner in ("home:dead", "home:frozen"):
            readiness_sql.beat(conn, owner, "simulated")
    done = halting.halt("a reason", "me@here")
    assert (done.already, done.killed, ended) == (False, True, ["w"])
    assert [worker.owner for worker in done.unanswered] == ["elsewhere"]
    recovery.beat()
    again = halting.halt(None, "you@there")
    assert (again.already, again.unanswered) == (True, [])
    assert again.halt == done.halt
    assert halting.resume() == done.halt and halting.resume() is None


def test_who_is_not_quiet_is_left_alone_once_somebody_has_resumed(
    bench: Bench, halting: Halting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.engine.halting.QUIET_S", 0.2)
    with bench.db.connect() as conn:
        readiness_sql.beat(conn, "home:1", "simulated")
    wait = halting._wait_until_quiet

    def resumed(halt: halt_row.Halt) -> Any:
        assert halting.resume() == halt
        return wait(halt)

    monkeypatch.setattr(halting, "_wait_until_quiet", resumed)
    assert not halting.halt(None, None).killed
    assert (ended, halting.read()) == ([], None)


@pytest.mark.parametrize("own", ["beats", "hangs"])
def test_a_halt_waits_for_whoever_postgres_has_lost(
    bench: Bench, halting: Halting, sql: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    """A crash of Postgres, or a standby that takes over, empties the table of workers, of which those that
    live say only at their next beat that they are there: until then they may send."""
    monkeypatch.setattr("oee_daemon.engine.halting.FRESH_S", 1.0)
    recovery = bench.recovery(owner="home:1")
    sql.execute("TRUNCATE workers")
    begun = clock_s()
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(halting.halt, None, None)
        until(lambda: halting.read() is not None, what="the row of the halt")
        if own == "beats":
            recovery.beat()
        bench.recovery(owner="elsewhere").beat()
        assert (done.result().unanswered, ended) == ([], ["w"] if own == "hangs" else [])
    assert clock_s() - begun >= 1.0
    begun = clock_s()
    halting.halt(None, None)
    assert clock_s() - begun < 1.0, "once is enough"


@pytest.mark.parametrize("jump", ["1 hour", "-1 hour"])
def test_a_halt_waits_for_whoever_seems_gone_since_the_clock_of_postgres_jumped(
    bench: Bench, halting: Halting, sql: psycopg.Connection[Any], jump: str
) -> None:
    """The first beat after the jump forgets all others, who may send until their own next one."""
    first, other = bench.recovery(owner="home:1"), bench.recovery(owner="elsewhere")
    other.beat()
    sql.execute("UPDATE workers SET seen_at = seen_at - %s::interval WHERE owner <> ''", (jump,))
    first.beat()
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(halting.halt, None, None)
        until(lambda: halting.read() is not None, what="the row of the halt")
        first.beat()
        with pytest.raises(TimeoutError):
            done.result(1.0)
        other.beat()
        assert (done.result().unanswered, ended) == ([], [])


def test_a_worker_that_only_ends_what_it_has_is_asked_too(bench: Bench, halting: Halting) -> None:
    recovery = bench.recovery(owner="leaving")
    recovery.beat()
    recovery.leave()
    with bench.db.connect() as conn:
        assert not readiness_sql.look(conn, "simulated").worker
        assert [worker.owner for worker in halt_row.workers(conn)] == ["leaving"]
    recovery.end()
    with bench.db.connect() as conn:
        assert halt_row.workers(conn) == []


def test_the_gate_is_shut_to_who_was_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(tmp_path)
    with gate.sending() as may:
        assert not may, "nobody has looked yet"
    gate.saw(None, clock_s())
    with gate.sending() as may:
        assert may
    later = clock_s() + FRESH_S + 0.1
    monkeypatch.setattr(engine_send_gate, "clock_s", lambda: later)
    with gate.sending() as may:
        assert not may
    gate.saw(None, later)
    with gate.sending() as may:
        assert may


def test_who_is_sending_is_not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, sends = Gate(), threading.Event()
    with ThreadPoolExecutor(1) as threads:
        with gate.sending() as may:
            assert may
            gate.saw(1, clock_s())
            quiet = threads.submit(gate.is_quiet)
            with gate.sending() as another:
                assert not another
            assert not quiet.done() and not sends.is_set()
        assert quiet.result(5)
    monkeypatch.setattr(engine_send_gate, "SENDS_S", 0.01)
    gate.saw(None, clock_s())
    with gate.sending():
        assert not gate.is_quiet()
