"""What is said about an order, in plain words: its header, each step, how it ended, what to do next.

Pure text and no stream, so that the live view and the plain lines say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oee_cli.exit_codes import is_outcome_unknown
from oee_cli.output import clean
from oee_cli.text.amount_text import exact_amount, percent_text, short_amount, short_signature
from oee_cli.text.condition_text import (
    condition_sentence,
    condition_text,
    is_conditional,
    market_words,
    seconds_executed,
    trigger_text,
    until_words,
    waiting_text,
)
from oee_cli.text.left_wallet_text import left_wallet
from oee_cli.text.price_text import NO_LIMIT
from oee_cli.text.time_text import seconds_between, span_text, took_text
from oee_daemon.contract.real_money import UNLABELLED
from oee_daemon.contract.shapes import Event, Order, Quote

#: Seconds after which an order that is due should have been begun; the engine is busy, halted, or cut off.
OVERDUE_S = 5.0
#: The most characters that a symbol has; a mint has 32 or more.
_SYMBOL = 20
#: A sniper's usual `slippageBps`.
_SNIPER_BPS = 500
_DONE = {"buy": "bought", "sell": "sold"}


@dataclass(frozen=True, slots=True)
class Ending:
    """The last line: a mark, the sentence, and what to do next."""

    mark: str
    text: str
    hint: str | None = None


def order_header(order: Order, *, bound: bool = True, slippage: bool = True) -> str:
    """`buy 1.5 SOL, at most 214.34 USDC (slippage 0.5%)`; less of it where the screen is narrow."""
    base, quote = order_pair(order)
    counted = order["outputToken"] if order["swapMode"] == "ExactOut" else order["inputToken"]
    fixed = asked_amount(order, whole=True)
    text = f"{order['side']} {fixed}" if counted == base else f"{order['side']} {base} for {fixed}"
    condition = f", {clean(order['type'])} {condition_text(order)}" if is_conditional(order) else ""
    if order.get("limitPrice") == NO_LIMIT:
        text += f"{condition}, at any price"
    elif bound and order["swapMode"] == "ExactOut" and order["maxSpend"]:
        text += f"{condition}, at most {short_amount(order['maxSpend'])} {clean(order['inputToken'])}"
    elif bound and order["swapMode"] == "ExactIn" and order["minReceive"]:
        text += f"{condition}, at least {short_amount(order['minReceive'])} {clean(order['outputToken'])}"
    elif counted == base:
        text += (f" for {quote}" if order["side"] == "sell" else f" with {quote}") + condition
    else:
        text += condition
    return f"{text} (slippage {percent_text(order['slippageBps'])})" if slippage else text


def token_text(token: str) -> str:
    """A token as a column has it: a symbol whole, a mint that has none by its two ends."""
    word = clean(token)
    return word if len(word) <= _SYMBOL else short_signature(word)


def pair_column_text(pair: str) -> str:
    """`SOL/USDC` as a column has it."""
    return "/".join(map(token_text, pair.split("/")))


def asked_amount(of: Mapping[str, Any], *, whole: bool = False) -> str:
    """`1.5 SOL`: the amount that was asked for, with the token that it counts. `whole`: a mint, too."""
    counted = of["outputToken"] if of["swapMode"] == "ExactOut" else of["inputToken"]
    return f"{exact_amount(of['amount'])} {clean(counted) if whole else token_text(counted)}"


def market_amount(order: Mapping[str, Any]) -> str:
    """`214.3 USDC`: the amount that the market made, with its token; empty where nothing was filled."""
    exact_out = order["swapMode"] == "ExactOut"
    moved, token = ("filledIn", "inputToken") if exact_out else ("filledOut", "outputToken")
    return "" if order[moved] is None else f"{short_amount(order[moved])} {token_text(order[token])}"


def short_id(order: Order) -> str:
    return order["orderId"][:8]


def order_heading(order: Order, width: int) -> tuple[str, str, str]:
    """What was asked for, the space after it, and which order it is; less of it where it is narrow."""
    name = short_id(order)
    for bound, slippage, right in (
        (True, True, f"{name} {clean(order['network'])}"),
        (True, True, name),
        (True, False, name),
        (False, False, name),
        (False, False, ""),
    ):
        text = order_header(order, bound=bound, slippage=slippage)
        space = min(width, 100) - len(text) - len(right)
        if space >= 2 or not right:
            break
    return text, " " * max(0, space), right


def order_pair(order: Order) -> tuple[str, str]:
    """Base and quote."""
    base, _, quote = clean(order["pair"]).partition("/")
    return base, quote


def repeat_command(order: Order) -> str:
    """The command that asks for the same again, and lets it fill no worse than the order could."""
    base, quote = order_pair(order)
    amount = order["amount"]
    fixed_base = (order["swapMode"] == "ExactOut") == (order["side"] == "buy")
    if not fixed_base:
        amount = f"{'--spend' if order['side'] == 'buy' else '--receive'} {amount}"
    return f"oee {_repeat_words(order, f'{base} {quote} {amount}')}"


def _repeat_words(order: Order, what: str) -> str:
    side, kind = order["side"], order["type"]
    slippage = order["slippageBps"]
    usual = 100 if kind == "stop" else 50
    allowed = "" if slippage == usual else f" --slippage {percent_text(slippage)}"
    if order.get("tokenAddress"):
        return f"snipe {what}{_check_options(order)}"
    if kind in ("market", "sniper") or not is_conditional(order):
        # The moment of a sniper has passed.
        return f"{side} {what}{_bound_option(order)}{allowed}"
    trail, floor = order.get("trailBps"), order.get("limitPrice")
    at = f"--trail {percent_text(trail)}" if trail else f"--at {order.get('targetPrice')}"
    return f"{clean(kind)} {side} {what} {at}{f' --limit {clean(floor)}' if floor else ''}{allowed}"


def _check_options(order: Order) -> str:
    """Of a new token: never a purchase without the checks. With a moment it is bought though it is traded by
    now, and with an end waited for though it is not."""
    told = f" --min-liquidity {order['minLiquidity']}"
    if order["accept"]:
        told += f" --accept {','.join(map(clean, order['accept']))}"
    if order["limitPrice"]:
        told += f" --max-price {clean(order['limitPrice'])}"
    if order["slippageBps"] != _SNIPER_BPS:
        told += f" --slippage {percent_text(order['slippageBps'])}"
    return f"{told} --at 10s --within 24h"


def _bound_option(order: Order) -> str:
    """As it is typed; whether a person gave it or the first quote, an order does not tell."""
    for option, bound in (("--max-spend", order["maxSpend"]), ("--min-receive", order["minReceive"])):
        if bound:
            return f" {option} {clean(bound)}"
    return ""


def event_line(event: Event, started_at: str, *, detailed: bool = True) -> str:
    """One plain line a status, for logs and pipes."""
    since = span_text(seconds_between(started_at, event["at"]))
    line = f"{event['orderId'][:8]}  {clean(event['status']):<9}  {since:>7}"
    return f"{line}  {event_detail(event) if detailed else ''}".rstrip()


def event_detail(event: Event) -> str:
    """What one event adds to its status."""
    data = event["data"]
    if event["status"] == "waiting":
        return waiting_text(data)
    if is_firing(event):
        return f"fired: {trigger_text(data['trigger'])}"
    if event["status"] == "pending" and event["attempt"] > 1:
        return retry_text(event)
    if event["status"] == "building":
        return clean(str(data.get("venue", "")))
    if event["status"] == "submitted":
        return short_signature(clean(str(data.get("signature", ""))))
    if event["status"] == "failed" and isinstance(data.get("error"), dict):
        return error_text(data["error"])
    return ""


def is_firing(event: Event) -> bool:
    """Whether the order's condition was met, and no attempt before it failed."""
    return event["status"] == "pending" and isinstance(event["data"].get("trigger"), Mapping)


