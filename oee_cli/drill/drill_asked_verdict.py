"""The judge of what was asked of orders while they ran: an edit is in force from its answer on, what was
cancelled stays so, and under a halt nothing is accepted, fired, signed or sent.

Pure functions, and no code of the engine. They go by the drill's own notes and looks; what the engine says of
an order has to fit to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from oee_cli.drill.drill_asked import Cancel, Edit, Halt
from oee_cli.drill.drill_orders import Placed
from oee_cli.drill.drill_turns import moment_ms
from oee_cli.drill.drill_verdict import Verdict

#: Milliseconds that a moment told by another process may be off.
OFF_MS = 250
#: How the fields of a look are called.
_LOOKED = {"accepted": "accepted", "signed": "signed", "fired": "fired", "sent": "taken by the chain"}


def terms_at(verdict: Verdict, order: Mapping[str, Any], placed: Placed, edit: Edit | None) -> list[Placed]:
    """The terms in force from each of its events on: as it was placed, or as it was edited."""
    events = order["events"]
    edits = [n for n, event in enumerate(events) if "edited" in event["data"]]
    if edit is None or edit.done is False:
        why = "though nobody asked for it" if edit is None else "and said that it was not"
        wrong = [f"edited, {why}"] if edits else []
    else:
        wrong = _wrong(events, edits, edit)
    verdict.unfounded += [f"{order['orderId']}: {what}" for what in wrong]
    since = edits[0] if edits and edit is not None else len(events)
    return [placed if n < since or edit is None else edit.terms for n in range(len(events))]


def _wrong(events: Sequence[Mapping[str, Any]], edits: Sequence[int], edit: Edit) -> list[str]:
    """Where the events do not fit to an edit that was, or may have been, done."""
    if len(edits) != 1:
        return [f"edited {len(edits)} times, asked for once"] if edits or edit.done else []
    (n,) = edits
    at_ms, said = moment_ms(events[n]["at"]), events[n]["data"]["edited"]
    found = []
    if not edit.sent_ms - OFF_MS <= at_ms <= edit.told_ms + OFF_MS:
        found.append("edited at another time than was asked for")
    if any(event["status"] != "waiting" for event in events[n - 1 : n + 1]):
        found.append("edited while it did not wait")
    # Postgres's order has to be that of the answers.
    if any("trigger" in e["data"] and moment_ms(e["at"]) > edit.told_ms + OFF_MS for e in events[:n]):
        found.append("fired by what it was before its edit")
    asked = [name for name in ("targetPrice", "trailBps", "amount") if name in edit.body]
    if any(name not in said or Decimal(said[name][1]) != Decimal(edit.body[name]) for name in asked):
        found.append(f"edited to {said}, asked for {edit.body}")
    return found


def judge_cancels(verdict: Verdict, order: Mapping[str, Any], cancels: Sequence[Cancel]) -> bool:
    """Whether the order was stopped by one of `cancels`; says where it was not, and should have been."""
    name, created_ms = order["orderId"], moment_ms(order["createdAt"])
    ended_ms = moment_ms(order["finishedAt"]) if order["finishedAt"] else float("inf")
    own = [c for c in cancels if c.means(order) and created_ms <= c.told_ms]
    for cancel in own:
        surely = cancel.left is not None and name not in cancel.left and created_ms + OFF_MS < cancel.sent_ms
        if surely and ended_ms > cancel.told_ms + OFF_MS:
            verdict.unfounded.append(f"{name}: went on after it was cancelled")
        by_name = surely and len(cancel.ids) == 1
        if by_name and order["status"] != "cancelled":
            verdict.unfounded.append(f"{name}: was said to be cancelled, and is {order['status']}")
    last = order["events"][-1]
    if last["status"] != "cancelled" or last["data"].get("by") == "oco":
        return False
    if not any(c.sent_ms - OFF_MS <= ended_ms <= c.told_ms + OFF_MS for c in own):
        verdict.unfounded.append(f"{name}: cancelled, though nobody asked for it")
    return True


def judge_halt(verdict: Verdict, halt: Halt, orders: Sequence[Mapping[str, Any]]) -> None:
    """By the looks at both ends, and by what the events themselves say."""
    span = f"under the halt of {halt.told_ms:.0f}"
    if halt.after is not None:
        for name, what in _LOOKED.items():
            more = getattr(halt.after, name) - getattr(halt.before, name)
            # Who did not say that it sends nothing may send what it had signed.
            if more and (name != "sent" or halt.sure):
                verdict.unfounded.append(f"{span}: {more} more {what}")
    for order in orders:
        for n, event in enumerate(order["events"]):
            moves = n == 0 or event["status"] == "submitted" or bool({"trigger", "edited"} & {*event["data"]})
            if moves and halt.told_ms < moment_ms(event["at"]) < halt.until_ms:
                verdict.unfounded.append(f"{order['orderId']}: {event['status']} {span}")
