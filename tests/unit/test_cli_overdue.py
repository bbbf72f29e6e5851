"""An order that nobody begins: how to find out why is said while it is followed, and where the wait ends."""

from __future__ import annotations

import pytest

from oee_cli.api.client_follow_order import PlainScreen
from oee_cli.output import Output
from oee_cli.text.order_text import OVERDUE_S, ending_text, overdue_text
from oee_daemon.contract.shapes import Event
from tests.unit.test_cli_views import events, order

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
