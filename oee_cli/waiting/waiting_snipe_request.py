"""What people type to snipe, as the one HTTP body that it means.

Everything typed is checked here before anything is started; the daemon checks it again and decides.
"""

from __future__ import annotations

import re
from typing import Any

from oee_cli.cli_errors import UsageFault
from oee_cli.text.future_text import future_wire, read_future
from oee_cli.text.price_text import TypedPrice, read_price
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.waiting.waiting_condition_request import TypedCondition
from oee_cli.waiting.waiting_options import SnipeRequest
from oee_daemon.contract.listed_tokens import LISTED, is_stable
from oee_daemon.contract.risks import RISKS

#: An address, as people write it: 32 bytes in base 58.
_MINT = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_PINNED_MINTS = {token.mint for token in LISTED}
_PINNED = {token.symbol.lower() for token in LISTED} | {mint.lower() for mint in _PINNED_MINTS}


def read_snipe(trade: TradeRequest, request: SnipeRequest) -> TypedCondition:
    """Everything typed, checked. Raises `UsageFault`."""
    token, quote = trade.base, trade.quote
    if trade.spend is None:
        raise UsageFault(
            "--spend is missing: how much it costs.",
            hint=f"oee snipe {token} {quote} --spend 100 …",
            code="missing_field",
        )
    body = make_order_body(trade)
    if is_stable(token) and not is_stable(quote):
        raise UsageFault(
            f"A sniper buys, and {token} is the quote against {quote}.",
            hint=f"oee snipe {quote} {token} --spend 100 …",
            code="side_contradicts",
        )
    limit = None
    if request.max_price is not None:
        limit = read_price(request.max_price, "--max-price", token, quote)
    body |= {"type": "sniper", **_read_token(token, quote, request, limit), **_read_times(request)}
    return TypedCondition(body, (token, quote), False, None, limit)


def _read_token(token: str, quote: str, request: SnipeRequest, limit: TypedPrice | None) -> dict[str, Any]:
    """The token that is waited for, and what it is held to; nothing of one that is traded all along."""
    if not _MINT.fullmatch(token) or token in _PINNED_MINTS:
        if request.at is None:
            raise _needs_moment(token, quote)
        for option, value in (("--min-liquidity", request.min_liquidity), ("--accept", request.accept)):
            if value is not None:
                raise UsageFault(
                    f"{option} is about a new token, named by its mint.",
                    hint="Leave it out.",
                    code="field_contradicts",
                )
        return {}
    if limit is not None and limit.percent is not None:
        raise UsageFault(
            "A step from now needs a price, and a new token has none.",
            hint=f"oee snipe {token} {quote} … --max-price 0.002",
            code="invalid_price",
        )
    told: dict[str, Any] = {"tokenAddress": token}
    if request.min_liquidity is not None:
        told["minLiquidity"] = _read_dollars(request.min_liquidity)
    if request.accept is not None:
        told["accept"] = _read_risks(request.accept)
    return told


def _needs_moment(token: str, quote: str) -> UsageFault:
    if token.lower() in _PINNED:
        pair = f"{token} {quote}"
        return UsageFault(
            f"{token} has been quoted all along.",
            hint=f"At once: oee buy {pair} …\nAt a price: oee limit buy {pair} … --at 140\n"
            f"In one moment: oee snipe {pair} … --at 2030-12-01T09:00:00Z",
            code="already_listed",
        )
    return UsageFault(
        f"{token[:64]!r} is no mint. A new token is named by its mint: symbols are free to copy.",
        hint="Its address, 32 bytes in base 58. What comes next: oee tokens new",
        code="needs_mint",
    )


def _read_dollars(typed: str) -> int:
    plain = typed.strip().removeprefix("$").replace("_", "")
    if not plain.isdecimal() or not plain.isascii() or len(plain) > 12:
        raise UsageFault(
            f"--min-liquidity can't be {typed[:40]!r}: whole US dollars.",
            hint="For example --min-liquidity 20000",
            code="out_of_range",
        )
    return int(plain)


def _read_risks(typed: str) -> list[str]:
    names = [name.strip().lower() for name in typed.split(",") if name.strip()]
    for name in names:
        if name not in RISKS:
            raise UsageFault(
                f"--accept can't be {name[:40]!r}: risks are named one by one.",
                hint="Of " + ", ".join(RISKS) + ". What each is: oee help sniping",
                code="invalid_choice",
            )
    return names


def _read_times(request: SnipeRequest) -> dict[str, Any]:
    times = {} if request.at is None else {"launchTime": future_wire(_read_moment(request.at))}
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
