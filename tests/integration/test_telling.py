"""Who is told what happens: each event at least once, whoever dies, never a word twice from one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from oee_daemon.api.told_wire import blind_json, told_json
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_telling
from oee_daemon.engine.engine_telling import Message, Program, Teller, open_targets
from oee_daemon.start_errors import StartFailed
from oee_daemon.store import halt_row, telling_sql
from tests.integration.test_plans import nodes
from tests.kit.engine import BOOK, Bench


class Listener:
    """Keeps what it is told; fails as often as it is to."""

    name = "listener"

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.failures = 0

    def tell(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no")
        self.told.append(message)

    @property
    def kinds(self) -> list[str]:
        return [message["event"] for message in self.told]


@pytest.fixture
def ear() -> Listener:
    return Listener()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_telling, "PAUSE_S", (0.0, 0.0))


def teller(bench: Bench, *targets: Any, owner: str = "one", network: str = "simulated") -> Teller:
    made = Teller(
        bench.db,
        targets,
        owner=owner,
        network=network,
        describe=lambda kind, e: told_json(kind, e, BOOK),
        describe_gap=lambda gap: blind_json(gap, BOOK),
    )
    made.once()
    return made


def fail(bench: Bench) -> str:
    order = bench.to(bench.place(), Status.ROUTING)
    assert bench.advance(order, Status.FAILED)
    return str(order.id)


def test_what_ends_is_told_once_and_a_halt_too(bench: Bench, ear: Listener) -> None:
    made = teller(bench, ear)
    order_id = fail(bench)
    bench.intake.cancel(bench.place().id)
    made.once()
    made.once()
    assert [(m["event"], m["orderId"]) for m in ear.told] == [("failed", order_id)]
    assert "sell SOL for USDC: failed" in ear.told[0]["text"]
    halt_row.halt(bench.db, "why", None)
    made.once()
    made.once()
    assert ear.kinds == ["failed", "halted"] and ear.told[1]["reason"] == "why"


def test_who_hears_it_is_told_whether_it_is_play_money(bench: Bench, ear: Listener) -> None:
    made = teller(bench, ear, network="paper")
    fail(bench)
    halt_row.halt(bench.db, "why", None)
    made.once()
    made.test()
    assert ear.kinds == ["failed", "halted", "test"]
    assert {message["network"] for message in ear.told} == {"paper"}
    assert all(message["text"].startswith("paper: ") for message in ear.told)


def test_prices_that_nobody_sees_are_told_once_for_each_time(bench: Bench, ear: Listener) -> None:
    pair = bench.place(type=OrderType.LIMIT, target_price=Decimal(500)).pair
    made = teller(bench, ear)
    opened = "INSERT INTO gaps (pair, begun, reason) VALUES (%s, clock_timestamp(), %s)"
    for reason in ("stale", "blind", "away"):
        with bench.db.begin() as conn:
            conn.exec_driver_sql(opened, (pair, reason))
        made.once()
        made.once()
        with bench.db.begin() as conn:
            conn.exec_driver_sql("UPDATE gaps SET ended = clock_timestamp()")
        made.once()
    assert [(m["event"], m["pair"], m["reason"]) for m in ear.told] == [
        ("feed_blind", "SOL/USDC", "stale"), ("feed_blind", "SOL/USDC", "blind"),
    ]  # fmt: skip
    assert "what waits for it does not fire" in ear.told[0]["text"]


def test_who_dies_before_it_is_noted_is_followed_by_one_who_tells_it_again(
    bench: Bench, ear: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = teller(bench, ear)
    fail(bench)
    monkeypatch.setattr(telling_sql, "told", lambda *what: False)
    first.once()
    monkeypatch.undo()
    second = teller(bench, ear, owner="two")
    assert ear.kinds == ["failed"], "the first one's lease holds"
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE tellings SET lease_until = now()")
    second.once()
    second.once()
    assert ear.kinds == ["failed", "failed"]


def test_a_lease_of_a_clock_that_was_set_back_keeps_nobody_from_telling(bench: Bench, ear: Listener) -> None:
    teller(bench, ear).once()
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE tellings SET lease_until = now() + interval '1 day'")
    fail(bench)
    teller(bench, ear, owner="two").once()
    assert ear.kinds == ["failed"]


def test_what_a_target_has_taken_is_not_told_again_when_the_next_word_fails(
    bench: Bench, ear: Listener
) -> None:
    deaf = Listener()
    deaf.name = "deaf"
    made = teller(bench, deaf, ear)
    fail(bench)
    deaf.failures = 2
    made.once()
    fail(bench)
    made.once()
    made.once()
    made.once()
    assert ear.kinds == deaf.kinds == ["failed", "failed"]


def test_of_a_long_absence_the_newest_are_told_and_the_others_counted(
    bench: Bench, ear: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = teller(bench, ear)
    ids = [fail(bench) for _ in range(telling_sql.MOST + 3)]
    made.once()
    assert ear.told[0]["event"] == "left_out" and ear.told[0]["count"] == 3
    assert [message["orderId"] for message in ear.told[1:]] == ids[3:]


def test_of_however_many_no_more_are_read_than_are_counted(
    bench: Bench, ear: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A target that was away for a million would be told of none: no statement ends in time."""
    monkeypatch.setattr(telling_sql, "COUNTED", 40)
    made = teller(bench, ear)
    ids = [fail(bench) for _ in range(telling_sql.MOST + 41)]
    made.once()
    assert (ear.told[0]["count"], len(ear.told)) == (40, 1 + telling_sql.MOST)
    assert ear.told[0]["text"].startswith("40 or more events") and ear.told[-1]["orderId"] == ids[-1]
    with bench.db.connect() as conn:
        conn.execute(text(_MANY))
        conn.execute(text("ANALYZE order_events"))
        asked = telling_sql._NEWS.text.replace("%(seen)s", "'3:3:'").replace("%(counted)s", "40")
        plan = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}".replace("%", "%%")).scalar_one()
    read = [
        n["Actual Rows"] * n["Actual Loops"]
        for n in nodes(plan[0]["Plan"])
        if n.get("Relation Name") == "order_events"
    ]
    assert max(read) < 2_000


