"""The figures of `GET /api/stats`, worked out from the orders' own JSON with their events: by exact
fractions, one order after the other, and without the daemon's code."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from oee_daemon.contract.status import Status

Order = dict[str, Any]


def at(value: str) -> datetime:
    return datetime.fromisoformat(value)


def spread(values: Iterable[Any], worded: Callable[[Any], Any]) -> dict[str, Any]:
    """By nearest rank."""
    ranked = sorted(values)
    if not ranked:
        return {"p50": None, "p95": None}
    return {
        f"p{percent}": worded(ranked[math.ceil(Fraction(percent, 100) * len(ranked)) - 1])
        for percent in (50, 95)
    }


def ms(took: timedelta) -> int:
    return int((Decimal(took // timedelta(microseconds=1)) / 1000).quantize(Decimal(1), ROUND_HALF_UP))


def bps(value: Fraction) -> str:
    """One decimal, half of it away from 0."""
    tenths = math.floor(abs(value) * 10 + Fraction(1, 2))
    return ("-" if value < 0 and tenths else "") + f"{tenths // 10}.{tenths % 10}"


def better(order: Order, chosen: Order, other: Order) -> Fraction:
    """By how many bps `chosen` is the better quote, in what `other` would have given or taken."""
    if order["swapMode"] == "ExactIn":
        return (Fraction(chosen["amountOut"]) / Fraction(other["amountOut"]) - 1) * 10_000
    return (1 - Fraction(chosen["amountIn"]) / Fraction(other["amountIn"])) * 10_000


def choices(order: Order) -> list[tuple[int, str, dict[str, Order]]]:
    """Attempt, chosen venue, and the quotes by venue of every choice."""
    return [
        (e["attempt"], e["data"]["venue"], {q["venue"]: q for q in e["data"]["quotes"]})
        for e in order["events"]
        if e["status"] == "building"
    ]


def slipped(order: Order) -> Fraction:
    (quote,) = [quotes[venue] for n, venue, quotes in choices(order) if n == order["attempt"]]
    if order["swapMode"] == "ExactIn":
        return (1 - Fraction(order["filledOut"]) / Fraction(quote["amountOut"])) * 10_000
    return (Fraction(order["filledIn"]) / Fraction(quote["amountIn"]) - 1) * 10_000


def took(orders: list[Order], step: str, following: str) -> list[timedelta]:
    found = []
    for order in orders:
        for e, after in zip(order["events"], order["events"][1:], strict=False):
            # The queue is the way to the first attempt, from when the order could run.
            first = step != "pending" or e["attempt"] == 1
            if (e["status"], after["status"]) == (step, following) and first:
                found.append(at(after["at"]) - at(e["at"]))
    return found


def totals(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for token, amount in pairs:
        found[token] += Decimal(amount)
    return [{"token": t, "amount": f"{a.normalize():f}"} for t, a in sorted(found.items())]


def venue_row(orders: list[Order], venue: str) -> dict[str, Any]:
    answers = [
        q
        for order in orders
        for e in order["events"]
        for q in e["data"].get("quotes", [])
        if q["venue"] == venue
    ]
    made = [(o, n, v, q) for o in orders for n, v, q in choices(o) if q[venue]["error"] is None]
    gains = [
        better(o, q[v], q[venue]) for o, n, v, q in made if o["status"] == "confirmed" and n == o["attempt"]
    ]
    won = sum(v == venue for _, _, v, _ in made)
    return {
        "venue": venue,
        "statuses": statuses([o for o in orders if o["venue"] == venue]),
        "asked": len(answers),
        "quoted": sum(q["error"] is None for q in answers),
        "choices": len(made),
        "chosen": won,
        "winRate": f"{Decimal(won) / len(made):.4f}" if made else None,
        "gainBps": {
            "mean": bps(sum(gains, Fraction()) / len(gains)) if gains else None,
            "p50": spread(gains, bps)["p50"],
        },
        "quoteMs": spread((q["latencyMs"] for q in answers if q["error"] is None), int),
    }


def statuses(orders: list[Order]) -> dict[str, int]:
    found = Counter(order["status"] for order in orders)
    return {status.value: found[status] for status in Status}


def row(orders: list[Order], key: str | None = None) -> dict[str, Any]:
    done = [order for order in orders if order["status"] == "confirmed"]
    quote_moved = (
        (o["pair"].split("/")[1], o["filledIn"] if o["side"] == "buy" else o["filledOut"]) for o in done
    )
    met = {q["venue"] for o in orders for e in o["events"] for q in e["data"].get("quotes", [])}
    return {
        "key": key,
        "orders": len(orders),
        "statuses": statuses(orders),
        "retried": sum(o["attempt"] > 1 for o in orders),
        "retries": sum(o["attempt"] - 1 for o in orders),
        "volume": totals(quote_moved),
        "fees": totals((o["inputToken"], o["fee"]) for o in done),
        "slippageBps": spread(map(slipped, done), bps),
        "latencyMs": {
            "pending": spread(took(orders, "pending", "routing"), ms),
            "routing": spread(took(orders, "routing", "building"), ms),
            "building": spread(took(orders, "building", "submitted"), ms),
            "submitted": spread(took(orders, "submitted", "confirmed"), ms),
            "whole": spread((at(o["finishedAt"]) - at(o["firedAt"] or o["createdAt"]) for o in done), ms),
        },
        "venues": [venue_row(orders, venue) for venue in sorted(met)],
    }
