"""What people type to snipe, as the one HTTP body that it means.

Everything typed is checked here before anything is started; the daemon checks it again and decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oee_cli.errors import UsageFault
from oee_cli.text.future_text import future_wire, read_future
from oee_cli.text.order_request import TradeRequest, make_order_body
from oee_cli.text.price_text import read_price
from oee_cli.waiting.condition_request import TypedCondition
from oee_daemon.contract.tokens import is_stable


@dataclass(frozen=True, slots=True, kw_only=True)
class SnipeRequest:
    """One purchase, as it was typed."""

    token: str
    quote: str
    spend: str | None = None
    at: str | None = None
    max_price: str | None = None
    within: str | None = None
    slippage: str | None = None
    valid_for: str | None = None


def read_snipe(request: SnipeRequest) -> TypedCondition:
    """Everything typed, checked. Raises `UsageFault`."""
    if request.spend is None:
        raise UsageFault(
            "--spend is missing: how much it costs.",
            hint=f"oee snipe {request.token} {request.quote} --spend 100 …",
            code="missing_field",
        )
    body: dict[str, Any] = make_order_body(
        TradeRequest(
            side="buy", verb="snipe", base=request.token, quote=request.quote, other=request.spend,
            slippage=request.slippage, valid_for=request.valid_for,
        )
    )  # fmt: skip
    if is_stable(request.token) and not is_stable(request.quote):
        raise UsageFault(
            f"A sniper buys, and {request.token} is the quote against {request.quote}.",
            hint=f"oee snipe {request.quote} {request.token} --spend 100 …",
            code="side_contradicts",
        )
    limit = None
    if request.max_price is not None:
        limit = read_price(request.max_price, "--max-price", request.token, request.quote)
    body |= {"type": "sniper", **_read_times(request)}
    return TypedCondition(body, (request.token, request.quote), False, None, limit)


def _read_times(request: SnipeRequest) -> dict[str, Any]:
    if request.at is None:
        raise UsageFault(
            "--at is missing: the moment in which it buys.",
            hint=f"oee snipe {request.token} {request.quote} … --at 2026-12-01T09:00:00Z\n"
            f"At once: oee buy {request.token} {request.quote} …",
            code="missing_field",
        )
    times = {"launchTime": future_wire(_read_moment(request.at))}
    if request.within is not None:
        times["expiresAt"] = future_wire(read_future(request.within, "--within"))
    return times


def _read_moment(typed: str) -> Any:
    try:
        return read_future(typed, "--at")
    except UsageFault as e:
        if e.code != "invalid_time" or not typed.strip().replace(".", "", 1).isdigit():
            raise
        raise UsageFault(
            f"--at can't be {typed[:40]!r}: it is a time here.",
            hint=f"A price: --max-price {typed.strip()[:40]}. {e.hint}",
            code="invalid_time",
        ) from None
