"""The venues are asked while a claim's commit waits for the disk; nothing else comes of it before that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from oee_daemon.contract.status import Status
from oee_daemon.engine import execution_attempt
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.store.postgres_line import SETTINGS, Line
from tests.kit.engine import Bench
from tests.kit.executions import CONFIRMED
from tests.kit.now import now


class Asked(SimulatedVenue):
    """Says when it is asked, and for which order."""

    numbers: ClassVar[list[int]] = []
    once: ClassVar[threading.Event] = threading.Event()

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        self.numbers.append(request.number)
        self.once.set()
        return await super().quote(request, deadline_s)


@pytest.fixture
def patient(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Its commits may be held, for as long as a test likes; one venue, that says when it is asked."""
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Asked)
    monkeypatch.setattr(simulated_market, "POOLS", simulated_market.POOLS[:1])
    monkeypatch.setitem(SETTINGS, "lock_timeout", "20s")
    Asked.numbers, Asked.once = [], threading.Event()
    usual, bench.line = bench.line, Line(bench.db.url)
    with bench.db.connect() as conn:
        # At the commit of who claims, not before, Postgres looks whether somebody else is that owner.
        conn.execute(
            text("ALTER TABLE orders ADD CONSTRAINT one UNIQUE (lease_owner) DEFERRABLE INITIALLY DEFERRED")
        )
    yield bench
    now(bench.line.close())
    bench.line = usual
    with bench.db.connect() as conn:
        conn.execute(text("ALTER TABLE orders DROP CONSTRAINT one"))


@contextmanager
def held(bench: Bench, owner: str) -> Iterator[Connection]:
    """A claim of that owner is not committed meanwhile; afterwards it is, or fails where this was."""
    other = bench.place().id
    with bench.db.connect() as conn:
        begun = conn.execution_options(isolation_level="READ COMMITTED").begin()
        conn.execute(text("UPDATE orders SET lease_owner = :o WHERE id = :id"), {"o": owner, "id": other})
        yield conn
        if begun.is_active:
            begun.rollback()


@pytest.fixture
def told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The orders of which somebody was told."""
    found: list[UUID] = []
    monkeypatch.setattr(bench.feed, "publish", lambda *ids: found.extend(ids))
    return found


@pytest.mark.parametrize(("serves_s", "times"), [(60.0, 1), (0.0, 2)])
def test_the_venues_are_asked_while_the_claim_waits_for_the_disk(
    patient: Bench, told: list[UUID], monkeypatch: pytest.MonkeyPatch, serves_s: float, times: int
) -> None:
    monkeypatch.setattr(execution_attempt, "AHEAD_S", serves_s)
    order, execution = patient.place(), patient.execution()
    told.clear()
    with ThreadPoolExecutor(1) as pool, held(patient, "one"):
        run = pool.submit(execution.run, order.id)
        assert Asked.once.wait(20)
        # As far as anybody knows nothing has happened.
        assert patient.order(order.id).status is Status.PENDING
        assert not told and not run.done()
    run.result(20)
    assert patient.trail(order.id) == CONFIRMED
    # What was asked for long before the claim was durable is asked again.
    assert Asked.numbers == [order.number] * times


def test_nothing_comes_of_a_claim_whose_commit_fails_but_another(patient: Bench, told: list[UUID]) -> None:
    order, execution = patient.place(), patient.execution(chain := patient.chain())
    told.clear()
    with ThreadPoolExecutor(1) as pool, held(patient, "one") as conn:
        run = pool.submit(execution.run, order.id)
        assert Asked.once.wait(20)
        conn.commit()
    assert run.result(20) is None
    assert patient.trail(order.id) == ["pending"]
    assert (told, chain.sent) == ([], [])
    with patient.db.connect() as other:
        other.execute(text("UPDATE orders SET lease_owner = NULL WHERE lease_owner = 'one'"))
    patient.wake(order.id)
    execution.run(order.id)
    assert patient.trail(order.id) == CONFIRMED
    assert Asked.numbers == [order.number] * 2
