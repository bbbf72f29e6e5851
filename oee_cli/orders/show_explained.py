"""What an order's story comes to in figures: times by step, quotes compared, fill and bound in basis points.

`oee show --json` prints it as `explained`, and the view draws nothing else, so that a script and a person
are told the same. Amounts are decimal strings; basis points and milliseconds are plain numbers. In every
figure of bps more is worse, except in `roomBps`, which is what is left.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from oee_cli.exit_codes import is_outcome_unknown
from oee_cli.text.order_text import is_firing
from oee_cli.text.time_text import parse_moment
from oee_cli.text.timeline_text import Attempt, Step, Timeline
from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.ranking import BPS, competing, winner
from oee_daemon.contract.shapes import ErrorInfo, Order, Quote, Swap
from oee_daemon.contract.status import FINAL

#: What the time in a status is spent on, and what an order in it waits for.
_KINDS = {"pending": "queue", "routing": "routing", "building": "building", "submitted": "chain"}
_WAITS = {
    "waiting": "condition",
    "queue": "worker",
    "betweenAttempts": "retry",
    "routing": "venues",
    "building": "signing",
}


class StepTime(TypedDict):
    """`kind`: waiting, queue, betweenAttempts, routing, building or chain. `ms` is null while it lasts."""

    status: str
    kind: str
    at: str
    ms: float | None


class Difference(TypedDict):
    """By how many bps each part made a quote worse than the best; the parts add up to `behindBps`."""

    price: float
    fee: float
    impact: float


class ComparedQuote(Quote):
    """A quote as the venue gave it, and how it fared: chosen, lost, past_bound or no_price."""

    result: str
    behind: str | None
    behindBps: float | None  # noqa: N815
    because: Difference | None
    pastBoundBps: float | None  # noqa: N815


class ExplainedAttempt(TypedDict):
    """One attempt. `ended`: landed, rejected, lapsed, unknown, never_sent, or null while that is open."""

    attempt: int
    startedAt: str
    ms: float | None
    venue: str | None
    signature: str | None
    ended: str | None
    error: ErrorInfo | None
    steps: list[StepTime]
    quotes: list[ComparedQuote]


class ExplainedFill(TypedDict):
    """The fill against the quote it was chosen on, and against the first one of all."""

    quotedIn: str
    quotedOut: str
    againstQuoteBps: float
    againstFirstQuoteBps: float | None


class ExplainedBound(TypedDict):
    """The worst amount, fixed; `room` is what the fill, or the best quote so far, leaves of it."""

    name: str
    amount: str
    token: str
    overFirstQuoteBps: float | None
    room: str | None
    roomBps: float | None


class ExplainedWait(TypedDict):
    """What an order waits for: condition, worker, retry, venues, signing or chain."""

    waitsFor: str
    since: str
    ms: float
    until: str | None
    expiresAt: str | None


class Explained(TypedDict):
    totalMs: float | None
    timing: dict[str, float]
    waiting: ExplainedWait | None
    attempts: list[ExplainedAttempt]
    fill: ExplainedFill | None
    bound: ExplainedBound | None


#: How an attempt ended whose swap is not stored.
_IN_DOUBT = {"confirmed": "landed"}


def explain_order(order: Order, now: datetime | None = None) -> Explained:
    """The figures of an order that was asked for with its events and swaps."""
    timeline = Timeline(order.get("events", []))
    swaps = {swap["attempt"]: swap for swap in order.get("swaps", [])}
    attempts = [
        _explain_attempt(order, timeline, attempt, swaps.get(attempt.number)) for attempt in timeline.attempts
    ]
    timing = dict.fromkeys(("queue", "routing", "building", "chain", "betweenAttempts"), 0.0)
    for step in (step for attempt in attempts for step in attempt["steps"]):
        timing[step["kind"]] = round(timing.get(step["kind"], 0.0) + (step["ms"] or 0.0), 1)
    ended = order["finishedAt"]
    return {
        "totalMs": None if ended is None else _ms_between(order["createdAt"], ended),
        "timing": timing,
        "waiting": _explain_wait(order, timeline, now or datetime.now(UTC)),
        "attempts": attempts,
        "fill": _explain_fill(order, timeline),
        "bound": _explain_bound(order, timeline),
    }


def _explain_attempt(
    order: Order, timeline: Timeline, attempt: Attempt, swap: Swap | None
) -> ExplainedAttempt:
    last = attempt is timeline.current
    closing = timeline.final if last else attempt.retry
    sent = next((s.event["data"].get("signature") for s in attempt.steps if s.status == "submitted"), None)
    chosen = next((s.event["data"].get("venue") for s in attempt.steps if s.status == "building"), None)
    if swap is not None:
        ended = swap["state"] if swap["state"] != "signed" else None
    elif any(s.status == "submitted" for s in attempt.steps):
        # It was in doubt: what was signed for it, if anything, this database has not seen.
        ended = None if closing is None else _IN_DOUBT.get(closing["status"], "lapsed")
        if last and is_outcome_unknown(order):
            ended = "unknown"
    else:
        ended = None if closing is None else "never_sent"
    return {
        "attempt": attempt.number,
        "startedAt": attempt.steps[0].at,
        "ms": None if closing is None else _ms_between(attempt.steps[0].at, closing["at"]),
        "venue": chosen,
        "signature": swap["signature"] if swap is not None else sent,
        "ended": ended,
        "error": None if closing is None else closing["data"].get("error") or closing["data"].get("why"),
        "steps": [
            {
                "status": step.status,
                "kind": kind_of_step(step, attempt.number),
                "at": step.at,
                "ms": None if step.seconds is None else round(step.seconds * 1000, 1),
            }
            for step in attempt.steps
        ],
        "quotes": [_compare_quote(order, quote, attempt.quotes, chosen) for quote in attempt.quotes],
    }


def kind_of_step(step: Step, attempt: int) -> str:
    """What the time in a step is spent on. A wait before a later attempt is one of ours."""
    if step.status == "pending" and attempt > 1 and not is_firing(step.event):
        return "betweenAttempts"
    return _KINDS.get(step.status, step.status)


def _compare_quote(order: Order, quote: Quote, quotes: list[Quote], chosen: str | None) -> ComparedQuote:
    best = winner(quotes, order["swapMode"])
    told: ComparedQuote = {
        **quote,
        "result": "no_price",
        "behind": None,
        "behindBps": None,
        "because": None,
        "pastBoundBps": None,
    }
    mine = competing(order["swapMode"], quote)
    theirs = None if best is None else competing(order["swapMode"], best)
    if quote["error"] is not None or mine is None or not theirs:
        return told
    sign = _worse_sign(order)
    behind = (mine - theirs) * sign
    bound = _bound_amount(order)
    # Where nothing was chosen though there is a bound, even the best quote was worse than the order allows.
    told["result"] = "chosen" if quote["venue"] == chosen else "lost"
    if chosen is None and bound is not None and quote is best:
        told["result"] = "past_bound"
    told["behind"] = decimal_text(behind)
    told["behindBps"] = bps = _bps(behind, theirs)
    if best is not None and quote is not best:
        told["because"] = _split_difference(quote, best, bps)
    if bound is not None and (mine - bound) * sign > 0:
        told["pastBoundBps"] = _bps((mine - bound) * sign, bound)
    return told


def _split_difference(quote: Quote, best: Quote, behind: float) -> Difference | None:
    """The difference in its parts. Impact is told in whole bps, so the price is known to about one."""
    fees = [_fee_bps(quote), _fee_bps(best)]
    if None in fees or quote["priceImpactBps"] is None or best["priceImpactBps"] is None:
        return None
    fee = round((fees[0] or 0.0) - (fees[1] or 0.0), 1)
    impact = round(float(quote["priceImpactBps"]) - float(best["priceImpactBps"]), 1)
    return {"price": round(behind - fee - impact, 1), "fee": fee, "impact": impact}


def _fee_bps(quote: Quote) -> float | None:
    if quote["fee"] is None or quote["amountIn"] is None or not Decimal(quote["amountIn"]):
        return None
    return _bps(Decimal(quote["fee"]), Decimal(quote["amountIn"]))


def _explain_fill(order: Order, timeline: Timeline) -> ExplainedFill | None:
    filled = _filled_amount(order)
    best = winner(timeline.quotes, order["swapMode"])
    chosen = next((q for q in timeline.quotes if q["venue"] == order["venue"] and not q["error"]), best)
    quoted = None if chosen is None else competing(order["swapMode"], chosen)
    if filled is None or chosen is None or not quoted:
        return None
    first = _first_quoted_amount(order, timeline)
    return {
        "quotedIn": chosen["amountIn"] or "",
        "quotedOut": chosen["amountOut"] or "",
        "againstQuoteBps": _bps((filled - quoted) * _worse_sign(order), quoted),
        "againstFirstQuoteBps": None if not first else _bps((filled - first) * _worse_sign(order), first),
    }


def _explain_bound(order: Order, timeline: Timeline) -> ExplainedBound | None:
    amount = _bound_amount(order)
    if amount is None:
        return None
    exact_out = order["swapMode"] == "ExactOut"
    best = winner(timeline.quotes, order["swapMode"])
    used = _filled_amount(order) or (None if best is None else competing(order["swapMode"], best))
    first = _first_quoted_amount(order, timeline)
    sign = _worse_sign(order)
    return {
        "name": "maxSpend" if exact_out else "minReceive",
        "amount": decimal_text(amount),
        "token": order["inputToken"] if exact_out else order["outputToken"],
        "overFirstQuoteBps": None if not first else _bps((amount - first) * sign, first),
        "room": None if used is None else decimal_text((amount - used) * sign),
        "roomBps": None if not used else _bps((amount - used) * sign, used),
    }


def _first_quoted_amount(order: Order, timeline: Timeline) -> Decimal | None:
    """What the first choice of all would have moved: what the bound is measured from."""
    quotes = next((a.quotes for a in timeline.attempts if winner(a.quotes, order["swapMode"])), [])
    best = winner(quotes, order["swapMode"])
    return None if best is None else competing(order["swapMode"], best)


def _explain_wait(order: Order, timeline: Timeline, now: datetime) -> ExplainedWait | None:
    attempt = timeline.current
    if order["status"] in FINAL or timeline.final is not None or attempt is None:
        return None
    step = attempt.steps[-1]
    kind = kind_of_step(step, attempt.number)
    until = None
    if kind == "betweenAttempts":
        until = _later(step.at, int(step.event["data"].get("retryInMs") or 0))
    elapsed = max(0.0, (now - parse_moment(step.at)).total_seconds())
    return {
        "waitsFor": _WAITS.get(kind, kind),
        "since": step.at,
        "ms": round(elapsed * 1000, 1),
        "until": until,
        "expiresAt": _expiry(order, kind),
    }


def _expiry(order: Order, kind: str) -> str | None:
    """When the order ends if nothing happens. What may be on the chain does not expire."""
    if kind == "chain":
        return None
    until: str | None = order.get("expiresAt")
    if kind == "waiting":
        return until
    end = _later(order.get("firedAt") or order["createdAt"], order["validForS"] * 1000)
    return min(end, until, key=parse_moment) if until else end


def _later(at: str, ms: int) -> str:
    return rfc3339(parse_moment(at) + timedelta(milliseconds=ms))


def _filled_amount(order: Order) -> Decimal | None:
    text = order["filledIn"] if order["swapMode"] == "ExactOut" else order["filledOut"]
    return None if text is None else Decimal(text)


def _bound_amount(order: Order) -> Decimal | None:
    text = order["maxSpend"] if order["swapMode"] == "ExactOut" else order["minReceive"]
    return None if text is None else Decimal(text)


def _worse_sign(order: Order) -> int:
    """1 where more of the competing amount is worse, as it is paid; -1 where more of it is better."""
    return 1 if order["swapMode"] == "ExactOut" else -1


def _bps(part: Decimal, whole: Decimal) -> float:
    # Plus nothing: Decimal's -0 is shown as what it is.
    return float(round(part / whole * BPS, 1) + 0)


def _ms_between(start: str, end: str) -> float:
    return round((parse_moment(end) - parse_moment(start)).total_seconds() * 1000, 1)
