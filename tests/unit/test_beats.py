"""One thread and many chores: when each comes, what its faults do to the others, and how all of them end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from queue import SimpleQueue

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from oee_daemon.engine.engine_beats import Beat, Chore

#: Long past the end of any test.
NEVER_S = 1000.0
SOON_S = 0.001


def chore(name: str, once: Callable[[], bool] = lambda: False, **when: float) -> Chore:
    return Chore(name=name, once=once, **({"every_s": NEVER_S} | when))


class Runs:
    """The chores that have run, in their order."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[str] = SimpleQueue()
        self.note = self._queue.put

    def next(self, count: int) -> list[str]:
        return [self._queue.get(timeout=10) for _ in range(count)]

    def none_is_left(self) -> bool:
        return self._queue.empty()


@contextmanager
def beating(*chores: Chore) -> Iterator[tuple[Beat, Runs]]:
    runs = Runs()
    beat = Beat("test", chores, ran=runs.note)
    beat.start()
    try:
        yield beat, runs
    finally:
        beat.stop()


def away() -> OperationalError:
    error = OperationalError("SELECT 1", {}, ConnectionError("no answer"))
    error.__cause__ = error.orig
    return error


def test_from_the_start_each_chore_is_done_in_its_order_but_for_one_that_has_time() -> None:
    with beating(chore("late", first_s=NEVER_S), chore("first"), chore("second")) as (_, runs):
        assert runs.next(2) == ["first", "second"]
    assert runs.none_is_left()


def test_a_chore_with_more_to_do_comes_again_soon_and_the_others_at_their_own_pace() -> None:
    more = chain([True, True], repeat(False))
    with beating(chore("hasty", lambda: next(more), soon_s=SOON_S), chore("calm")) as (_, runs):
        assert sorted(runs.next(4)) == ["calm", "hasty", "hasty", "hasty"]
    assert runs.none_is_left()


def test_a_chore_comes_again_and_again() -> None:
    with beating(chore("steady", every_s=SOON_S)) as (_, runs):
        assert runs.next(5) == ["steady"] * 5


def test_a_chore_that_fails_is_tried_again_and_keeps_no_other_from_its_turn() -> None:
    def fail() -> bool:
        raise OSError("what nobody foresaw")

    with beating(chore("failing", fail, every_s=SOON_S), chore("other", every_s=SOON_S)) as (_, runs):
        found = runs.next(10)
    assert found.count("failing") >= 3 and found.count("other") >= 3


def test_a_fault_is_said_once_for_as_long_as_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    faults: Iterator[Exception | None] = chain([away()] * 3, [None], [away()] * 2, repeat(None))

    def once() -> bool:
        fault = next(faults)
        if fault is not None:
            raise fault
        return False

    with caplog.at_level(logging.WARNING), beating(chore("recovery", once, every_s=SOON_S)) as (_, runs):
        runs.next(8)
    said = [record for record in caplog.records if record.name.endswith("beats")]
    assert [(r.message, r.__dict__["chore"], r.exc_info) for r in said] == [
        ("Postgres can't be reached", "recovery", None)
    ] * 2
    assert said[0].__dict__["reason"] == "no answer"


def test_what_keeps_all_chores_from_their_work_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bool:
        raise away()

    both = chore("one", fail, every_s=SOON_S), chore("two", fail, every_s=SOON_S)
    with caplog.at_level(logging.WARNING), beating(*both) as (_, runs):
        runs.next(6)
    assert [r.message for r in caplog.records] == ["Postgres can't be reached"]


@pytest.mark.parametrize(
    "fault", [ZeroDivisionError("ours"), ProgrammingError("SELECT", {}, ValueError("no such column"))]
)
def test_a_fault_of_ours_is_said_with_its_traceback(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> bool:
        raise fault

    with caplog.at_level(logging.WARNING), beating(chore("failing", fail, every_s=SOON_S)) as (_, runs):
        runs.next(3)
    (said,) = caplog.records
    assert (said.levelname, said.message) == ("ERROR", "a chore failed, and goes on")
    assert said.exc_info is not None and said.exc_info[1] is fault


def test_a_chore_that_hangs_shows_and_is_waited_for_at_the_end() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return go_on.wait(30)

    with beating(chore("hanging", hang, soon_s=SOON_S), chore("behind")) as (beat, runs):
        assert begun.wait(10)
        assert beat.hang_s > 0
        end = threading.Thread(target=beat.stop)
        end.start()
        assert end.is_alive() and runs.none_is_left()
        go_on.set()
        end.join(10)
        assert not end.is_alive()
        assert beat.hang_s == 0
    # What was due behind it has not begun any more.
    assert runs.next(1) == ["hanging"] and runs.none_is_left()


def test_a_beat_that_never_started_stops_too() -> None:
    Beat("test", [chore("idle")]).stop()
