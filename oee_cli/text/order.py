"""The parts of one order that every view of it shares: header, quotes, and its steps in one line each."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from oee_cli.output import clean
from oee_cli.text.amounts import exact, short
from oee_cli.text.messages import heading, reason, retry
from oee_cli.text.screen import dim, side
from oee_cli.text.table import Column, fitted
from oee_cli.text.timeline import Attempt, Trace
from oee_cli.text.times import span
from oee_cli.wire import Order, Quote, QuoteList, behind_bps, winner

_QUOTES = (
    Column(),
    Column(right=True),
    Column(right=True, rank=1),
    Column(rank=5),
    Column(rank=4),
    Column(right=True, rank=3),
    Column(rank=0),
)


def header_line(order: Order, width: int) -> Text:
    """What was asked for at the left, which order it is at the right; less where it is narrow."""
    text, space, right = heading(order, width)
    line = Text.assemble(side(order["side"]), text[len(order["side"]) :])
    line.append(space + right, style="dim")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def quotes_table(of: Order | QuoteList, quotes: list[Quote], width: int) -> Group:
    """One line a venue, the winner first and marked, the others with how far behind they are."""
    best = winner(quotes, of["swapMode"])
    name_width = max((len(clean(quote["venue"])) for quote in quotes), default=0)
    # The best first, those who refused last, whatever the order they are stored in.
    ranked = sorted(quotes, key=lambda q: (q is not best, q["error"] is not None))
    good = [_quoted(of, q, best, name_width) for q in ranked if q["error"] is None and best]
    refused = [q for q in ranked if q["error"] is not None]
    parts: list[RenderableType] = [fitted(_QUOTES, good, width)] if good else []
    for quote in refused:
        line = Text(f"  {clean(quote['venue']).ljust(name_width)}   {reason(quote['error'])}", style="dim")
        line.no_wrap, line.overflow = True, "ellipsis"
        parts.append(line)
    return Group(*parts)


def _quoted(of: Order | QuoteList, quote: Quote, best: Quote, name_width: int) -> list[Text]:
    """A price as cells; amounts of what the venues compete on."""
    exact_out = of["swapMode"] == "ExactOut"
    amount = quote["amountIn"] if exact_out else quote["amountOut"]
    token = clean(of["inputToken"] if exact_out else of["outputToken"])
    base = clean(of["pair"]).partition("/")[0]
    behind = None if quote is best else behind_bps(best, quote, of["swapMode"])
    verdict = (
        Text("best", style="green") if quote is best else dim(f"{'+' if exact_out else '-'}{behind} bps")
    )
    impact, latency = quote["priceImpactBps"], quote["latencyMs"]
    cells = [
        Text(clean(quote["venue"]).ljust(name_width)),
        Text(f"{short(amount)} {token}" if amount else ""),
        Text(f"{short(quote['price'])} a {base}" if quote["price"] else ""),
        Text(f"fee {short(quote['fee'], 2)}" if quote["fee"] else ""),
        Text("" if impact is None else f"impact {clean(str(impact))} bps"),
        Text("" if latency is None else f"{clean(str(latency))} ms"),
        verdict,
    ]
    if quote is not best:
        for cell in cells[:-1]:
            cell.stylize("dim")
    return cells


def steps_lines(attempt: Attempt, width: int) -> list[Text]:
    """`pending 2 ms · routing 206 ms · building 1 ms · submitted 402 ms`, folded where it is narrow."""
    lines = [""]
    for step in attempt.steps:
        if step.seconds is None:
            continue
        said = f"{step.status} {span(step.seconds)}"
        joined = f"{lines[-1]} · {said}" if lines[-1] else said
        if len(joined) + 2 > width and lines[-1]:
            lines.append(said)
        else:
            lines[-1] = joined
    return [dim(f"  {line}") for line in lines if line]


def retry_line(attempt: Attempt, width: int, waiting: float | None = None) -> Text | None:
    """Why an attempt ended and when the next one begins; with a countdown while it is waited for."""
    if attempt.retry is None:
        return None
    event = attempt.retry
    if waiting is not None:
        event = {**event, "data": {**event["data"], "retryInMs": max(0, round(waiting * 10) * 100)}}
    line = Text(f"  ↻ {retry(event, width - 4)}", style="yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def folded(order: Order, trace: Trace, width: int) -> Group:
    """What stays in the scrollback once an order has ended."""
    parts: list[RenderableType] = [header_line(order, width)]
    if trace.quotes:
        parts.append(quotes_table(order, trace.quotes, width))
    for attempt in trace.attempts:
        parts += steps_lines(attempt, width)
        why = retry_line(attempt, width)
        if why is not None:
            parts.append(why)
    return Group(*parts)


def asked(of: QuoteList) -> str:
    """The header of quotes that nothing was ordered on."""
    base, quote = clean(of["pair"]).partition("/")[::2]
    token = clean(of["outputToken"] if of["swapMode"] == "ExactOut" else of["inputToken"])
    amount = f"{exact(of['amount'])} {token}"
    word = {"buy": "with", "sell": "for"}[of["side"]]
    return f"{of['side']} {amount} {word} {quote}" if token == base else f"{of['side']} {base} for {amount}"
