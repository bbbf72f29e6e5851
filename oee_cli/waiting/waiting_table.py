"""The orders that wait as a table, nearest first, and who watches their prices.

Draws what the daemon has sorted; asks for nothing itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import counted
from oee_cli.text.condition_text import away_text, condition_text, expires_in, price_shown
from oee_cli.text.layout_text import Cell, Column, Line, fold_sentence, lay_table, put_lines, side_cell
from oee_cli.text.order_text import asked_amount, pair_column_text
from oee_cli.text.time_text import minute_text, span_text

_NOTHING = Cell("–", "dim")
_COLUMNS = (
    Column("order"),
    Column("type", rank=3),
    Column("side"),
    Column("pair", rank=4),
    Column("amount", right=True, rank=1),
    Column("when"),
    Column("now", right=True, rank=2),
    Column("away", right=True),
    Column("expires", rank=5),
)
#: The last line is no wider, cells.
_WIDE = 100


def draw_waiting(output: Output, orders: Sequence[Mapping[str, Any]], feeds: Mapping[str, Any]) -> None:
    put_lines(output, waiting_lines(orders, feeds, output.width(sys.stdout)))


def waiting_lines(
    orders: Sequence[Mapping[str, Any]], feeds: Mapping[str, Any], width: int
) -> Iterator[Line]:
    """`feeds`: what `GET /api/feeds` and `GET /api/halt` answer."""
    rows = [_waiting_row(order, feeds["at"]) for order in orders]
    yield from lay_table(_COLUMNS, rows, width, titles=True)
    if feeds["halt"] is not None:
        since = f"halted since {minute_text(feeds['halt']['since'])}"
        yield from fold_sentence(f"{since}: nothing fires. To go on: oee resume", width, "red", indent="")
    resting = [order for order in orders if (order.get("blocked") or {}).get("code") == "no_venue"]
    if resting:
        held = "1 of them rests" if len(resting) == 1 else f"{len(resting):,} of them rest"
        one = clean(resting[0]["orderId"])[:8]
        why = f"{held} whatever the price is: none of OEE_VENUES is one of those under which"
        why += f" {'it was' if len(resting) == 1 else 'they were'} accepted. See: oee show {one}"
        yield from fold_sentence(why, width, "yellow", indent="")
    yield from _watched_lines(len(orders), feeds, width)


def _waiting_row(order: Mapping[str, Any], now: str) -> Line:
    market = order.get("market") or {}
    stale = bool(market.get("stale"))
    away, expires = away_text(market), expires_in(order, now)
    group = " (oco)" if order.get("groupId") else ""
    return [
        Cell(clean(order["orderId"])[:8]),
        Cell(clean(order["type"])),
        side_cell(order["side"]),
        Cell(pair_column_text(order["pair"])),
        Cell(asked_amount(order)),
        Cell(f"{condition_text(order)}{group}"),
        Cell(price_shown(market["price"]), "yellow" if stale else "") if market.get("price") else _NOTHING,
        Cell(away, "yellow" if stale else "cyan" if away == "met" else "") if away else _NOTHING,
        Cell(expires, "dim") if expires else _NOTHING,
    ]


def _watched_lines(shown: int, feeds: Mapping[str, Any], width: int) -> Iterator[Line]:
    """`prices 0.4 s old, 12 pairs, watched by desk:4312      3 of 2,104`."""
    text, style = watched_text(feeds)
    count = f"{shown:,} of {feeds['waiting']:,}"
    if len(text) + len(count) + 3 > width:
        yield [Cell(text, style)]
        yield [Cell(count, "dim")]
        return
    space = max(3, min(width, _WIDE) - len(text) - len(count))
    yield [Cell(text, style), Cell(" " * space + count, "dim")]


def watched_text(feeds: Mapping[str, Any]) -> tuple[str, str]:
    """Who watches how many pairs and how old the oldest price is, and the style that this deserves."""
    leader, pairs = feeds["leader"], [feed for feed in feeds["feeds"] if feed["waiting"]]
    if not pairs:
        return "no pair is watched", "dim"
    if leader is None:
        return f"{counted(len(pairs), 'pair')}, and nobody watches their prices: oee doctor", "yellow"
    unseen = [feed for feed in pairs if feed["state"] != "live"]
    ages = [feed["ageMs"] for feed in pairs if feed["ageMs"] is not None]
    told = f"prices {span_text(max(ages) / 1000)} old, " if ages else ""
    told += f"{counted(len(pairs), 'pair')}, watched by {_short_owner(clean(leader['owner']))}"
    if unseen:
        names = ", ".join(clean(feed["pair"]) for feed in unseen[:3])
        more = f" and {len(unseen) - 3:,} more" if len(unseen) > 3 else ""
        return f"{told}; no fresh price of {names}{more}", "yellow"
    return told, "dim"


def _short_owner(owner: str) -> str:
    """A worker's host and process id, of all that its name holds."""
    parts = owner.split(":")
    return f"{parts[0]}:{parts[3]}" if len(parts) == 5 else owner
