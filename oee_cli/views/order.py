"""The parts of one order that every view of it shares: header, quotes, and its steps in one line each."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from oee_cli.amounts import exact, short
from oee_cli.output import clean
from oee_cli.sentences import header, reason, retry
from oee_cli.times import span
from oee_cli.trace import Attempt, Trace
from oee_cli.views.columns import Column, fitted
from oee_cli.views.screen import dim, side
from oee_cli.wire import Order, Quote, QuoteList, behind_bps, short_id, winner

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
    name = short_id(order)
    for bound, slippage, right in (
        (True, True, f"{name} {clean(order['network'])}"),
        (True, True, name),
        (True, False, name),
        (False, False, name),
        (False, False, ""),
    ):
        text = header(order, bound=bound, slippage=slippage)
        space = min(width, 100) - len(text) - len(right)
        if space >= 2 or not right:
            break
    line = side(order["side"]) + text[len(order["side"]) :]
    line.append(" " * max(0, space) + right, style="dim")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def quotes_table(of: Order | QuoteList, quotes: list[Quote], width: int) -> object:
    """One line a venue, the winner first and marked, the others with how far behind they are."""
    best = winner(quotes)
    base = clean(of["pair"]).partition("/")[0]
    counts_in = of["swapMode"] == "ExactOut"
    token = clean(of["inputToken"] if counts_in else of["outputToken"])
    rows = []
    for quote in quotes:
        amount = quote["amountIn"] if counts_in else quote["amountOut"]
        if best is None or quote["error"] is not None or amount is None:
            why = reason(quote["error"])
            room = max(8, width - 2 - max(len(q["venue"]) for q in quotes) - 4)
            # In the last column, over the room of the others: a refusal has no figures.
            rows.append((quote["venue"], why if len(why) <= room else why[: room - 1] + "…", None))
            continue
        rows.append((quote["venue"], f"{short(amount)} {token}", quote))
    good = [_quoted(name, text, quote, best, of["swapMode"], base) for name, text, quote in rows if quote]
    bad = [[Text(clean(n)), Text(t, style="dim")] for n, t, quote in rows if quote is None]
    parts = []
    if good:
        parts.append(fitted(_QUOTES, good, width))
    if bad:
        name_width = max(len(clean(q["venue"])) for q in quotes)
        parts.append(
            fitted((Column(), Column()), [[Text(r[0].plain.ljust(name_width)), r[1]] for r in bad], width)
        )
    return Group(*parts)


def _quoted(
    name: str, amount: str, quote: Quote, best: Quote | None, mode: str, base: str
) -> list[Text]:
    wins = quote is best
    bps = 0 if wins or best is None else behind_bps(best, quote, mode)
    sign = "+" if mode == "ExactOut" else "-"
    verdict = Text("best", style="green") if wins else dim(f"{sign}{bps} bps")
    impact = "" if quote["priceImpactBps"] is None else f"impact {quote['priceImpactBps']} bps"
    cells = [
        Text(clean(name)),
        Text(amount),
        Text(f"{short(quote['price'])} a {base}" if quote["price"] else ""),
        Text(f"fee {short(quote['fee'])}" if quote["fee"] else ""),
        Text(impact),
        Text("" if quote["latencyMs"] is None else f"{clean(str(quote['latencyMs']))} ms"),
        verdict,
    ]
    if not wins:
        for cell in cells[:-1]:
            cell.stylize("dim")
    return cells


def steps_line(attempt: Attempt) -> Text:
    """`pending 2 ms · routing 206 ms · building 1 ms · submitted 402 ms`."""
    done = [f"{s.status} {span(s.seconds)}" for s in attempt.steps if s.seconds is not None]
    return dim("  " + " · ".join(done))


def retry_line(attempt: Attempt, waiting: float | None = None) -> Text | None:
    """Why an attempt ended and when the next one begins; with a countdown while it is waited for."""
    if attempt.retry is None:
        return None
    event = attempt.retry
    if waiting is not None:
        event = {**event, "data": {**event["data"], "retryInMs": max(0, round(waiting * 10) * 100)}}
    text = f"  ↻ {retry(event)}"
    line = Text(text, style="yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def folded(order: Order, trace: Trace, width: int) -> Group:
    """What stays in the scrollback once an order has ended."""
    parts: list[object] = [header_line(order, width)]
    if trace.quotes:
        parts.append(quotes_table(order, trace.quotes, width))
    for attempt in trace.attempts:
        line = steps_line(attempt)
        line.no_wrap, line.overflow = True, "ellipsis"
        parts.append(line)
        why = retry_line(attempt)
        if why is not None:
            parts.append(why)
    return Group(*parts)  # type: ignore[arg-type]


def asked(of: QuoteList) -> str:
    """The header of quotes that nothing was ordered on."""
    base, quote = clean(of["pair"]).partition("/")[::2]
    token = clean(of["outputToken"] if of["swapMode"] == "ExactOut" else of["inputToken"])
    amount = f"{exact(of['amount'])} {token}"
    word = {"buy": "with", "sell": "for"}[of["side"]]
    return f"{of['side']} {amount} {word} {quote}" if token == base else f"{of['side']} {base} for {amount}"


