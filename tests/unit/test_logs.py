"""One line an event, as JSON, with nothing in it that moves a cursor."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from oee_daemon.logs import clean, configure

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def restored() -> Iterator[None]:
    """What `configure` changes is as it was after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    switches = {name: getattr(logging, name) for name in ("logThreads", "logProcesses", "logMultiprocessing")}
    names = ("dramatiq", "alembic", "uvicorn", "uvicorn.access")
    levels = {name: logging.getLogger(name).level for name in names}
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, former in switches.items():
        setattr(logging, name, former)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    """Everything that is logged, as the daemon would log it."""
    taken = io.StringIO()
    configure("info", taken)
    return taken


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


log = logging.getLogger("oee_daemon.test")


def test_an_event_is_one_line_with_its_columns(lines: Lines) -> None:
    order_id = UUID(int=7)
    log.info("moved %s", "on", extra={"order_id": order_id, "attempt": 2, "venue": None})
    (line,) = lines()
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "oee_daemon.test",
        "event": "moved on",
        "order_id": str(order_id),
        "attempt": 2,
    }


def test_the_daemons_own_handler_writes_to_standard_error_and_waits_for_no_lock(
    restored: None, capfd: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    (handler,) = logging.getLogger().handlers
    writer = threading.Thread(target=log.info, args=("written",), daemon=True)
    handler.acquire()
    writer.start()
    writer.join(10)
    waits = writer.is_alive()
    handler.release()
    assert not waits
    assert json.loads(capfd.readouterr().err)["event"] == "written"


def test_a_level_below_the_configured_one_is_left_out(lines: Lines) -> None:
    log.debug("nothing")
    log.warning("something")
    assert [line["event"] for line in lines()] == ["something"]


def test_a_traceback_stays_on_its_line(lines: Lines) -> None:
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        log.exception("broken")
    (line,) = lines()
    assert "RuntimeError: boom" in line["traceback"]


def test_control_characters_are_stripped_from_text() -> None:
    assert clean("a\x1b[31mb\x9bc\x7fd\ne\u2028f\x00g") == "a·[31mb·c·d·e·f·g"
    assert clean("tab\tstays, and so do ticks ✓") == "tab\tstays, and so do ticks ✓"


EVIL = "price\x1b[2J\x9b31m\x7f\u2028\nforged"


def test_a_message_can_neither_forge_a_line_nor_move_a_cursor(stream: io.StringIO, lines: Lines) -> None:
    log.info("venue says %s", EVIL)
    assert len(lines()) == 1
    assert not set(stream.getvalue()[:-1]) & set("\x1b\x9b\x7f\u2028\n")


def test_a_value_can_neither_forge_a_line_nor_move_a_cursor(stream: io.StringIO) -> None:
    log.info("sent without an answer", extra={"reason": EVIL})
    assert not set(stream.getvalue()[:-1]) & set("\x1b\x9b\x7f\u2028\n")


def test_a_traceback_can_neither_forge_a_line_nor_move_a_cursor(stream: io.StringIO) -> None:
    try:
        raise RuntimeError(EVIL)
    except RuntimeError:
        log.exception("broken")
    assert not set(stream.getvalue()[:-1]) & set("\x1b\x9b\x7f\u2028\n")


def test_others_are_quieter(lines: Lines) -> None:
    logging.getLogger("dramatiq.worker").warning("no")
    logging.getLogger("alembic.runtime").info("no")
    logging.getLogger("uvicorn.access").info("no")
    logging.getLogger("dramatiq.worker").error("yes")
    assert [line["event"] for line in lines()] == ["yes"]


def test_others_that_repeat_themselves_are_heard_once_a_second(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = logging.getLogger("asyncio")
    # However long five hundred take.
    monkeypatch.setattr("oee_daemon.logs.REPEAT_S", 3600)
    for number in range(500):
        try:
            raise OSError(24, "Too many open files")
        except OSError:
            other.exception("no descriptor for socket %s", number)
    assert len(lines()) == 1
    # A second later.
    monkeypatch.setattr("oee_daemon.logs.REPEAT_S", 0)
    try:
        raise OSError(24, "Too many open files")
    except OSError:
        other.exception("no descriptor")
    assert [line.get("repeated") for line in lines()] == [None, 499]


def test_a_warning_of_ours_repeats_itself_only_with_the_same_values(lines: Lines) -> None:
    for number in (1, 2, 2, 3):
        log.warning("sent without an answer", extra={"order_id": number})
        log.info("moved")
    assert [line["order_id"] for line in lines() if "order_id" in line] == [1, 2, 3]
    assert [line["event"] for line in lines()].count("moved") == 4


def test_what_ends_a_thread_is_a_line_too(stream: io.StringIO, lines: Lines) -> None:
    def fail() -> None:
        raise RuntimeError("boom")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    (line,) = lines()
    assert "RuntimeError: boom" in line["traceback"]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_nobody_waits_for_who_reads_the_log(
    restored: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A terminal that was stopped, a frozen `tee`, a journal that hangs: no order stands still for them."""
    ends = os.pipe() if kind == "pipe" else [end.detach() for end in socket.socketpair()]
    with open(ends[0]) as reader, open(ends[1], "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        configure("info")

        def say_much() -> None:
            # More than any of them takes in before somebody reads.
            for n in range(1_000):
                log.warning("line %s", n, extra={"order_id": "x" * 1_000})

        speaker = threading.Thread(target=say_much, daemon=True)
        speaker.start()
        speaker.join(20)
        assert not speaker.is_alive()
        # What somebody else writes to the same place waits for its reader as before.
        assert os.get_blocking(stderr.fileno())
        assert json.loads(reader.readline())["event"] == "line 0"
