"""An order that nobody begins: how to find out why is said while it is followed, and where the wait ends."""

from __future__ import annotations

import pytest

from oee_cli.api.client_follow_order import PlainScreen
from oee_cli.output import Output
from oee_cli.text.order_text import OVERDUE_S, ending_text, overdue_text
from oee_daemon.contract.shapes import Event
from tests.unit.order_views import events, order

PENDING, RETRY = events()[0], events()[4]


@pytest.mark.parametrize(
    ("event", "seconds", "said"),
    [
        (PENDING, OVERDUE_S - 1, False),
        (PENDING, OVERDUE_S + 1, True),
        (RETRY, OVERDUE_S + 0.5, False),
        (RETRY, OVERDUE_S + 1, True),
        (events()[1], 60.0, False),
    ],
)
def test_only_what_is_due_is_overdue(event: Event, seconds: float, said: bool) -> None:
    assert ("oee doctor" in overdue_text(event, seconds)) is said


def test_it_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("oee_cli.api.client_follow_order.time.monotonic", lambda: now[0])
    screen = PlainScreen(Output(), order(status="pending"))
    screen.tick()
    screen.event(PENDING)
    screen.tick()
    assert "doctor" not in capsys.readouterr().err
    now[0] += OVERDUE_S + 1
    screen.tick()
    screen.tick()
    assert capsys.readouterr().err.count("no worker takes it up; why: oee doctor") == 1


@pytest.mark.parametrize(
    ("status", "waited", "said"), [("pending", 60, 1), ("pending", 0.0, 0), ("routing", 60, 0)]
)
def test_where_the_wait_ends(status: str, waited: float, said: int) -> None:
    hint = ending_text(order(status=status, finishedAt=None), waited=waited).hint
    assert hint is not None and hint.count("oee doctor") == said


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("pending", "no worker takes it up"),
        ("submitted", "the chain has not answered and is asked again"),
        ("waiting", "now 142.18, 1.5% away"),
        (None, "the daemon does not answer and is asked again"),
    ],
)
def test_a_log_says_now_and_then_that_nothing_is_new_and_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: str | None, why: str
) -> None:
    now, market = [100.0], {"price": "142.18", "awayBps": 150}
    monkeypatch.setattr("oee_cli.api.client_follow_order.time.monotonic", lambda: now[0])
    newest = None if status is None else order(status=status, market=market)
    screen = PlainScreen(Output(), order(), lambda: newest)
    screen.event(events()[3])
    capsys.readouterr()
    said = {}
    for second in range(1, 2000):
        now[0] = 100.0 + second
        screen.tick()
        if line := capsys.readouterr().err:
            said[second] = line
    assert list(said) == [10, 20, 40, 80, 160, 320, 640, 1240, 1840]
    assert all(why in line and line.startswith(order()["orderId"][:8]) for line in said.values())
    screen.event(events()[3])
    now[0] += 9
    screen.tick()
    assert capsys.readouterr().err.count("\n") == 1
    quiet = PlainScreen(Output(quiet=True), order(), lambda: pytest.fail("it asked"))
    quiet.event(events()[3])
    now[0] += 60
    quiet.tick()
    assert capsys.readouterr().err == ""


def test_what_was_told_before_is_not_told_by_the_first_event(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"condition": {"rule": "at_or_below", "price": "140"}}
    first: Event = {**PENDING, "seq": 1, "status": "waiting", "data": data}
    for told in (True, False):
        PlainScreen(Output(), order(), told=told).event(first)
        assert ("at or below 140" in capsys.readouterr().err) is not told
