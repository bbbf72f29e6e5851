"""What `oee chart` draws: one frame as lines of text, as many as the terminal has.

Prices are text here as everywhere. Only `_height` makes floats of them, for where something stands on the
screen: nothing is compared, placed or told by those but the axis.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.text.layout_text import Cell, Line, draw_line
from oee_cli.text.time_text import parse_moment, span_text
from oee_cli.trade.trade_quote_watch import price_cells

Told = Mapping[str, Any]

#: Columns and rows below which there is room for words alone.
_LEAST = (30, 8)
#: Levels farther from the price than this part of it are counted and not drawn: the price would be flat.
_NEAR = 0.05
#: Seconds without any news from which that is said; a real network's price may come every ten.
_SILENT = 15.0
#: Colours as plotext counts them, those of the terminal's own palette.
_CYAN, _GRAY, _YELLOW, _GREEN = 6, 8, 3, 2
#: The frame's signs, and what stands for them where there is no UTF-8.
_PLAIN = str.maketrans("┌┐└┘├┤┬┴┼─│●…", "+++++++++-|o~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is to be shown. `newest`, `prices`: as `WS /api/prices` tells them, the latter oldest first and
    each with a bid; `waiting`, `filled`: orders of the pair."""

    newest: Told
    silent_s: float = 0
    prices: Sequence[Told] = ()
    waiting: Sequence[Told] = ()
    filled: Sequence[Told] = ()


def chart_frame(output: Output, picture: Picture, width: int, height: int) -> list[str]:
    """`height` lines, none wider than `width`: the price, the chart, the keys."""
    colors, unicode = output.color(sys.stdout), output.unicode(sys.stdout)
    levels, far = _split_levels(picture)
    title = [*price_cells(picture.newest)]
    if picture.silent_s >= _SILENT:
        title.append(Cell(f"   nothing heard for {span_text(picture.silent_s)}", "red"))
    drawing: list[str] = []
    if picture.prices and width >= _LEAST[0] and height >= _LEAST[1]:
        drawing = _draw(picture, levels, width, height - 2, unicode=unicode, colors=colors).splitlines()
    lines = [draw_line(title, width, colors=colors), *drawing]
    if height > 1:
        lines = [*(lines + [""] * height)[: height - 1], draw_line(_keys(far), width, colors=colors)]
    return lines if unicode else [line.translate(_PLAIN) for line in lines]


def _keys(far: int) -> Line:
    told = [Cell("q quit   ", "dim"), Cell("bid", "cyan"), Cell("  ask", "faint")]
    told += [Cell("  ─ waiting", "yellow"), Cell("  ● fill", "green")]
    return [*told, Cell(f"   {far} over 5% away", "dim")] if far else told


def _split_levels(picture: Picture) -> tuple[dict[float, str], int]:
    """The levels near the price with their labels, and how many others there are."""
    # The best bid and the best ask are of two venues, and may lie apart either way.
    now = [_height(picture.prices[-1][side]) for side in ("bid", "ask")] if picture.prices else []
    labels: dict[float, list[str]] = {}
    far = 0
    for order in picture.waiting:
        at = _level(order)
        if at is None or not now:
            continue
        if min(abs(at - price) for price in now) > _NEAR * now[0]:
            far += 1
        else:
            labels.setdefault(at, []).append(clean(f"{order['orderId'][:8]} {order['type']}"))
    more = {at: f" and {len(names) - 1} more" if len(names) > 1 else "" for at, names in labels.items()}
    return {at: names[0] + more[at] for at, names in labels.items()}, far


def _level(order: Told) -> float | None:
    """Where the order's price stands; a trailing one's as far from the market as it is now."""
    if order.get("targetPrice"):
        return _height(order["targetPrice"])
    market = order.get("market") or {}
    if not order.get("trailBps") or not market.get("price") or market.get("awayBps") is None:
        return None
    step: float = market["awayBps"] / 10_000 * (-1 if order["side"] == "sell" else 1)
    return _height(market["price"]) * (1 + step)


def _height(price: str) -> float:
    # A pixel is coarser than any float: nothing but the place on the screen comes from here.
    return float(price)


def _draw(
    picture: Picture, levels: Mapping[float, str], width: int, height: int, *, unicode: bool, colors: bool
) -> str:
    # Here alone, where it is needed: 80 ms that no other command waits for.
    import plotext as plot

    times = [_seconds(one["at"]) for one in picture.prices]
    bids, asks = ([_height(one[side]) for one in picture.prices] for side in ("bid", "ask"))
    fills = [
        (at, _height(one["price"]))
        for one in picture.filled
        if (at := _seconds(one["finishedAt"])) >= times[0]
    ]
    begun, end = times[0], max(times[0] + 1, times[-1], *(at for at, _ in fills))
    heights = [*bids, *asks, *levels, *(price for _, price in fills)]
    # Never nothing: plotext divides by the axes' lengths.
    margin = (max(heights) - min(heights)) * 0.05 or max(heights) * 0.001
    low, high = min(heights) - margin, max(heights) + margin

    plot.clear_figure()
    plot.theme("clear")
    plot.limit_size(False, False)
    plot.plot_size(width, height)
    plot.xlim(begun, end)
    plot.ylim(low, high)
    for level, label in levels.items():
        plot.hline(level, _YELLOW)
        plot.text(label[: width // 2], begun, level, color=_YELLOW, alignment="left")
    plot.plot(times, asks, marker="braille" if unicode else ":", color=_GRAY)
    plot.plot(times, bids, marker="braille" if unicode else ".", color=_CYAN)
    if fills:
        plot.scatter(*zip(*fills, strict=True), marker="●", color=_GREEN)
    plot.xticks([begun, end], [f"{datetime.fromtimestamp(at):%H:%M:%S}" for at in (begun, end)])
    steps = max(1, min(5, height // 4 - 1))
    ticks = [low + (high - low) * n / steps for n in range(steps + 1)]
    digits = max(0, 2 - math.floor(math.log10(high - low)))
    plot.yticks(ticks, [f"{at:.{digits}f}" for at in ticks])
    drawn = str(plot.build())
    return drawn if colors else str(plot.uncolorize(drawn))


def _seconds(at: str) -> float:
    return parse_moment(at).timestamp()
