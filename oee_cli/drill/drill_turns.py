"""When orders of a drill that had fired were being executed, by their events: when so many were that others
had to wait for room; and of two that exclude each other, that only one was at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from oee_cli.drill.drill_market import SLOT_MS
from oee_cli.drill.drill_verdict import Verdict
from oee_daemon.contract.status import FINAL

#: Fired and unsent orders from which on no limit fires: four for each of ten places.
CROWDED = 40
#: Between two moments of one statement, in milliseconds, on a machine that is busy.
AT_ONCE_MS = 500

#: Times in ms since the epoch.
Spans = Sequence[tuple[float, float]]


def moment_ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


def crowded_times(orders: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, float]]:
    """When so many had fired and were not sent that limits wait for room."""
    steps: list[tuple[float, int]] = []
    for order in orders:
        unsent = fired = False
        for event in order["events"]:
            fired = fired or "trigger" in event["data"]
            now = fired and event["status"] not in (*FINAL, "waiting", "submitted")
            if now != unsent:
                steps.append((moment_ms(event["at"]), 1 if now else -1))
                unsent = now
    count, since = 0, None
    for at, step in sorted(steps):
        count += step
        if count >= CROWDED and since is None:
            since = at
        elif count < CROWDED and since is not None:
            # A moment more: places are free before they are taken again.
            yield since, at + 2 * SLOT_MS
            since = None


def turns_of(order: Mapping[str, Any]) -> Spans:
    """From each firing until it waits for its price again or has ended; a stop that waits for its floor has
    the turn still."""
    found: list[tuple[float, float]] = []
    since = None
    for event in order["events"]:
        at = moment_ms(event["at"])
        floor = (event["data"].get("why") or {}).get("code") == "under_floor"
        if "trigger" in event["data"] and since is None:
            since = at
        elif since is not None and event["status"] in (*FINAL, "waiting") and not floor:
            found.append((since, at))
            since = None
    return found if since is None else [*found, (since, float("inf"))]


def judge_pair(verdict: Verdict, one: Mapping[str, Any], two: Mapping[str, Any]) -> None:
    """Of two that exclude each other: one fill at most, one turn at a time, and the fill of one ends the
    other at once. Asked for each of them."""
    name = f"{one['orderId']} and {two['orderId']}"
    if one["status"] == two["status"] == "confirmed":
        verdict.doubled.append(f"{name}: both were filled")
    if any(a < d and c < b for a, b in turns_of(one) for c, d in turns_of(two)):
        verdict.unfounded.append(f"{name}: both were executed at once")
    if two["status"] != "confirmed":
        by_fill = one["status"] == "cancelled" and one["events"][-1]["data"].get("by") == "oco"
        if by_fill:
            verdict.lost.append(f"{name}: cancelled by the fill of the other, which is {two['status']}")
        return
    ended, filled = (float("inf") if not o["finishedAt"] else moment_ms(o["finishedAt"]) for o in (one, two))
    if ended > filled + AT_ONCE_MS:
        verdict.missed.append(f"{name}: the first went on after the second was filled")
