"""The frames of `oee top`: as many lines as the terminal has, none wider, and orders to the last."""

from __future__ import annotations

import io
import re
import sys
from itertools import pairwise
from typing import Any

import pytest

from oee_cli.output import Output
from oee_cli.text.layout_text import cell_len
from oee_cli.top.top_frame import SORTS, Picture, Trouble, top_frame, top_snapshot
from tests.unit.order_views import order

AT = "2026-11-23T10:01:00.000000Z"
HEIGHTS = (1, 3, 4, 8, 11, 12, 24, 29, 30, 60)


def flying(n: int) -> Any:
    name = f"{n:08x}-1111-4222-8333-444455556666"
    at = f"2026-11-23T10:00:{59 - n:02d}.500000Z"
    return order(
        orderId=name, status="submitted", attempt=1 + n % 2, updatedAt=at, finishedAt=None, error=None
    )


def over(n: int, **changes: Any) -> Any:
    return order(orderId=f"e{n:07x}-1111-4222-8333-444455556666", **changes)


def engine(**changes: Any) -> dict[str, Any]:
    worker = {"name": "w", "host": "web-1", "pid": 4312, "threads": 10, "version": "0.1.0", "running": 3}
    venue = {"venue": "raydium", "asked": 200, "answered": 199, "errors": 1, "p50Ms": 204}
    error = {"code": "no_route", "message": "Nobody.", "retryable": False}
    values = {
        "at": AT,
        "version": "0.1.0",
        "startedAt": "2026-11-23T08:00:00Z",
        "network": "simulated",
        "orders": {
            "live": {}, "running": 12, "due": 1204, "delayed": 3, "accepted": 1_000_000, "maxActive": 10,
        },
        "inFlight": [flying(n) for n in range(12)],
        "ended": [
            over(0),
            over(1, status="failed", error=error, filledIn=None),
            *(over(n) for n in range(2, 40)),
        ],
        "queue": {"reachable": True, "messages": 7},
        "workers": [
            worker | {"since": "2026-11-23T09:00:00Z"},
            worker | {"since": "2026-11-22T09:00:00Z", "host": "a-host-with-a-very-long-name", "pid": 99},
        ],
        "venuesOverS": 300,
        "venues": [
            venue | {"lastError": "venue_late"},
            venue | {"venue": "meteora", "errors": 0, "lastError": None},
        ],
        "rate": {"accepted": [3] * 60, "ended": list(range(60))},
    }  # fmt: skip
    return values | changes


def drawn(width: int, height: int, *, output: Output | None = None, **changes: Any) -> list[str]:
    values: dict[str, Any] = {"engine": engine(), "age_s": 0.5, "interval_s": 1.0}
    picture = Picture(**(values | changes))
    return top_frame(output or Output(), picture, width, height)


@pytest.fixture(autouse=True)
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", HEIGHTS)
def test_a_frame_is_as_large_as_the_terminal_and_no_larger(width: int, height: int) -> None:
    for changes in (
        {},
        {"trouble": Trouble("the daemon does not answer", "connection refused " * 9, 12.0)},
        {"engine": engine(inFlight=[], ended=[], workers=[], venues=[])},
        {"engine": engine(workers=None, queue={"reachable": False, "messages": None})},
    ):
        lines = drawn(width, height, **changes)
        assert len(lines) == height
        assert all(cell_len(line) <= width for line in lines), [x for x in lines if cell_len(x) > width]


def test_a_locked_wallet_is_told() -> None:
    why = "the worker that had its key ended at 10:00"
    told = drawn(120, 24, engine=engine(wallet={"locked": True, "reason": why}))
    assert any(f"the wallet is locked: {why}; to go on: oee wallet unlock" in line for line in told)
    assert not any("wallet" in line for line in drawn(120, 24, engine=engine(wallet={"locked": False})))


LEADS = {"owner": "desk:4312", "seenAt": AT}
WATCH = {
    "leader": LEADS, "waiting": 2104, "pairs": 12, "stale": [], "oldestMs": 400, "nearest": "SOL/USDC",
    "nearestBps": 38, "fired": 7, "gaps": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "waiting 2,104 on 12 pairs   nearest SOL/USDC 0.4%   prices 400 ms old   desk:4312"),
        ({"stale": ["SOL/USDC", "JUP/USDC"]}, "no fresh price of SOL/USDC and 1 more   desk:4312"),
        ({"leader": None}, "nobody watches the prices"),
        ({"deferred": 12, "leader": None}, "0.4%   12 deferred   nobody watches the prices"),
        ({"pairs": 0}, None),
    ],
)
def test_what_waits_is_told_and_in_red_where_nobody_sees_its_price(
    changes: dict[str, Any], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Output, "color", lambda *_: True)
    lines = drawn(120, 24, engine=engine(watch=WATCH | changes))
    found = [line for line in lines if "waiting" in line]
    assert len(found) == (said is not None)
    for line in found:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        assert said is not None and said in plain and ("\x1b[31m" in line) == bool(changes), line


