"""Orders and fills as aligned rows, newest first."""

from __future__ import annotations

import sys

from rich.text import Text

from oee_cli.amounts import exact, short, signature
from oee_cli.output import Output, clean
from oee_cli.times import ago, between
from oee_cli.views.columns import Column, fitted, room_for
from oee_cli.views.screen import dim, put, side, status
from oee_cli.wire import Fill, Order, short_id

_NOTHING = "–"
_ORDERS = (
    Column("order"),
    Column("when", rank=4),
    Column("side"),
    Column("pair", rank=5),
    Column("amount", right=True),
    Column("for", right=True),
    Column("price", rank=7, right=True),
    Column("venue", rank=6),
    Column("status"),
    Column("took", rank=8, right=True),
    Column("", rank=3),
)
_FILLS = (
    Column("order"),
    Column("when", rank=4),
    Column("out of the wallet", right=True),
    Column("into it", right=True),
    Column("slot", rank=3, right=True),
    Column("signature", rank=2),
)


def draw_orders(output: Output, orders: list[Order]) -> None:
    width = output.width(sys.stdout)
    rows = [_order_row(order) for order in orders]
    remarks = len(_ORDERS) - 1
    if any(row[remarks] for row in rows) and remarks not in room_for(_ORDERS, rows, width, titles=True)[0]:
        rows = _narrow(rows, orders, width)
    put(output, fitted(_ORDERS, rows, width, titles=True))


def draw_fills(output: Output, fills: list[Fill]) -> None:
    width = output.width(sys.stdout)
    rows = [
        [
            Text(fill["orderId"][:8]),
            dim(ago(fill["at"])),
            Text(f"{exact(fill['amountIn'])} {clean(fill['inputToken'])}"),
            Text(f"{exact(fill['amountOut'])} {clean(fill['outputToken'])}"),
            dim(f"{int(fill['slot']):,}"),
            dim(clean(fill["signature"]) if width >= 160 else signature(clean(fill["signature"]))),
        ]
        for fill in fills
    ]
    put(output, fitted(_FILLS, rows, width, titles=True))


def _order_row(order: Order) -> list[Text]:
    exact_out = order["swapMode"] == "ExactOut"
    counted, other = ("outputToken", "inputToken") if exact_out else ("inputToken", "outputToken")
    moved = order["filledIn"] if exact_out else order["filledOut"]
    ended = order["finishedAt"]
    return [
        Text(short_id(order)),
        dim(ago(order["createdAt"])),
        side(order["side"]),
        Text(clean(order["pair"])),
        Text(f"{exact(order['amount'])} {clean(order[counted])}"),  # type: ignore[literal-required]
        Text(f"{short(moved)} {clean(order[other])}")  # type: ignore[literal-required]
        if moved is not None
        else dim(_NOTHING),
        Text(short(order["price"])) if order["price"] else dim(_NOTHING),
        Text(clean(order["venue"])) if order["venue"] and moved is not None else dim(_NOTHING),
        status(order["status"]),
        dim(f"{between(order['createdAt'], ended):,.1f} s") if ended else dim(_NOTHING),
        dim(_remark(order)),
    ]


def _narrow(rows: list[list[Text]], orders: list[Order], width: int) -> list[list[Text]]:
    """The remarks without a column of their own, as much of them as has room: why it failed instead of
    what came, the attempts beside the status."""
    for with_reason in (True, False):
        told = []
        for row, order in zip(rows, orders, strict=True):
            came = (_why(order) if with_reason else None) or row[5]
            told.append([*row[:5], came, *row[6:8], _tried(row[8], order), row[9], Text()])
        if room_for(_ORDERS, told, width, titles=True)[2]:
            return told
    return rows


def _why(order: Order) -> Text | None:
    error = order["error"]
    return dim(error["code"]) if error is not None and order["status"] == "failed" else None


def _tried(status: Text, order: Order) -> Text:
    return status + f" ×{order['attempt']}" if order["attempt"] > 1 else status


def _remark(order: Order) -> str:
    """What the row alone does not say: why it failed, or that it took more than one attempt."""
    if order["error"] is not None and order["status"] == "failed":
        return order["error"]["code"]
    return f"{order['attempt']} attempts" if order["attempt"] > 1 else ""
