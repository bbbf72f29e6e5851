"""One order explained on one screen: what was asked, each attempt with its swap, what it came to."""

from __future__ import annotations

import sys
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from oee_cli.amounts import ends, exact, signature
from oee_cli.output import Output, clean
from oee_cli.sentences import detail, ending
from oee_cli.times import clock, moment, span
from oee_cli.trace import Attempt, Trace
from oee_cli.views.columns import Column, fitted
from oee_cli.views.order import header_line, quotes_table, retry_line
from oee_cli.views.screen import dim, put, status
from oee_cli.wire import FINAL, Order, Swap, winner

_TIMELINE = (Column(), Column(), Column(right=True, rank=1), Column(rank=2))
_FACTS = (Column(), Column())
#: How the chain's part of an attempt ended, in words.
_ENDS = {
    "signed": "may be on the chain",
    "landed": "landed",
    "rejected": "rejected on the chain",
    "lapsed": "can never land",
}


def draw_order(output: Output, order: Order) -> None:
    width = output.width(sys.stdout)
    trace = Trace(order.get("events", []))
    swaps = {swap["attempt"]: swap for swap in order.get("swaps", [])}
    parts: list[RenderableType] = [header_line(order, width), ""]
    for attempt in trace.attempts:
        if len(trace.attempts) > 1:
            parts.append(Text(f"attempt {attempt.number}"))
        parts += _attempt(order, attempt, swaps.get(attempt.number), width)
    if trace.final is not None:
        parts += [_final(trace), ""]
    parts += [fitted(_FACTS, _facts(order, trace, width), width), ""]
    last = ending(order, room=width)
    parts.append(Text(f"{last.mark} {last.text}"))
    put(output, Group(*parts))


def _attempt(order: Order, attempt: Attempt, swap: Swap | None, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if attempt.quotes:
        parts += [quotes_table(order, attempt.quotes, width), ""]
    rows = []
    for step in attempt.steps:
        said = "" if step.status in ("pending", "submitted") else detail(step.event)
        if step.status == "submitted":
            said = _swap(swap, str(step.event["data"].get("signature", "")), width)
        took = "" if step.seconds is None else span(step.seconds)
        rows.append([dim(clock(step.at)), Text(step.status.ljust(9)), Text(took.rjust(7)), dim(said)])
    parts.append(fitted(_TIMELINE, rows, width))
    line = retry_line(attempt, width)
    if line is not None:
        parts += [line, ""]
    return parts


def _swap(swap: Swap | None, sent: str, width: int) -> str:
    text = signature(clean(sent), 4 if width < 100 else 8)
    if swap is None:
        return text
    state = clean(swap["state"])
    return f"{text}  {state if width < 100 else _ENDS.get(state, state)}"


def _final(trace: Trace) -> Text:
    assert trace.final is not None  # the caller has looked
    line = Text("  ")
    line.append(clock(trace.final["at"]), style="dim")
    line.append("   ")
    line.append_text(status(trace.final["status"]))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _facts(order: Order, trace: Trace, width: int) -> list[list[Text]]:
    """What the order came to; only what there is."""
    facts = [
        ("order", order["orderId"]),
        ("placed", f"{moment(order['createdAt']).astimezone():%Y-%m-%d %H:%M:%S %Z}"),
    ]
    if order["signature"]:
        facts.append(("signature", clean(order["signature"])))
    if order["filledIn"] and order["filledOut"]:
        facts.append(("paid", f"{exact(order['filledIn'])} {clean(order['inputToken'])}"))
        facts.append(("received", f"{exact(order['filledOut'])} {clean(order['outputToken'])}"))
    if order["fee"]:
        facts.append(("fee", f"{exact(order['fee'])} {clean(order['inputToken'])}, in the price"))
    against = _against_quote(order, trace)
    if against:
        facts.append(("fill", against))
    bound = order["maxSpend"] if order["swapMode"] == "ExactOut" else order["minReceive"]
    if bound and order["status"] not in FINAL:
        token = order["inputToken"] if order["swapMode"] == "ExactOut" else order["outputToken"]
        facts.append(("worst", f"{exact(bound)} {clean(token)}, fixed"))
    if order["idempotencyKey"]:
        facts.append(("key", clean(order["idempotencyKey"])))
    room = width - 14
    return [[dim(name), Text(ends(text, room))] for name, text in facts]


def _against_quote(order: Order, trace: Trace) -> str:
    """The fill against the quote it was chosen on, in basis points: what slippage really cost."""
    best = winner(trace.quotes, order["swapMode"])
    chosen = next((q for q in trace.quotes if q["venue"] == order["venue"] and not q["error"]), best)
    if chosen is None or order["filledIn"] is None or order["filledOut"] is None:
        return ""
    exact_out = order["swapMode"] == "ExactOut"
    quoted = chosen["amountIn"] if exact_out else chosen["amountOut"]
    filled = order["filledIn"] if exact_out else order["filledOut"]
    if quoted is None or not Decimal(quoted):
        return ""
    worse = (Decimal(filled) - Decimal(quoted)) / Decimal(quoted) * (1 if exact_out else -1) * 10_000
    if not worse:
        return "as quoted"
    return f"{abs(worse):.1f} bps {'worse' if worse > 0 else 'better'} than quoted"
