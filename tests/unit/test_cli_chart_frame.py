"""The frames of `oee chart`: as large as the terminal, a line where each order waits, a mark at each fill."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import Any

import pytest

from oee_cli.output import Output
from oee_cli.text.layout_text import cell_len
from oee_cli.trade.trade_chart import Picture, chart_frame
from tests.unit.order_views import order


def price(second: int, bid: str, ask: str) -> dict[str, Any]:
    at = f"2026-11-23T10:00:{second:02d}.000000Z"
    more = {"ageMs": 400, "slot": second, "source": "simulated", "state": "live"}
    return {"pair": "SOL/USDC", "bid": bid, "ask": ask, "at": at} | more


PRICES = [price(second, f"142.{second:02d}", f"142.{second + 10:02d}") for second in range(60)]
WAITING = [
    order(orderId="aaaaaaaa-1", type="limit", side="buy", targetPrice="141"),
    order(orderId="bbbbbbbb-1", type="limit", side="buy", targetPrice="141"),
    order(orderId="cccccccc-1", type="stop", side="buy", targetPrice="143.5"),
    # A part of its own below the market, which only the last price says.
    order(
        orderId="dddddddd-1",
        type="stop",
        trailBps=100,
        side="sell",
        market={"price": "142.59", "awayBps": 90},
    ),
    order(orderId="eeeeeeee-1", type="limit", side="sell", targetPrice="180"),
]
#: The second one was filled before the chart began.
FILLED = [
    order(orderId="f", price="142.30", finishedAt="2026-11-23T10:00:30.000000Z"),
    order(orderId="g", price="120", finishedAt="2026-11-23T09:59:59.000000Z"),
]
WHOLE = Picture(newest=PRICES[-1], prices=PRICES, waiting=WAITING, filled=FILLED)


@pytest.fixture(autouse=True)
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))


def test_prices_levels_and_fills_stand_where_they_belong() -> None:
    lines = chart_frame(Output(), WHOLE, 90, 40)
    assert lines[0] == "SOL/USDC  bid 142.59  ask 142.69  live, 400 ms old, slot 59, simulated"
    assert lines[-1].startswith("q quit") and lines[-1].endswith("1 over 5% away")

    def row(words: str) -> int:
        (found,) = (n for n, line in enumerate(lines[:-1]) if words in line)
        return found

    stop, fill, trail, limit = (
        row(words) for words in ("cccccccc stop", "●", "dddddddd stop", "aaaaaaaa limit and 1 more")
    )
    assert stop < fill < trail < limit
    assert all("──────" in lines[n] for n in (stop, trail, limit))
    # The axis is even: 143.5, 142.30 and 141 are 12 and 13 of its steps apart.
    assert (limit - fill) / (fill - stop) == pytest.approx(13 / 12, abs=0.15)
    # Half of the time had gone.
    assert lines[fill].index("●") == pytest.approx(90 / 2, abs=6)
    assert "142." not in "".join(lines[1:stop]) and "eeeeeeee" not in "".join(lines)


@pytest.mark.parametrize("width", [20, 29, 30, 60, 200])
@pytest.mark.parametrize("height", [1, 2, 7, 8, 24, 60])
@pytest.mark.parametrize("prices", [PRICES[:1], PRICES, [price(0, "0.00000001", "0.00000001")]])
def test_a_frame_is_as_large_as_the_terminal_and_no_larger(
    width: int, height: int, prices: list[Any]
) -> None:
    lines = chart_frame(Output(), Picture(newest=prices[-1], prices=prices, waiting=WAITING), width, height)
    assert len(lines) == height
    assert all(cell_len(line) <= width for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert any("┌" in line for line in lines) is (width >= 30 and height >= 8)


def test_what_nobody_has_a_price_of_or_tells_no_more_is_said() -> None:
    blind = price(0, "1", "1") | dict.fromkeys(("bid", "ask", "at", "ageMs", "slot")) | {"state": "blind"}
    assert (
        chart_frame(Output(), Picture(newest=blind, waiting=WAITING), 80, 24)[0]
        == "SOL/USDC  nobody has a price"
    )
    assert "nothing heard for 20" in chart_frame(Output(), Picture(newest=PRICES[0], silent_s=20), 120, 9)[0]


def test_colors_and_signs_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Output, "color", lambda *_: True)
    assert any("\x1b[38;5;" in line for line in chart_frame(Output(), WHOLE, 80, 24))
    monkeypatch.setattr(Output, "color", lambda *_: False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    lines = chart_frame(Output(), replace(WHOLE, waiting=[]), 80, 24)
    assert "".join(lines).isascii() and len(lines) == 24
    assert sum(line.count("o") for line in lines[1:-1]) == 1