def retry_text(
    event: Event, room: int = 1000, *, max_attempts: int | None = None, wait_ms: int | None = None
) -> str:
    """`attempt 2 of 3 in 0.7 s: price moved (slippage_exceeded)`; the code alone where that has no room.

    `max_attempts`: said where it is known. `wait_ms`: what is left of the event's own wait.
    """
    data = event["data"]
    if event["status"] == "waiting":
        return waiting_text(data)
    wait = span_text(int(data.get("retryInMs") or 0 if wait_ms is None else wait_ms) / 1000)
    error = data.get("error")
    why = f": {error_text(error)}" if isinstance(error, dict) else ""
    most = f" of {max_attempts}" if max_attempts else ""
    text = f"attempt {event['attempt']}{most} in {wait}"
    if len(text + why) > room and isinstance(error, dict):
        why = f": {clean(str(error.get('code')))}"
    return text + why


def error_text(error: object) -> str:
    """`message (code)`."""
    if not isinstance(error, dict):
        return "no reason was given"
    message = clean(str(error.get("message") or "")).rstrip(". ")
    return f"{message} ({clean(str(error.get('code')))})" if message else clean(str(error.get("code")))


def refused_quote_text(quote: Quote) -> str:
    """Why a venue gave no price, to stand beside its name, which is not said twice."""
    return error_text(quote["error"]).removeprefix(f"{clean(quote['venue'])} ")


def ending_text(order: Order, *, waited: float | None = None, room: int = 1000) -> Ending:
    """How an order ended, or where it stands when the wait for it ended. `room`: cells for a good end."""
    status = order["status"]
    done = _DONE.get(order["side"], "executed")
    if status == "confirmed":
        return Ending("✓", _say_confirmed(order, room - 2))
    if is_outcome_unknown(order):
        text = f"not known whether it was {done}: {error_text(order['error'])}."
        return Ending("✗", text, "look at the chain before you ask for the same again      (exit 9)")
    if status == "failed":
        attempts = f" in {order['attempt']} attempts" if order["attempt"] > 1 else ""
        text = f"not {done}{attempts}: {error_text(order['error'])}. {left_wallet(order)}"
        return Ending("✗", text, _hint_after_failure(order))
    if status == "cancelled":
        return Ending("✗", f"cancelled: not {done}. {left_wallet(order)}")
    if status == "expired" and is_conditional(order) and not order.get("firedAt"):
        # Nothing but that nothing ran, or a halt, lets a moment go by.
        missed = order["type"] == "sniper" and not order.get("tokenAddress")
        why = "it was not begun by then" if missed else "its condition was not met"
        text = f"expired: it waited {until_words(order)}, and {why}."
        return Ending("✗", f"{text} {left_wallet(order)}", f"try: {repeat_command(order)}")
    if status == "expired":
        why = f"it could not be sent within {order['validForS']} s"
        text = f"expired: {error_text(order['error']) if order['error'] else why}. {left_wallet(order)}"
        return Ending("✗", text, f"try: {repeat_command(order)} --valid-for {order['validForS'] * 2}")
    return _say_unfinished(order, done, waited)


