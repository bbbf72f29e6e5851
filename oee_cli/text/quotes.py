"""Prices without an order: `oee quote`, and what `--dry-run` would have done."""

from __future__ import annotations

import sys

from rich.console import Group, RenderableType
from rich.text import Text

from oee_cli.output import Output, clean
from oee_cli.text.messages import header
from oee_cli.text.order import asked, quotes_table
from oee_cli.text.screen import put, side
from oee_cli.wire import Order, Quote, QuoteList


def draw_quotes(output: Output, answer: QuoteList) -> None:
    width = output.width(sys.stdout)
    title = side(answer["side"]) + asked(answer)[len(answer["side"]) :]
    put(output, Group(title, quotes_table(answer, answer["quotes"], width)))


def draw_dry_run(output: Output, order: Order, quotes: list[Quote]) -> None:
    width = output.width(sys.stdout)
    title = side(order["side"]) + header(order, slippage=width >= 60)[len(order["side"]) :]
    title.no_wrap, title.overflow = True, "ellipsis"
    parts: list[RenderableType] = [title, quotes_table(order, quotes, width)]
    if any(quote["error"] is None for quote in quotes):
        parts.append(Text(f"✓ would be accepted on {clean(order['network'])}. Nothing was placed."))
    put(output, Group(*parts))
