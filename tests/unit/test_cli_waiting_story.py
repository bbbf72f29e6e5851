"""What becomes of an order that waits, told event by event."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from oee_cli.orders.show_explained import explain_order
from oee_cli.orders.show_story import order_lines
from oee_cli.output import Output
from oee_cli.text.order_text import event_line
from oee_daemon.contract.shapes import Event, Order
from tests.unit.order_views import QUOTES, SIGNATURE, at, drawn, fits
from tests.unit.test_cli_waiting_views import LIMIT, SOLD, STOP, TRAIL, WIDTHS, waiting

FIRED = {
    "rule": "at_or_below", "target": "140", "executable": "139.8", "venue": "raydium", "slot": 1204,
    "ageMs": 300, "heldMs": 0, "firing": 1, "basis": "executable",
}  # fmt: skip


STORY: list[tuple[str, int, int, dict[str, Any]]] = [
    ("waiting", 1, 0, {"condition": {"rule": "at_or_below", "price": "140", "basis": "executable"}}),
    ("waiting", 1, 5000, {"edited": {"targetPrice": ["138", "140"]}}),
    ("pending", 1, 50000, {"trigger": FIRED}),
    ("routing", 1, 50002, {}),
    (
        "waiting",
        2,
        50208,
        {"why": {"code": "moved_away", "message": "It moved."}, "restMs": 500, "quotes": QUOTES},
    ),
    ("pending", 2, 59000, {"trigger": FIRED | {"firing": 2}}),
    ("routing", 2, 59001, {}),
    ("building", 2, 59100, {"venue": "raydium", "quotes": QUOTES}),
    ("submitted", 2, 59101, {"signature": SIGNATURE}),
    ("confirmed", 2, 59501, {"signature": SIGNATURE, "slot": 7}),
]


def story(until: int) -> list[Event]:
    return [
        cast(
            Event,
            {"orderId": LIMIT["orderId"], "seq": n, "status": s, "attempt": a, "at": at(ms), "data": data},
        )
        for n, (s, a, ms, data) in enumerate(STORY[:until], 1)
    ]


def test_each_event_is_told_in_a_line() -> None:
    told = [event_line(event, at(0)) for event in story(10)]
    assert told[0].endswith("at or below 140")
    assert told[1].endswith("edited: price 138 to 140")
    assert told[2].endswith("fired: executable 139.80 on raydium, target 140, slot 1,204, 300 ms old")
    assert told[4].endswith("waits again: It moved (moved_away); looks again in 500 ms")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("until", [1, 2, 3, 4, 5, 6, 8, 9, 10])
def test_its_story_at_every_moment(width: int, until: int) -> None:
    from oee_cli.text.live_order_text import LiveScreen

    last = STORY[until - 1]
    ended = last[0] == "confirmed"
    one = waiting(
        status=last[0],
        attempt=last[1],
        events=story(until),
        swaps=[],
        finishedAt=at(last[2]) if ended else None,
    )
    lines = drawn(list(order_lines(one, explain_order(one), width)), width)
    fits(lines, width)
    text = "\n".join(lines)
    assert "at 140 or less (net)" in " ".join(text.split())
    assert ("between attempts" in text) is False
    if last[0] == "waiting":
        assert "now 142.18, 1.5% away" in text
    screen = LiveScreen(Output(), one, ask_order=lambda _: one)
    for event in story(until):
        screen.event(event)
        frame = drawn(screen.lines(width), width)
        fits(frame, width)
    assert any("now 142.18, 1.5% away" in line for line in frame) == (last[0] == "waiting")
    screen.close(one)


def test_its_time_of_waiting_hides_no_step() -> None:
    """The bars are scaled to what was executed, not to days of waiting."""
    one = waiting(status="confirmed", attempt=2, events=story(10), swaps=[], finishedAt=at(59501))
    figures = explain_order(one)
    assert figures["timing"]["waiting"] == 58792.0
    assert figures["timing"]["betweenAttempts"] == 0
    bars = [
        line for line in drawn(list(order_lines(one, figures, 120)), 120) if "waiting for the chain" in line
    ]
    assert bars[0].count("━") > 15


def test_a_gap_in_which_nobody_looked_is_told() -> None:
    gap = {"begun": at(0), "ended": at(2000), "reason": "daemon down"}
    one = waiting(events=story(1), swaps=[], gaps=[gap])
    text = " ".join("\n".join(drawn(list(order_lines(one, explain_order(one), 120)), 120)).split())
    assert "not watched from" in text and "daemon down" in text


def test_the_story_tells_each_edit() -> None:
    edits = {
        "limitPrice": ["none", "120"], "expiresAt": [None, "2026-12-01T17:00:00Z"], "trailBps": [500, 250],
        "amount": ["1500", "0.5", "M1nt"], "confirmMs": [800, 3000],
    }  # fmt: skip
    edited: Any = {**story(1)[0], "seq": 2, "at": at(5000), "data": {"edited": edits}}
    one = waiting(events=[*story(1), edited], swaps=[])
    figures = explain_order(one, datetime.fromisoformat(at(0)) + timedelta(seconds=65))
    text = " ".join("\n".join(drawn(list(order_lines(one, figures, 160)), 160)).split())
    assert "worst price none to 120, expires unset to 2026-12-01 17:00 UTC, trail 5% to 2.5%" in text
    assert "amount 1,500 to 0.5, held for 800 ms to 3.0 s" in text
    # Since it was placed, and not since somebody changed what it waits for.
    assert "it has waited for 1 min" in text and text.count("waiting to fire") == 1


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (waiting(**SOLD, type="stop", limitPrice="none", minReceive="0.000001", slippageBps=100),
         "worst none; each try within 1% of its quote"),
        (TRAIL, "worst 20% past the price at which it fires"),
        (STOP, "worst at least 156 USDC"),
    ],
)  # fmt: skip
def test_the_worst_price_of_a_stop_is_told_as_it_is(one: Order, told: str) -> None:
    """A floor of one base unit is none, and a trailing stop's is fixed by what fires it."""
    one = waiting(**{**one, "events": story(1), "swaps": []})
    text = " ".join("\n".join(drawn(list(order_lines(one, explain_order(one), 120)), 120)).split())
    assert told in text and "0.000001" not in text