#: Twenty thousand events of some hundred transactions.
_MANY = """
    INSERT INTO order_events (order_id, seq, status, attempt, at, data, xact)
    SELECT id, 100 + n, 'failed', 1, now(), '{}', (100 + n / 50)::text::xid8
    FROM (SELECT id FROM orders LIMIT 1) o, generate_series(1, 20000) n
"""


def test_a_program_is_told_by_its_input_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, heard = tmp_path / "told", tmp_path / "heard"
    program.write_text(f"#!/bin/sh\n{{ cat; env; }} > {heard}\n")
    program.chmod(0o700)
    monkeypatch.setenv("OEE_TOKEN", "a-secret")
    (made,) = open_targets(None, program)
    made.tell({"event": "test", "text": "a word"})
    first, *environ = heard.read_text().splitlines()
    assert json.loads(first) == {"event": "test", "text": "a word"}
    assert not any("OEE" in line for line in environ) and f"PATH={os.environ['PATH']}" in environ


#: Dies once the program has begun, before anything else.
DIES = """
import os, signal, subprocess, sys
from oee_daemon.engine.engine_telling import Program
subprocess.Popen.communicate = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
Program(sys.argv[1]).tell({"event": "test", "text": "a word"})
"""


def test_a_program_whose_teller_dies_has_the_whole_word(tmp_path: Path) -> None:
    program, heard = tmp_path / "told", tmp_path / "heard"
    os.mkfifo(heard)
    program.write_text(f"#!/bin/sh\ncat > {heard}\n")
    program.chmod(0o700)
    done = subprocess.run([sys.executable, "-c", DIES, str(program)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert json.loads(heard.read_text()) == {"event": "test", "text": "a word"}


def test_a_program_that_fails_or_hangs_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_telling, "DELIVERY_S", 0.2)
    program = tmp_path / "told"
    for script, why in (("echo no >&2; exit 3", "ended with 3: no"), ("sleep 60", "timed out")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        assert why in str(Teller._fault(Program(str(program)), {"event": "test"}))


def test_what_can_not_be_told_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="can't be executed"):
        open_targets(None, tmp_path / "none")
