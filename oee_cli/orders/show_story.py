"""One order explained on one screen: each attempt with its quotes, steps and end, and what it came to.

Draws what `explain` has worked out and works out nothing itself. Lines of plain cells: the only colours are
those that can be read on a light and on a dark terminal.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping

from oee_cli.orders.show_explained import Explained, ExplainedAttempt, ExplainedWait, explain_order
from oee_cli.orders.show_order_quotes import quote_lines
from oee_cli.orders.show_timeline import timeline_lines
from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount, percent_text, short_ends
from oee_cli.text.condition_text import (
    condition_sentence,
    edits_text,
    is_conditional,
    market_words,
    trigger_text,
    until_words,
)
from oee_cli.text.layout_text import Cell, Line, fold_value, put_lines
from oee_cli.text.order_lines_text import header_line
from oee_cli.text.order_text import ending_text, error_text, short_id
from oee_cli.text.price_text import NO_LIMIT
from oee_cli.text.time_text import ago_text, clock_text, parse_moment, span_text, stamp_text
from oee_daemon.contract.shapes import Blocked, Order
from oee_daemon.contract.status import FINAL

#: The least part of an order's time that is worth a word.
_SEEN = 0.005
_ENDS = {
    "landed": "landed",
    "rejected": "rejected on the chain",
    "lapsed": "lapsed: it can never land",
    "never_sent": "never sent",
    "unknown": "not known here: it may have landed",
}
_MARKS = {"✓": "green", "✗": "red", "●": "cyan"}
_WAITS = {
    "worker": "waiting for a worker to take it",
    "retry": "waiting to try again",
    "venues": "waiting for the venues' quotes",
    "signing": "building and signing its swap",
}


def draw_order(output: Output, order: Order) -> None:
    put_lines(output, order_lines(order, explain_order(order), output.width(sys.stdout)))


def order_lines(order: Order, figures: Explained, width: int) -> Iterator[Line]:
    yield header_line(order, width)
    yield []
    quotes = quote_lines(order, figures["attempts"], width)
    several = len(figures["attempts"]) > 1
    for attempt in figures["attempts"]:
        if several:
            yield _attempt_title(order, attempt, width)
        yield from next(quotes)
        yield from timeline_lines(order, figures, attempt, width)
        yield from _sent_line(order, attempt, width, titled=several)
        yield []
    yield from _check_lines(order, width)
    yield from _order_facts(order, figures, width)
    yield []
    yield from _order_ending(order, figures["waiting"], width)


def _check_lines(order: Order, width: int) -> Iterator[Line]:
    """`✗ freeze     somebody can freeze it`: what each check of a new token came to."""
    checks = order.get("checks")
    for one in checks or ():
        mark = {"ok": "✓", "accepted": "✓", "refused": "✗"}.get(one["verdict"], "●")
        says = clean(one["says"]) + (" (accepted)" if one["verdict"] == "accepted" else "")
        style = "dim" if one["verdict"] == "ok" else ""
        room = max(10, width - 15)
        says = says if len(says) <= room else says[: room - 1] + "…"
        yield [Cell(f"  {mark}", _MARKS[mark]), Cell(f" {clean(one['check']):<10} {says}", style)]
    if checks:
        yield []


def _attempt_title(order: Order, attempt: ExplainedAttempt, width: int) -> Line:
    """`attempt 1  ✗ rejected on the chain: the price moved (slippage_exceeded)`; less where it is narrow."""
    name = f"attempt {attempt['attempt']}"
    mark = {"landed": "✓", None: "●"}.get(attempt["ended"], "✗")
    end, why = _attempt_end(order, attempt), ""
    if attempt["error"] is not None:
        room = width - len(name) - len(end) - 6
        why = error_text(attempt["error"])
        why = f": {why if len(why) <= room else clean(str(attempt['error']['code']))}"
    return [Cell(name, "bold"), Cell("  "), Cell(mark, _MARKS[mark]), Cell(f" {end}{why}")]


def _attempt_end(order: Order, attempt: ExplainedAttempt) -> str:
    """How the attempt ended."""
    if attempt["ended"] is None:
        if attempt["signature"] is not None:
            return "may be on the chain"
        return "running" if len(attempt["steps"]) > 1 else "waiting to begin"
    end = _ENDS.get(attempt["ended"], clean(attempt["ended"]))
    slot = order["events"][-1]["data"].get("slot") if attempt["ended"] == "landed" else None
    return end if slot is None else f"{end} in slot {clean(str(slot))}"


def _sent_line(order: Order, attempt: ExplainedAttempt, width: int, *, titled: bool) -> Iterator[Line]:
    """The signature, and how it ended where no title has said that."""
    if attempt["signature"] is None:
        if attempt["ended"] == "unknown" and not titled:
            yield [Cell(f"  {_ENDS['unknown']}", "dim")]
        if attempt["ended"] == "never_sent" and not titled:
            yield [Cell("  nothing was sent", "dim")]
        return
    end = "" if titled else _attempt_end(order, attempt)
    room = width - len("  sent as ") - len(end) - 2
    line = [Cell("  sent as ", "dim"), Cell(short_ends(clean(attempt["signature"]), room))]
    style = {"landed": "green", "rejected": "red", "lapsed": "red"}.get(attempt["ended"] or "", "cyan")
    yield [*line, Cell("  "), Cell(end, style)] if end else line


def _order_facts(order: Order, figures: Explained, width: int) -> Iterator[Line]:
    """What the order came to; only what there is."""
    given, taken = clean(order["inputToken"]), clean(order["outputToken"])
    facts: list[tuple[str, str]] = list(_condition_facts(order))
    if order["filledIn"] and order["filledOut"]:
        fee = f", {exact_amount(order['fee'])} of it the venue's fee" if order["fee"] else ""
        facts.append(("paid", f"{exact_amount(order['filledIn'])} {given}{fee}"))
        facts.append(("received", f"{exact_amount(order['filledOut'])} {taken}"))
        # An order that was brought from elsewhere may have none of its events.
        if order["events"] and (took := order["events"][-1]["data"].get("networkFee")):
            facts.append(("network", f"took {exact_amount(clean(str(took)))} SOL, beside what was paid"))
    facts += [
        ("fill", _fill_fact(figures)),
        ("worst", _bound_fact(order, figures)),
        ("time", _time_facts(figures)),
    ]
    facts.append(("order", clean(order["orderId"])))
    kind = f"{clean(order['type'])} order on {clean(order['network'])}"
    facts.append(
        ("", f"{kind}, slippage {percent_text(order['slippageBps'])}, valid for {order['validForS']} s")
    )
    barred = [clean(venue) for venue in order.get("barred") or ()]
    if barred:
        facts.append(("barred", f"{', '.join(barred)}: built a swap that was not signed"))
    if keeps := order.get("keeps"):
        told = ", ".join(f"OEE_{clean(name).upper()}={clean(str(value))}" for name, value in keeps.items())
        facts.append(("keeps", f"to {told}, as it was accepted, whoever executes it"))
    faults = order.get("faults")
    if faults:
        times = "once" if faults["count"] == 1 else f"{faults['count']:,} times"
        facts.append(
            ("faults", f"the engine failed {times}, last with {clean(faults['last'])}: oee daemon logs")
        )
    zone = f"{parse_moment(order['createdAt']).astimezone():%Z}"
    facts.append(("placed", f"{stamp_text(order['createdAt'])} {zone}, {ago_text(order['createdAt'])}"))
    facts.append(("key", clean(order["idempotencyKey"] or "")))
    room = width - 12
    for name, text in facts:
        if not text:
            continue
        # What is copied from here is folded so that it can be put together again.
        parts = fold_value(text, room) if name in ("order", "key") else textwrap.wrap(text, room)
        for n, part in enumerate(parts):
            yield [Cell(f"  {'' if n else name:<8}  ", "dim"), Cell(part)]


def _condition_facts(order: Order) -> Iterator[tuple[str, str]]:
    """What it waits for, each time that it fired, and when nobody watched its price."""
    if not is_conditional(order):
        return
    yield "waits", f"to {order['side']} {condition_sentence(order)}, {until_words(order)}"
    for event in order.get("events", []):
        if isinstance(trigger := event["data"].get("trigger"), Mapping):
            yield "fired", f"{stamp_text(event['at'])}: {trigger_text(trigger)}"
        if event["data"].get("edited"):
            yield "edited", f"{stamp_text(event['at'])}: {edits_text(event['data'])}"
        if event["data"].get("by") == "oco":
            yield "ended", f"by the fill of order {clean(str(event['data']['order']))[:8]} of its group"
    for gap in order.get("gaps", []):
        ended = f"to {stamp_text(gap['ended'])}" if gap["ended"] else "on, still"
        yield "unseen", f"not watched from {stamp_text(gap['begun'])} {ended}: {clean(gap['reason'])}"
    if blocked := order.get("blocked"):
        yield from _blocked_facts(order, blocked)
    for leg in order.get("group", []):
        yield "group", f"{clean(leg['orderId'])[:8]}, {clean(leg['type'])}, {clean(leg['status'])}"


def _blocked_facts(order: Order, blocked: Blocked) -> Iterator[tuple[str, str]]:
    if blocked["code"] == "no_venue":
        yield "held", "none of OEE_VENUES may fill it: it rests until one may, or it is edited"
        # What changes nothing but that: an edit is accepted under what is set now.
        yield "to go on", f"oee edit {short_id(order)} --slippage {order['slippageBps']}bps"
    else:
        yield "held", f"order {clean(blocked.get('order', ''))[:8]} of its group is being executed"


def _fill_fact(figures: Explained) -> str:
    """The fill against the quote it was chosen on: what slippage really cost."""
    fill = figures["fill"]
    if fill is None:
        return ""
    text = _compare_to_quote(fill["againstQuoteBps"], "quoted")
    first = fill["againstFirstQuoteBps"]
    if first is None or first == fill["againstQuoteBps"] or len(figures["attempts"]) == 1:
        return text
    return f"{text}, {_compare_to_quote(first, 'first quoted')}"


def _compare_to_quote(bps: float, what: str) -> str:
    return f"{abs(bps):g} bps {'worse' if bps > 0 else 'better'} than {what}" if bps else f"as {what}"


def _bound_fact(order: Order, figures: Explained) -> str:
    """The worst amount, and how much of the way to it was left."""
    if order.get("limitPrice") == NO_LIMIT:
        return f"none; each try within {percent_text(order['slippageBps'])} of its quote"
    bound = figures["bound"]
    if bound is None and order.get("trailBps"):
        return "20% past the price at which it fires" if order["status"] not in FINAL else ""
    if bound is None:
        return "fixed by the first quote that is chosen" if order["status"] not in FINAL else ""
    token = clean(bound["token"])
    most = "at most" if bound["name"] == "maxSpend" else "at least"
    text = f"{most} {exact_amount(bound['amount'])} {token}"
    if bound["overFirstQuoteBps"] is not None:
        text += f", {bound['overFirstQuoteBps']:g} bps from the first quote"
    if bound["room"] is None or bound["roomBps"] is None:
        return text
    if bound["roomBps"] < 0:
        return f"{text}; the last quote was {-bound['roomBps']:g} bps past it"
    who = "room left" if order["filledIn"] else "the last quote left"
    return f"{text}; {who} {exact_amount(bound['room'])} {token}, {bound['roomBps']:g} bps"


def _time_facts(figures: Explained) -> str:
    """Where the time of several attempts went, the longest first; one attempt's stands in its timeline."""
    if len(figures["attempts"]) < 2:
        return ""
    whole = sum(figures["timing"].values()) or 1.0
    names = {"betweenAttempts": "between attempts", "chain": "the chain", "queue": "in the queue"}
    parts = [
        f"{names.get(kind, kind)} {span_text(ms / 1000)} ({ms / whole:.0%})"
        for kind, ms in sorted(figures["timing"].items(), key=lambda part: -part[1])
        if ms / whole >= _SEEN
    ]
    return " · ".join(parts)


