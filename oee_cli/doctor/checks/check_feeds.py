"""The watch over the prices that orders wait for: whether anybody leads it, and which pairs nobody sees."""

from __future__ import annotations

from collections.abc import Iterator

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, ok, warn
from oee_cli.text.amount_text import counted
from oee_cli.text.time_text import span_text

#: Seconds without a fresh price from which it is no slip.
_LONG_S = 30.0
#: Seconds for which orders have waited for room from which it is no crowd of a moment.
_CROWDED_S = 60.0


def check_feeds(facts: Facts) -> Iterator[Finding]:
    yield from _check_waiting(facts)
    feeds = facts.feeds.get("feeds") or []
    if not feeds:
        return
    if facts.feeds.get("leader") is None:
        message = f"Nobody watches the prices that {facts.feeds['waiting']:,} orders wait for: none fires."
        yield fail("prices", "no_leader", message, "oee daemon restart" if facts.here else None)
        return
    blind = [feed for feed in feeds if _is_blind(feed)]
    for feed in blind:
        age = feed["ageMs"]
        since = "ever since it is watched" if age is None else f"for {span_text(age / 1000)}"
        message = (
            f"{feed['pair']} has had no fresh price {since}: {feed['waiting']:,} orders wait for one,"
            " and none of them fires."
        )
        yield fail("prices", "no_fresh_price", message, "oee quote " + feed["pair"].replace("/", " "))
    if not blind:
        oldest = max(feed["ageMs"] or 0 for feed in feeds)
        pairs = counted(len(feeds), "pair")
        yield ok("prices", f"{pairs} watched, the oldest price {span_text(oldest / 1000)} old")


def _check_waiting(facts: Facts) -> Iterator[Finding]:
    """What waits although its price was there."""
    if latched := facts.feeds.get("latched"):
        stops = "1 stop has fired and waits" if latched == 1 else f"{latched:,} stops have fired and wait"
        message = f"{stops} for a worst price that the market has left: nothing is sold or bought until then."
        yield warn("stops", "latched_stops", message, "oee waiting --type stop")
    resting = [one for one in facts.waiting if (one.get("blocked") or {}).get("code") == "no_venue"]
    if resting:
        waits, rests = "1 order waits", "it was accepted under others, and rests"
        if len(resting) > 1:
            waits, rests = f"{len(resting):,} orders wait", "they were accepted under others, and rest"
        message = f"{waits} that none of OEE_VENUES may fill: {rests}."
        remedy = f"oee show {str(resting[0]['orderId'])[:8]}"
        yield warn("orders", "no_venue", message, remedy)
    since = facts.feeds.get("deferredMs") or 0
    if since > _CROWDED_S * 1000:
        message = (
            f"{facts.feeds['deferred']:,} limits have had their price for {span_text(since / 1000)}, and wait"
            " for room: each order before them takes its time."
        )
        yield warn("prices", "deferred_orders", message, "oee top")


def _is_blind(feed: dict[str, object]) -> bool:
    # One that has just begun to be watched has no price either.
    age = feed["blindMs"] if feed["ageMs"] is None else feed["ageMs"]
    return feed["state"] != "live" and isinstance(age, int) and age > _LONG_S * 1000
