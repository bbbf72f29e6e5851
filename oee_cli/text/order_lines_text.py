"""The parts of one order that every view of it shares: header, quotes, and its steps in one line each; and
quotes without an order, of `oee quote` and `--dry-run`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount, percent_text, short_amount
from oee_cli.text.layout_text import Cell, Column, Line, fold_sentence, lay_table, put_lines, side_cell
from oee_cli.text.order_text import (
    asked_amount,
    order_header,
    order_heading,
    refused_quote_text,
    retry_text,
    token_text,
)
from oee_cli.text.time_text import span_text
from oee_cli.text.timeline_text import Attempt, Timeline
from oee_daemon.contract.ranking import behind_bps, competing, winner
from oee_daemon.contract.shapes import Order, Quote, QuoteList

_QUOTES = (
    Column(),
    Column(right=True),
    Column(right=True, rank=1),
    Column(rank=5),
    Column(rank=4),
    Column(rank=2),
    Column(right=True, rank=3),
    Column(rank=0),
)


def header_line(order: Order, width: int) -> Line:
    """What was asked for at the left, which order it is at the right; less where it is narrow."""
    text, space, right = order_heading(order, width)
    return [side_cell(order["side"]), Cell(text[len(order["side"]) :]), Cell(space + right, "dim")]


def quote_table(of: Order | QuoteList, quotes: list[Quote], width: int) -> list[Line]:
    """One line a venue, the winner first and marked, the others with how far behind they are."""
    best = winner(quotes, of["swapMode"])
    name_width = max((len(clean(quote["venue"])) for quote in quotes), default=0)
    # The best first, those who refused last, whatever the order they are stored in.
    ranked = sorted(quotes, key=lambda q: (q is not best, q["error"] is not None))
    good = [_quote_row(of, q, best, name_width) for q in ranked if q["error"] is None and best]
    refused: list[Line] = [
        [Cell(f"  {clean(q['venue']).ljust(name_width)}   {refused_quote_text(q)}", "dim")]
        for q in ranked
        if q["error"] is not None
    ]
    return lay_table(_QUOTES, good, width) + refused


def quote_words(of: Order | QuoteList, quote: Quote) -> tuple[str, str, str, str, str]:
    """Amount, price, fee, impact and latency of a quote; empty where the venue did not say."""
    exact_out = of["swapMode"] == "ExactOut"
    amount = quote["amountIn"] if exact_out else quote["amountOut"]
    token = token_text(of["inputToken"] if exact_out else of["outputToken"])
    impact, latency = quote["priceImpactBps"], quote["latencyMs"]
    return (
        f"{short_amount(amount)} {token}" if amount else "",
        short_amount(quote["price"]) if quote["price"] else "",
        short_amount(quote["fee"], 2) if quote["fee"] else "",
        "" if impact is None else f"{clean(str(impact))} bps",
        "" if latency is None else f"{clean(str(latency))} ms",
    )


def _quote_row(of: Order | QuoteList, quote: Quote, best: Quote, name_width: int) -> Line:
    """A price as cells; amounts of what the venues compete on."""
    amount, price, fee, impact, latency = quote_words(of, quote)
    base = token_text(of["pair"].partition("/")[0])
    verdict = Cell("best", "green")
    if quote is not best:
        mine, least = competing(of["swapMode"], quote), competing(of["swapMode"], best)
        behind = f"{behind_bps(of['swapMode'], mine, least):.0f}" if mine is not None and least else None
        sign = "" if behind == "0" else "+" if of["swapMode"] == "ExactOut" else "-"
        verdict = Cell(f"{sign}{behind} bps", "dim")
    words = (
        clean(quote["venue"]).ljust(name_width),
        amount,
        price and f"{price} a {base}",
        fee and f"fee {fee}",
        impact and f"impact {impact}",
        f"network {exact_amount(taken)}" if (taken := quote.get("networkFee")) else "",
        latency,
    )
    return [*(Cell(word, "" if quote is best else "dim") for word in words), verdict]


def step_lines(attempt: Attempt, width: int) -> list[Line]:
    """`pending 2 ms · routing 206 ms · building 1 ms · submitted 402 ms`, folded where it is narrow."""
    lines = [""]
    for step in attempt.steps:
        if step.seconds is None:
            continue
        word = f"{clean(step.status)} {span_text(step.seconds)}"
        joined = f"{lines[-1]} · {word}" if lines[-1] else word
        if len(joined) + 2 > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = joined
    return [[Cell(f"  {line}", "dim")] for line in lines if line]


def retry_lines(
    attempt: Attempt, width: int, max_attempts: int | None, waiting: float | None = None
) -> list[Line]:
    """Why an attempt ended and when the next one begins, where one does; briefly where the venues' own words
    stand above it. `waiting`: seconds until then."""
    if attempt.retry is None:
        return []
    wait_ms = None if waiting is None else max(0, round(waiting * 10) * 100)
    room = width - 4
    lines = 1 if any(quote["error"] for quote in attempt.quotes) else 2
    text = retry_text(attempt.retry, lines * room, max_attempts=max_attempts, wait_ms=wait_ms)
    first, *more = textwrap.wrap(text, room) or [""]
    return [[Cell(f"  ↻ {first}", "yellow")], *([Cell(f"    {part}", "yellow")] for part in more)]


def folded_lines(order: Order, timeline: Timeline, width: int, max_attempts: int | None = None) -> list[Line]:
    """What stays in the scrollback once an order has ended."""
    lines = [header_line(order, width)]
    if timeline.quotes:
        lines += quote_table(order, timeline.quotes, width)
    for attempt in timeline.attempts:
        lines += [*step_lines(attempt, width), *retry_lines(attempt, width, max_attempts)]
    return lines


def quotes_title(of: QuoteList) -> str:
    """The header of quotes that nothing was ordered on."""
    base, quote = clean(of["pair"]).partition("/")[::2]
    token = clean(of["outputToken"] if of["swapMode"] == "ExactOut" else of["inputToken"])
    amount = asked_amount(of, whole=True)
    word = {"buy": "with", "sell": "for"}[of["side"]]
    return f"{of['side']} {amount} {word} {quote}" if token == base else f"{of['side']} {base} for {amount}"


def draw_quotes(output: Output, answer: QuoteList) -> None:
    width = output.width(sys.stdout)
    title = [side_cell(answer["side"]), Cell(quotes_title(answer)[len(answer["side"]) :])]
    put_lines(output, [title, *quote_table(answer, answer["quotes"], width), *_limit_lines(answer, width)])


def _limit_lines(answer: Mapping[str, Any], width: int) -> Iterator[Line]:
    """What no swap may go beyond, as far as anything is set."""
    fee, impact = answer.get("networkFee"), answer.get("maxImpactBps")
    said = [] if fee is None else [f"the network takes up to {exact_amount(fee)} SOL"]
    said += [] if impact is None else [f"the price may move by {percent_text(impact)} at most"]
    if said:
        yield from fold_sentence("; ".join(said), width, indent="  ")


def draw_dry_run(output: Output, answer: Mapping[str, Any], *, accepted: bool = True) -> None:
    order: Order = answer["order"]
    quotes: list[Quote] = answer["quotes"]
    width = output.width(sys.stdout)
    text = order_header(order, slippage=width >= 60)
    lines = [[side_cell(order["side"]), Cell(text[len(order["side"]) :])], *quote_table(order, quotes, width)]
    lines += _limit_lines(answer, width)
    if accepted:
        text = f"✓ would be accepted on {clean(order['network'])}. Nothing was placed."
        lines += fold_sentence(text, width, indent="")
    put_lines(output, lines)
