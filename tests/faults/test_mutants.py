"""Each way in which a change could break the promise, and the fault that shows it.

Every scenario runs twice: with the engine as it is, where the verdict has to be clean, and with the break
in it, where it must not be. A scenario that no longer tells the two apart fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import IntegrityError

from oee_daemon.engine import intake as intake_module
from oee_daemon.queue import queue_broker as broker_module
from oee_daemon.queue.queue_broker import NAMESPACE, QUEUE
from oee_daemon.store import creating_sql
from tests.faults.mutants import WORKERS
from tests.kit.daemons import until
from tests.kit.killing import Bench, ForkedWorker

Scenario = Callable[[Bench, str | None, pytest.MonkeyPatch], None]


def dies(place: str) -> Scenario:
    """The worker is killed once at `place`."""

    def run(bench: Bench, mutant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OEE_FAILPOINTS", f"{place}=kill*1")
        bench.place()
        with bench.worker(mutant) as worker:
            bench.wait(worker)
            bench.wait_death(place)

    return run


def misbehaves(**fault: Any) -> Scenario:
    """The chain misbehaves once."""

    def run(bench: Bench, mutant: str | None, _monkeypatch: pytest.MonkeyPatch) -> None:
        bench.fault(target="chain", remaining=1, **fault)
        bench.place()
        with bench.worker(mutant) as worker:
            bench.wait(worker)

    return run


def freezes(bench: Bench, mutant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is frozen in the middle of an order; another goes on with it and is frozen with the swap
    stored; the first wakes up and tries to make its move."""
    monkeypatch.setenv("OEE_FAILPOINTS", "before_building=freeze*1")
    order_id = bench.place()
    with bench.worker(mutant) as first:
        until(lambda: _stopped(first), what="the first freeze")
        with bench.db.connect() as conn:
            conn.execute(text("UPDATE orders SET lease_until = now() - interval '1 second'"))
        monkeypatch.setenv("OEE_FAILPOINTS", "after_submitted=freeze*1")
        bench.move()
        with bench.worker(mutant) as second:
            until(lambda: _stopped(second), what="the second freeze")
            _wake(first)
            # It gives its message back, or has moved the order behind the second one's back.
            until(
                lambda: bench.broker.client.hlen(MESSAGES) == 0 or len(bench.history.events(order_id)) > 4,
                what="the first worker's move",
            )
            _wake(second)
            bench.wait(second)


def lags(bench: Bench, mutant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies when it has sent; the next one comes after the swap's last height, and one node of two is
    still far behind, for longer than one look waits for it."""
    monkeypatch.setenv("OEE_FAILPOINTS", "sent=kill*1")
    bench.fault(target="node 2", kind="lag", ms=600_000, remaining=60)
    bench.place()
    with bench.worker(mutant) as worker:
        until(lambda: bench.deaths() and worker.stopped(), what="the death")
        with bench.db.connect() as conn:
            conn.execute(text("UPDATE swaps SET last_valid_height = -1"))
        bench.wait(worker)


MESSAGES = f"{NAMESPACE}:{QUEUE}.msgs"


def _wake(worker: ForkedWorker) -> None:
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGCONT)


def _stopped(worker: ForkedWorker) -> bool:
    stat = Path(f"/proc/{worker.pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "T"


def dies_before_it_is_seen(bench: Bench, mutant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies before it has stored the swap; what was sent by then is not on the chain yet when the
    next one looks."""
    bench.fault(target="chain", kind="late", ms=3000, remaining=1)
    dies("before_submitted")(bench, mutant, monkeypatch)


SCENARIOS: dict[str, Scenario] = {
    "send_before_storing": dies_before_it_is_seen,
    "no_compare_and_set": freezes,
    "end_an_attempt_on_a_timeout": misbehaves(kind="mute"),
    "sign_anew_while_the_old_bytes_live": dies("sent"),
    "confirm_from_a_sends_answer": misbehaves(kind="drop"),
    "reject_from_a_sends_answer": misbehaves(kind="lose"),
    "height_from_one_node_and_status_from_another": lags,
}


@pytest.mark.parametrize("name", WORKERS)
def test_the_engine_stands_where_a_broken_one_falls(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    SCENARIOS[name](bench, None, monkeypatch)
    verdict = bench.verdict()
    assert verdict.kept, verdict


@pytest.mark.parametrize("name", WORKERS)
def test_a_broken_engine_is_caught(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    SCENARIOS[name](bench, name, monkeypatch)
    assert not bench.verdict().kept, f"the mutant {name} lives"


def second_live_swap(db: Engine, order_id: UUID) -> None:
    """Stores one more signed swap for an order that has one."""
    with db.connect() as conn:
        conn.execute(
            text(
                "INSERT INTO swaps (order_id, attempt, signature, raw, last_valid_height)"
                " VALUES (:id, 99, :signature, '', 0)"
            ),
            {"id": order_id, "signature": str(uuid4())},
        )


@pytest.mark.parametrize("broken", [False, True])
def test_the_index_on_live_swaps_is_the_last_line(bench: Bench, broken: bool) -> None:
    order_id = bench.place()
    with bench.worker() as worker:
        bench.wait(worker)
    if broken:
        with bench.db.connect() as conn:
            conn.execute(text("DROP INDEX swaps_one_live"))
        second_live_swap(bench.db, order_id)
    else:
        with pytest.raises(IntegrityError, match="swaps_one_live"):
            second_live_swap(bench.db, order_id)


def rung_and_visible(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the order can be seen by others at the moment its bell rings."""
    url = make_url(str(bench.settings.database_url))
    seen: list[bool] = []
    ring = broker_module.ring_all

    def watched(broker: Any, order_ids: Sequence[UUID], **how: bool) -> bool:
        with psycopg.connect(
            host=str(url.query["host"]), port=str(url.query["port"]), user=url.username, dbname=url.database
        ) as conn:
            seen.append(
                conn.execute("SELECT 1 FROM orders WHERE id = %s", [order_ids[0]]).fetchone() is not None
            )
        return ring(broker, order_ids, **how)

    monkeypatch.setattr(intake_module, "ring_all", watched)
    bench.place()
    until(lambda: seen, what="the ring")
    return seen[0]


def test_the_bell_rings_after_the_commit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rung_and_visible(bench, monkeypatch)


def test_a_bell_before_the_commit_is_caught(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    create = creating_sql.create

    async def rings_first(line: Any, order_id: UUID, *order: Any) -> Any:
        getattr(intake_module, "ring_all")(bench.broker, [order_id])  # noqa: B009
        return await create(line, order_id, *order)

    monkeypatch.setattr(creating_sql, "create", rings_first)
    assert not rung_and_visible(bench, monkeypatch), "the mutant ring_before_commit lives"
