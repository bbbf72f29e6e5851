"""What people type of an order that waits, as the one HTTP body that it means.

A step from now, such as `-2%`, needs the price of now: it is asked for once, for the order's own amount, and
what is sent is absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oee_cli.api.client_http import Client
from oee_cli.cli_errors import UsageFault
from oee_cli.text.amount_text import read_trail
from oee_cli.text.future_text import future_wire, read_future
from oee_cli.text.price_text import TypedPrice, read_limit, read_price
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.text.time_text import read_hold
from oee_cli.waiting.waiting_options import EditRequest
from oee_daemon.contract.listed_tokens import is_stable
from oee_daemon.contract.ranking import winner

#: What venues are asked for, of a body.
_ASKED = ("inputToken", "outputToken", "amount", "swapMode", "side")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRequest:
    """One order that waits, as it was typed. `kind`: limit or stop."""

    kind: str
    trade: TradeRequest
    at: str | None = None
    trail: str | None = None
    limit: str | None = None
    confirm: str | None = None
    start: str | None = None
    expires: str | None = None
    far: bool = False
    oco: str | None = None


@dataclass(frozen=True, slots=True)
class TypedCondition:
    """A body without its prices, and the prices as typed. `pair`: base and quote as the market has them."""

    body: Mapping[str, Any]
    pair: tuple[str, str]
    turned: bool
    at: TypedPrice | None
    limit: TypedPrice | None
    #: The order that it joins, as typed.
    oco: str | None = None


def read_condition(request: WaitRequest) -> TypedCondition:
    """Everything typed, checked. Raises `UsageFault`."""
    body, trade = make_order_body(request.trade), request.trade
    # As `oee buy USDC SOL`: a stable token is the quote, whichever is named first.
    turned = is_stable(trade.base) and not is_stable(trade.quote)
    base, quote = (trade.quote, trade.base) if turned else (trade.base, trade.quote)
    _check_one_trigger(request)
    at = None if request.at is None else read_price(request.at, "--at", base, quote)
    limit = None if request.limit is None else read_limit(request.limit, base, quote)
    if turned and any(price is not None and price.percent is not None for price in (at, limit)):
        raise UsageFault(
            f"A step from now is of the price of {base} in {quote}: name the pair that way round.",
            hint=f"oee {request.kind} {'sell' if trade.side == 'buy' else 'buy'} {base} {quote} …",
            code="invalid_price",
        )
    terms = {**body, "type": request.kind, **read_wait_terms(request)}
    if request.expires is not None:
        terms["expiresAt"] = future_wire(read_future(request.expires, "--expires"))
    return TypedCondition(terms, (base, quote), turned, at, limit, request.oco)


def _check_one_trigger(request: WaitRequest) -> None:
    pair = f"{request.trade.side} {request.trade.base} {request.trade.quote}"
    if request.at is None and request.trail is None:
        either = " or --trail" if request.kind == "stop" else ""
        raise UsageFault(
            f"--at{either} is missing: the price that it waits for.",
            hint=f"oee {request.kind} {pair} … --at 140\nAt once: oee {pair} …",
            code="missing_field",
        )
    if request.at is not None and request.trail is not None:
        raise UsageFault(
            "Both --at and --trail were given: a stop waits for a price or trails it.",
            hint="Leave one of them out.",
            code="field_contradicts",
        )


def read_wait_terms(request: WaitRequest | EditRequest) -> dict[str, Any]:
    """The fields that are no prices, but for until when it waits."""
    terms: dict[str, Any] = {}
    if request.trail is not None:
        terms["trailBps"] = read_trail(request.trail)
    if request.confirm is not None:
        terms["confirmMs"] = read_hold(request.confirm)
    if request.start is not None:
        terms["launchTime"] = future_wire(read_future(request.start, "--from"))
    if request.far:
        terms["far"] = True
    return terms


def fix_prices(typed: TypedCondition, client: Client) -> dict[str, Any]:
    """The body with its prices. Where one is a step from now, the venues are asked once for the amount.
    Raises `UsageFault` where none quotes it."""
    body = dict(typed.body)
    now = Decimal(0)
    if any(price is not None and price.percent is not None for price in (typed.at, typed.limit)):
        asked = {name: body[name] for name in _ASKED if name in body}
        now = _price_now(client.get("/api/quotes", asked), typed)
    if typed.at is not None:
        body["targetPrice"] = typed.at.at(now)
    if typed.limit is not None:
        body["limitPrice"] = typed.limit.at(now)
    return body


def _price_now(answer: Mapping[str, Any], typed: TypedCondition) -> Decimal:
    best = winner(answer["quotes"], answer["swapMode"])
    if best is None or best["price"] is None:
        raise UsageFault(
            f"No venue quotes {'/'.join(typed.pair)} now, so a step from now is none.",
            hint="Give the price itself: --at 140",
            code="no_price",
        )
    return Decimal(best["price"])