def _say_confirmed(order: Order, room: int) -> str:
    gave = f"{_format_filled(order, 'in')} {clean(order['inputToken'])}"
    got = f"{_format_filled(order, 'out')} {clean(order['outputToken'])}"
    text = f"bought {got} for {gave}" if order["side"] == "buy" else f"sold {gave} for {got}"
    price = f" at {short_amount(order['price'])}" if order["price"] else ""
    venue = f" on {clean(order['venue'])}" if order["venue"] else ""
    took = seconds_executed(order)
    time = "" if took is None else f" in {took_text(took)}"
    # On a narrow screen what the lines above have said goes first.
    for parts in ((price, venue, time), (price, venue), (price,)):
        if len(text + "".join(parts)) <= room:
            return text + "".join(parts)
    return text


def _format_filled(order: Order, which: str) -> str:
    """The amount that was asked for whole, the one that the market made shortened."""
    filled = order["filledIn"] if which == "in" else order["filledOut"]
    if filled is None:
        return "?"
    return exact_amount(filled) if order["swapMode"].lower().endswith(which) else short_amount(filled)


#: Why an order ends that nobody outside has answered.
_AWAY = ("no_route", "chain_unavailable")


def _hint_after_failure(order: Order) -> str | None:
    error = order["error"]
    if error is None:
        return None
    if error["code"] == "slippage_exceeded":
        wider = percent_text(min(10_000, max(1, order["slippageBps"] * 2)))
        # A command that can be pasted would spend what this one was told not to.
        bound = _bound_option(order)
        if bound:
            allow = "more" if order["maxSpend"] else "less"
            return f"it was bound by{bound}: allow {allow} there, or where you gave none, --slippage {wider}"
        return f"why: oee show {short_id(order)}"
    if not error["retryable"]:
        return f"why: oee show {short_id(order)}"
    if error["code"] in _AWAY and order["network"] != UNLABELLED:
        return f"which of them is away: oee doctor · then: {repeat_command(order)}"
    return f"try: {repeat_command(order)}"


def _say_unfinished(order: Order, done: str, waited: float | None) -> Ending:
    follow = f"follow: oee watch {short_id(order)}"
    if order["status"] == "submitted" and not order["signature"]:
        text = "not known yet: the database went back in time, and the order may have been sent before."
        text += "\nThe chain is being asked; until it has said so nothing is sent."
        return Ending("●", text, f"{follow}      (exit 9)")
    if order["status"] == "submitted":
        sent = f"sent as {short_signature(clean(order['signature'] or ''))}, the chain has not answered."
        # Who waited knows how long; who looks later is told since when.
        known = (
            "yet" if waited is not None else f"since {clean(order['updatedAt'])[:19].replace('T', ' ')} UTC"
        )
        text = f"not known {known}: {sent}\nIt may still be {done}; it is being asked."
        return Ending("●", text, f"{follow}      (exit 9)")
    if order["status"] == "waiting":
        return _say_waiting(order, done, follow)
    after = f" after {span_text(waited)}" if waited is not None else ""
    text = f"not {done} yet: the wait ended{after} while the order is {clean(order['status'])}. It goes on."
    hint = f"{follow}      (exit 124)\nstop:   oee cancel {short_id(order)}"
    if order["status"] == "pending" and (waited or 0) > OVERDUE_S:
        hint += "\nwhy:    oee doctor"
    return Ending("●", text, hint)


def overdue_text(event: Event, seconds: float) -> str:
    """What is said where nobody has begun an order so long after `event`; empty where it was not due."""
    due = OVERDUE_S + int(event["data"].get("retryInMs") or 0) / 1000
    return "no worker takes it up; why: oee doctor" if event["status"] == "pending" and seconds > due else ""


def _say_waiting(order: Order, done: str, follow: str) -> Ending:
    now = market_words(order)
    text = f"not {done} yet: it waits to {order['side']} {condition_sentence(order)}"
    text += f"; {now}" if now else ""
    hint = f"{follow}      (exit 124)\nstop:   oee cancel {short_id(order)}"
    return Ending("●", f"{text}. It waits {until_words(order)}.", hint)


def name_process(pid: int | None, called: str = "pid") -> str:
    """Which process the daemon is: one that runs and has no process id here is in another container."""
    return f"{called} {pid}" if pid else "in another container"
