"""What a waiting order waits for, in words: its condition, how far away that is, why it fired or went back.

Pure text over the order and its events. Prices are decimal text and shown shortened, never computed with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from oee_cli.output import clean
from oee_cli.text.amount_text import exact_amount, percent_text, short_amount
from oee_cli.text.future_text import instant_text, until_text
from oee_cli.text.price_text import NO_LIMIT
from oee_cli.text.time_text import parse_moment, seconds_between, span_text

#: Figures of a price: it decides something, so more than an amount has.
_FIGURES = 7
#: What can be edited, in words.
_EDITED = {
    "targetPrice": "price", "limitPrice": "worst price", "trailBps": "trail", "confirmMs": "held for",
    "slippageBps": "slippage", "minReceive": "at least", "maxSpend": "at most", "expiresAt": "expires",
    "launchTime": "begins", "minLiquidity": "liquidity", "maxImpact": "OEE_MAX_IMPACT",
    "feeCap": "OEE_FEE_CAP", "venues": "OEE_VENUES",
}  # fmt: skip
_DECIMAL = re.compile(r"\d+(\.\d+)?", re.ASCII)
#: Whether the price has to rise for it, by type and side.
_RISES = {("limit", "buy"): False, ("limit", "sell"): True, ("stop", "sell"): False, ("stop", "buy"): True}


def is_conditional(order: Mapping[str, Any]) -> bool:
    """Whether the order waits for something, or has."""
    return order["type"] != "market" or order["status"] == "waiting" or bool(order.get("launchTime"))


def seconds_executed(order: Mapping[str, Any]) -> float | None:
    """Seconds from when the order could run, once placed or once its condition was met, to its end; `None`
    where it goes on, or never could."""
    begun = order.get("firedAt") or (None if is_conditional(order) else order["createdAt"])
    ended = order["finishedAt"]
    return seconds_between(begun, ended) if begun and ended else None


def price_shown(text: str) -> str:
    return short_amount(text, _FIGURES)


def _launch_text(order: Mapping[str, Any]) -> str:
    return instant_text(parse_moment(order["launchTime"]), exact=order["type"] == "sniper")


def condition_text(order: Mapping[str, Any]) -> str:
    """`≤ 140`, `trails 5%`, `from 2030-12-01 09:00 UTC`; empty for what waits for nothing."""
    told = ""
    if order.get("targetPrice"):
        rises = _RISES.get((order["type"], order["side"]), False)
        told = f"{'≥' if rises else '≤'} {price_shown(order['targetPrice'])}"
    elif order.get("trailBps"):
        told = f"trails {percent_text(order['trailBps'])}"
    if order.get("tokenAddress"):
        told = f"listed, ≥ {order.get('minLiquidity') or 0:,} USD"
    if order.get("launchTime"):
        begun = f"from {_launch_text(order)}"
        told = f"{told} {begun}" if told else begun
    return told


def condition_sentence(order: Mapping[str, Any]) -> str:
    """`at 140 or less (net)`, `once it can be sold at 130 or less`: what follows the order's header."""
    selling = order["side"] == "sell"
    if order.get("trailBps"):
        place = "under its best" if selling else "over its lowest"
        since = "its launch" if order.get("launchTime") else "it was placed"
        told = f"once the price is {percent_text(order['trailBps'])} {place} since {since}"
    elif order.get("targetPrice"):
        rises = _RISES.get((order["type"], order["side"]), False)
        price = f"{price_shown(order['targetPrice'])} or {'more' if rises else 'less'}"
        told = f"at {price} (net)" if order["type"] == "limit" else f"once the price is {price}"
    else:
        told = "once it is time"
        if order["type"] == "sniper":
            worst = order.get("limitPrice")
            told = f"at {price_shown(worst)} or less (net)" if worst else "in one moment"
            if order.get("tokenAddress"):
                but = f" but {', '.join(map(clean, order['accept']))}" if order.get("accept") else ""
                listed = f"once it is listed with {order.get('minLiquidity') or 0:,} USD"
                listed += f" and passes every check{but}"
                told = f"{listed}, {told}" if worst else listed
    if order.get("limitPrice") == NO_LIMIT:
        told += f", at any price, each try within {percent_text(order['slippageBps'])} of its quote"
    elif order["type"] == "stop" and order.get("limitPrice"):
        told += f", at {price_shown(order['limitPrice'])} or better"
    elif order["type"] == "stop" and order.get("trailBps"):
        told += ", at worst 20% past that"
    elif order["type"] == "sniper" and not order.get("limitPrice"):
        told += f", each try within {percent_text(order['slippageBps'])} of its quote"
    if order.get("launchTime"):
        told += f", from {_launch_text(order)} on"
    return told