def _order_ending(order: Order, waiting: ExplainedWait | None, width: int) -> Iterator[Line]:
    last = ending_text(order, room=width)
    mark, text, hint = last.mark, last.text, last.hint
    if waiting is not None:
        mark, text, hint = "●", _describe_wait(order, waiting), f"follow: oee watch {short_id(order)}"
        if waiting["waitsFor"] != "chain":
            hint += f"\nstop:   oee cancel {short_id(order)}"
    elif hint and hint.startswith("why:"):
        # This is the answer to that.
        hint = None
    for n, part in enumerate(textwrap.wrap(text, width - 2)):
        yield [Cell(f"{mark} " if not n else "  ", "" if n else _MARKS[mark]), Cell(part)]
    for part in (hint or "").splitlines():
        yield [Cell(f"  {clean(part)}", "dim")]


def _describe_wait(order: Order, waiting: ExplainedWait) -> str:
    """What an order in flight is waiting for, since when, and until when."""
    since = span_text(waiting["ms"] / 1000)
    if waiting["waitsFor"] == "condition":
        now = market_words(order)
        return f"it has waited for {since}{f'; {now}' if now else ''}. It waits {until_words(order)}."
    if waiting["waitsFor"] == "chain":
        done = {"buy": "bought", "sell": "sold"}.get(order["side"], "executed")
        return (
            f"not known yet: it was sent {since} ago and the chain has not answered. It may still be {done}; "
            "it goes on being asked, and nothing else is tried before that is known."
        )
    text = f"{_WAITS.get(waiting['waitsFor'], clean(order['status']))}, since {since}"
    if waiting["until"] is not None:
        text += f"; attempt {order['attempt']} is due at {clock_text(waiting['until'])}"
    if waiting["expiresAt"] is not None:
        text += f". It expires at {clock_text(waiting['expiresAt'])[:-4]} if it can't be sent by then"
    return f"{text}."