def test_at_60_columns_and_24_rows_everything_is_told() -> None:
    lines = drawn(60, 24)
    said = "\n".join(lines)
    assert lines[0].startswith("oee top   simulated") and lines[-1].startswith("q quit")
    for what in ("12 running of 10", "1,204 due", "3 delayed", "raydium 99% 204 ms", "2   20 threads"):
        assert what in said
    assert "submitted" in said and "no_route" in said and "213.27 USDC" in said


def test_the_last_that_is_left_are_the_orders() -> None:
    said = "\n".join(drawn(60, 8))
    assert "in flight   11 more" in said and "0000000b" in said and " due" in said
    assert "raydium 99%" not in said and "threads" not in said


def test_more_are_told_than_are_listed_only_where_the_daemon_lists_no_more() -> None:
    # Counted a moment before they were listed.
    few, none = engine(inFlight=[flying(0)]), engine(inFlight=[])
    assert "in flight" in drawn(60, 24, engine=few) and "in flight   none" in drawn(60, 24, engine=none)
    counts = engine()["orders"] | {"running": 95}
    many = engine(inFlight=[flying(n) for n in range(40)], orders=counts)
    assert "in flight   88 more" in drawn(60, 24, engine=many)


def test_times_go_on_between_two_looks_and_stop_with_the_daemon() -> None:
    # It was submitted 500 ms before the look.
    assert any("00000000" in line and "1.0 s" in line for line in drawn(120, 60))
    assert any("00000000" in line and "500 ms" in line for line in drawn(120, 60, age_s=0))
    lines = drawn(120, 60, trouble=Trouble("the daemon does not answer", "refused", 12.3))
    assert lines[1] == "✗ the daemon does not answer, for 12.3 s; it is asked again (refused)"


def test_the_list_is_sorted_as_asked_for() -> None:
    def first(sort: Any) -> str:
        lines = drawn(120, 60, sort=sort)
        return next(b for a, b in pairwise(lines) if a.startswith("in flight")).split()[0]

    assert [first(sort) for sort in SORTS] == ["0000000b", "00000000", "0000000b"]
    for sort in SORTS:
        assert f"s {sort[0]}" in drawn(120, 60, sort=sort)[-1]


def test_workers_of_another_release_stand_out() -> None:
    other = [w | {"version": "0.2.0"} for w in engine()["workers"]]
    assert not any("0.2.0" in line for line in drawn(120, 60))
    assert sum("0.2.0" in line for line in drawn(120, 60, engine=engine(workers=other))) == 2
    many = engine()["workers"] * 10
    assert "14 more" in drawn(120, 60, engine=engine(workers=many))


def test_without_utf8_a_line_is_as_wide_as_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    for width in (60, 120):
        lines = drawn(width, 40, trouble=Trouble("the daemon does not answer", "refused " * 30, 12.0))
        assert all(line.isascii() and len(line) <= width for line in lines)
        assert any(" ok " in line for line in lines) and any(" x " in line for line in lines)


def test_what_a_server_sends_never_reaches_the_terminal_as_an_escape() -> None:
    evil = "\x1b[2J\x07evil"
    bad = order(orderId=evil, status=evil, pair=evil, venue=evil, side=evil)
    lines = drawn(
        200,
        60,
        engine=engine(
            network=evil, version=evil, inFlight=[bad], ended=[bad],
            venues=[engine()["venues"][0] | {"venue": evil, "lastError": evil}],
            workers=[engine()["workers"][0] | {"host": evil, "version": evil}],
        ),
    )  # fmt: skip
    assert not any("\x1b" in line or "\x07" in line for line in lines)


def test_one_look_has_everything_in_it() -> None:
    lines = top_snapshot(Output(), engine())
    assert sum(" ✓ " in line for line in lines) == 39 and sum("submitted" in line for line in lines) == 12
    assert not any("q quit" in line for line in lines)
