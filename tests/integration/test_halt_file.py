"""A halt that is a file: it holds until Postgres has it, and goes with the one that was read."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from oee_daemon.boot_clock import clock_s
from oee_daemon.contract import halt_mark
from oee_daemon.engine.engine_identity import Identity
from oee_daemon.engine.engine_send_gate import Gate
from oee_daemon.engine.halting import Halting
from oee_daemon.store import halt_row
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.now import now


@pytest.fixture
def halting(bench: Bench, tmp_path: Path) -> Halting:
    return Halting(bench.db, home=tmp_path, network="simulated", home_id="home", end_worker=lambda: None)


def test_a_file_halts_until_postgres_has_it(bench: Bench, halting: Halting, tmp_path: Path) -> None:
    assert not halting.heed_mark()
    halt_mark.write(tmp_path, halt_mark.Mark("hung", "me@here"))
    gate = Gate(tmp_path)
    gate.saw(None, clock_s())
    with gate.sending() as may:
        assert gate.shut and not may
    assert halting.heed_mark()
    assert not halt_mark.is_there(tmp_path)
    found = halting.read()
    assert found is not None and (found.reason, found.by) == ("hung", "me@here")


def test_a_file_that_can_not_be_read_halts_as_well(tmp_path: Path) -> None:
    for damaged in ("{", '{"networks": 1}', '["a"]'):
        halt_mark.path_of(tmp_path).write_text(damaged)
        assert halt_mark.halts(tmp_path, "simulated")
        assert halt_mark.parse(halt_mark.content(tmp_path)) == (None, None, (), None)


def test_a_file_stays_until_the_network_that_it_names_has_the_halt(
    bench: Bench, halting: Halting, tmp_path: Path
) -> None:
    """Said to mainnet's daemon, which hung: another network that starts first is halted by it, too, and goes
    on once a person says so; mainnet starts halted all the same."""
    halt_mark.write(tmp_path, halt_mark.Mark("hung", "me@here", ("mainnet",), "1"))
    assert halting.heed_mark() and not halting.heed_mark()
    assert halting.read() is not None and halt_mark.halts(tmp_path, "mainnet")
    assert not Gate(tmp_path, "simulated").shut and Gate(tmp_path, "mainnet").shut
    assert halting.resume() is not None and not halting.heed_mark()
    # Asked for once more, of this one: what mainnet was not told of is not forgotten.
    halt_mark.write(tmp_path, halt_mark.Mark("again", None, ("simulated",), "2"))
    assert halting.heed_mark() and halt_mark.halts(tmp_path, "mainnet")
    mainnet = Halting(bench.db, home=tmp_path, network="mainnet", home_id="home", end_worker=lambda: None)
    assert mainnet.heed_mark()
    assert not halt_mark.is_there(tmp_path)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_halt_that_a_failover_forgot_holds_again(
    bench: Bench, halting: Halting, sql: psycopg.Connection[Any], tmp_path: Path, resumed: bool
) -> None:
    ours = Identity(bench.db, bench.network(bench.chain()), now, mark=tmp_path / "mark")
    ours.settle()
    halting.halt(None, None)
    if resumed:
        halting.resume()
    sql.execute("DELETE FROM halt")
    sql.execute("UPDATE engine SET timeline = '0000000A'")
    ours.settle()
    assert (halting.read() is None) is resumed
    halting.resume()
    ours.settle()
    assert halting.read() is None


def test_only_the_file_that_was_read_is_removed(
    halting: Halting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt_mark.write(tmp_path, halt_mark.Mark("first", None, ("simulated",), "1"))
    store = halt_row.halt

    def another_comes(db: Engine, reason: str | None, by: str | None) -> halt_row.Halt:
        halt_mark.write(tmp_path, halt_mark.Mark("second", None, ("simulated",), "2"))
        return store(db, reason, by)

    monkeypatch.setattr(halt_row, "halt", another_comes)
    assert halting.heed_mark()
    assert halt_mark.parse(halt_mark.content(tmp_path)).reason == "second"


@pytest.mark.parametrize("held", [False, True])
def test_a_halt_whose_file_was_heeded_before_it_was_asked_for_is_told_as_it_is(
    halting: Halting, tmp_path: Path, held: bool
) -> None:
    """The daemon looks at the file by itself, maybe between the command's writing it and its request."""
    if held:
        halting.halt("long ago", None)
    halt_mark.write(tmp_path, halt_mark.Mark("now", None, ("simulated",), "1"))
    assert halting.heed_mark()
    assert halting.halt("now", None, "1").already is held
    assert halting.halt("once more", None, "2").already
    assert halting.halt("by another client", None).already
    halting.resume()
    assert not halting.halt("again", None, "1").already


class Noted:
    """A lock that says who comes for it."""

    def __init__(self, coming: threading.Semaphore) -> None:
        self._lock, self._coming = threading.Lock(), coming

    def __enter__(self) -> None:
        self._coming.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize("halts", ["file", "request"])
def test_a_resume_is_the_last_word(
    halting: Halting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, halts: str
) -> None:
    """Somebody resumes while the file that was read, or the request, is on its way into Postgres."""
    store = halt_row.halt
    coming, storing, goes_on = threading.Semaphore(0), threading.Event(), threading.Event()

    def slow(db: Engine, reason: str | None, by: str | None) -> halt_row.Halt:
        storing.set()
        assert goes_on.wait(20)
        return store(db, reason, by)

    monkeypatch.setattr(halt_row, "halt", slow)
    monkeypatch.setattr(halting, "_turn", Noted(coming), raising=False)
    if halts == "file":
        halt_mark.write(tmp_path, halt_mark.Mark("now", None, ("simulated",), "1"))
    with ThreadPoolExecutor(2) as threads:
        halted = threads.submit(halting.heed_mark if halts == "file" else partial(halting.halt, None, None))
        assert storing.wait(20)
        while coming.acquire(blocking=False):
            pass
        resumed = threads.submit(halting.resume)
        # It has come for its turn, or had it.
        until(lambda: resumed.done() or coming.acquire(blocking=False), what="the resume")
        goes_on.set()
        assert halted.result(20)
        resumed.result(20)
    assert halting.read() is None and not halt_mark.is_there(tmp_path)


def test_a_file_that_a_resume_removed_in_between_halts_nothing(
    halting: Halting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt_mark.write(tmp_path, halt_mark.Mark("now", None, ("simulated",), "1"))
    halts = halt_mark.halts

    def then_resumed(home: Path | None, network: str) -> bool:
        found = halts(home, network)
        monkeypatch.setattr(halt_mark, "halts", halts)
        halting.resume()
        return found

    monkeypatch.setattr(halt_mark, "halts", then_resumed)
    assert not halting.heed_mark()
    assert halting.read() is None
