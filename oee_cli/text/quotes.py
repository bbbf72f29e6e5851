"""Prices without an order: `oee quote`, and what `--dry-run` would have done."""

from __future__ import annotations

import sys

from oee_cli.output import Output, clean
from oee_cli.text.layout import Cell, put, sentence, side_cell
from oee_cli.text.messages import header
from oee_cli.text.order import quote_table, quotes_title
from oee_daemon.contract.shapes import Order, Quote, QuoteList


def draw_quotes(output: Output, answer: QuoteList) -> None:
    width = output.width(sys.stdout)
    title = [side_cell(answer["side"]), Cell(quotes_title(answer)[len(answer["side"]) :])]
    put(output, [title, *quote_table(answer, answer["quotes"], width)])


def draw_dry_run(output: Output, order: Order, quotes: list[Quote]) -> None:
    width = output.width(sys.stdout)
    text = header(order, slippage=width >= 60)
    lines = [[side_cell(order["side"]), Cell(text[len(order["side"]) :])], *quote_table(order, quotes, width)]
    if any(quote["error"] is None for quote in quotes):
        accepted = f"✓ would be accepted on {clean(order['network'])}. Nothing was placed."
        lines += sentence(accepted, width, indent="")
    put(output, lines)