def until_words(order: Mapping[str, Any]) -> str:
    """Until when it waits: `until cancelled`, `until 2030-12-01 18:00 CET (17:00 UTC)`."""
    until = order.get("expiresAt")
    return "until cancelled" if not until else f"until {instant_text(parse_moment(until))}"


def away_text(market: Mapping[str, Any] | None) -> str:
    """`1.5%`: how far the price has to move; `met` where it need not; empty where nobody knows."""
    bps = (market or {}).get("awayBps")
    if bps is None:
        return ""
    return f"{bps / 100:.1f}%" if bps > 0 else "met"


def market_words(order: Mapping[str, Any]) -> str:
    """`now 142.18, 1.5% away`, with how old the price is where that is too old; empty without a price."""
    market = order.get("market")
    if not market or not market.get("price"):
        return ""
    away = away_text(market)
    told = f"now {price_shown(market['price'])}"
    told += ", met" if away == "met" else f", {away} away" if away else ""
    return f"{told}, stale" if market.get("stale") else told


def expires_in(order: Mapping[str, Any], now: str) -> str:
    """`in 6 d`, or nothing where it has no end."""
    until = order.get("expiresAt")
    return until_text(seconds_between(now, until)) if until else ""


def trigger_text(trigger: Mapping[str, Any]) -> str:
    """Why it fired: `bid 129.4 on raydium, target 130, slot 1,204, 0.3 s old, held 0.8 s`."""
    parts = []
    # A purchase is compared with the ask: it is what a limit waits below, and a stop above.
    buys = (trigger.get("basis") == "executable") == (trigger.get("rule") == "at_or_below")
    for name in ("executable", "ask" if buys else "bid"):
        if trigger.get(name):
            venue = f" on {clean(str(trigger['venue']))}" if trigger.get("venue") else ""
            parts.append(f"{name} {price_shown(trigger[name])}{venue}")
            break
    if trigger.get("target"):
        parts.append(f"target {price_shown(str(trigger['target']))}")
    if trigger.get("slot") is not None:
        parts.append(f"slot {int(trigger['slot']):,}")
    for name, word in (("ageMs", "{} old"), ("heldMs", "held {}")):
        if trigger.get(name):
            parts.append(word.format(span_text(int(trigger[name]) / 1000)))
    if trigger.get("rule") == "listed":
        parts.insert(0, f"listed on {clean(str(trigger.get('venue')))}")
    return ", ".join(parts) or "it is time"


def waiting_text(data: Mapping[str, Any]) -> str:
    """What one event of `waiting` says: the condition, what was edited, or why it came back."""
    if edits := edits_text(data):
        return f"edited: {edits}"
    why = data.get("why")
    if isinstance(why, Mapping):
        message = clean(str(why.get("message") or "")).rstrip(". ")
        told = f"{message} ({clean(str(why.get('code')))})" if message else clean(str(why.get("code")))
        rest = data.get("restMs")
        return f"waits again: {told}" + (f"; looks again in {span_text(int(rest) / 1000)}" if rest else "")
    condition = data.get("condition")
    if isinstance(condition, Mapping) and condition.get("rule") == "listed":
        return f"until it is listed with {int(condition.get('minLiquidity') or 0):,} USD"
    if isinstance(condition, Mapping) and condition.get("price"):
        rule = clean(str(condition.get("rule") or "")).replace("_", " ")
        return f"{rule} {price_shown(str(condition['price']))}".strip()
    return ""


def edits_text(data: Mapping[str, Any]) -> str:
    """`price 140 to 138, expires in …`: what an event of an edit changed; empty of any other."""
    edited = data.get("edited")
    if not isinstance(edited, Mapping):
        return ""
    return ", ".join(
        f"{_EDITED.get(name) or clean(str(name))} {_edited_value(name, old)} to {_edited_value(name, new)}"
        for name, (old, new, *_) in edited.items()
    )


def _edited_value(name: str, value: Any) -> str:
    # Not `none`, which is a word of `limitPrice`.
    if value is None:
        return "unset"
    if name in ("expiresAt", "launchTime"):
        return instant_text(parse_moment(str(value)))
    if name in ("trailBps", "slippageBps"):
        return percent_text(int(value))
    if name == "confirmMs":
        return span_text(int(value) / 1000)
    text = clean(str(value))
    return exact_amount(text) if _DECIMAL.fullmatch(text) else text
