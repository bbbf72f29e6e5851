"""What an order waits for: which fields go with which type, the worst price as an exact bound, and the one
comparison that a waiting order is armed with.

Pure and exact: prices are decimals, quote per base in whole tokens; amounts integers in base units; every
bound is rounded in the trader's favour. Neither a clock nor the market is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.fields import BY_COLUMN
from oee_daemon.contract.order_types import DEFAULTS, LIQUIDITY_USD, OrderType, Side, SwapMode
from oee_daemon.errors import InvalidInput
from oee_daemon.orders.tokens import MAX_UNITS, Token, read_decimal

#: Significant digits of a price, and the powers of ten between which it has to be.
PRICE_DIGITS, PRICE_RANGE = 18, 24
#: How far past its stop a sale's floor is where none is given, and a purchase's ceiling.
FLOOR = {Side.SELL: Decimal("0.8"), Side.BUY: Decimal("1.2")}
#: How a stop without a worst price says so, and how that one is kept: it is past every price there can be.
NO_LIMIT = "none"
UNBOUND = {Side.SELL: Decimal(0), Side.BUY: Decimal("1e30")}
#: What waits for no price.
TIMED = (OrderType.MARKET, OrderType.SNIPER)


class Rule(IntEnum):
    """What an armed order is compared with: column `arm_rule`."""

    #: Fires where the ask is the price or less.
    BUY_LIMIT = 0
    #: Where the bid is the price or more.
    SELL_LIMIT = 1
    #: Where the bid is the price or less.
    SELL_STOP = 2
    #: Where the ask is the price or more.
    BUY_STOP = 3
    #: At a time.
    TIME = 4
    #: Once its token is traded, and passes every check.
    LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Back:
    """How an order goes back to wait: compared with what, and not looked at for `rest`."""

    rule: Rule
    price: Decimal | None
    rest: timedelta
    returns: int
    rejections: int
    latched: bool


#: Rules that compare a price.
PRICED = (Rule.BUY_LIMIT, Rule.SELL_LIMIT, Rule.SELL_STOP, Rule.BUY_STOP)
#: Rules that are met from above: by the ask for a purchase, by the bid for a sale.
FALLING = (Rule.BUY_LIMIT, Rule.SELL_STOP)


def rule_of(kind: OrderType, side: Side, *, latched: bool = False, listing: bool = False) -> Rule:
    """The comparison of an order of that type. A latched stop waits for its limit, as a limit order does;
    `listing`: a sniper that waits for its token."""
    if kind in TIMED:
        return Rule.LISTED if listing else Rule.TIME
    limit = kind is OrderType.LIMIT or latched
    if side is Side.BUY:
        return Rule.BUY_LIMIT if limit else Rule.BUY_STOP
    return Rule.SELL_LIMIT if limit else Rule.SELL_STOP


def is_reached(rule: Rule, armed: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """Whether the market has come to the price that an order is armed with: the ask, by which one buys, or
    the bid. `rule`: one of `PRICED`."""
    price = ask if rule in (Rule.BUY_LIMIT, Rule.BUY_STOP) else bid
    return armed >= price if rule in FALLING else armed <= price


def trailed(price: Decimal, side: Side, bps: int) -> Decimal:
    """Where a trailing stop stands whose best price was that."""
    return price * (10_000 + bps if side is Side.BUY else 10_000 - bps) / 10_000


def read_price(value: Any, field: str) -> Decimal:
    """A price. Raises `InvalidInput`, naming `field`."""
    hint = "Quote for one base: for example 140"
    try:
        price = read_decimal(value, field) if isinstance(value, str) else value
        if not isinstance(price, Decimal):
            raise InvalidInput("")
    except InvalidInput:
        raise InvalidInput(
            f"{field} has to be a number.", code="invalid_price", field=field, hint=hint
        ) from None
    if price <= 0:
        raise InvalidInput(f"{field} has to be more than 0.", code="invalid_price", field=field, hint=hint)
    digits = "".join(map(str, price.as_tuple().digits)).rstrip("0")
    if len(digits) > PRICE_DIGITS or abs(price.adjusted()) > PRICE_RANGE:
        most = f"at most {PRICE_DIGITS} significant digits"
        raise InvalidInput(f"{field} has to have {most}.", code="invalid_price", field=field, hint=hint)
    return Decimal(decimal_text(price))


def read_limit(value: Any, field: str) -> Decimal:
    """A worst price, or `none`. Raises `InvalidInput`, naming `field`."""
    return UNBOUND[Side.SELL] if value == NO_LIMIT else read_price(value, field)


def is_unbound(price: Decimal | None) -> bool:
    """There is no worst price, but each attempt's own."""
    return price in UNBOUND.values()


def limit_text(price: Decimal) -> str:
    """A price as it is said: `none` where there is none."""
    return NO_LIMIT if is_unbound(price) else decimal_text(price)


def bound_at(price: Decimal, side: Side, mode: SwapMode, amount: int, base: Token, quote: Token) -> int:
    """The worst amount at that price, in base units: the least to receive (`ExactIn`) or the most to spend
    (`ExactOut`), rounded in the trader's favour. May be 0 or past a u64: see `representable`."""
    # Units of the quote token for one unit of the base token.
    rate = Fraction(price) * Fraction(10) ** (quote.decimals - base.decimals)
    counts_base = (side is Side.BUY) is (mode is SwapMode.EXACT_OUT)
    exact = amount * rate if counts_base else amount / rate
    return ceil(exact) if mode is SwapMode.EXACT_IN else floor(exact)


def representable(units: int, field: str) -> int:
    """The bound. Raises `InvalidInput` where nothing could keep it."""
    if not 0 < units <= MAX_UNITS:
        small = units <= 0
        raise InvalidInput(
            f"At {field} the other side would be {'less than the smallest unit' if small else 'too much'}.",
            code="amount_too_small" if small else "amount_too_large",
            field="amount",
            hint=f"{'Ask for more' if small else 'Ask for less'}, or another price.",
        )
    return units


def past(price: Decimal, side: Side) -> Decimal:
    """The worst price of a stop at `price` where none was given."""
    return price * FLOOR[side]


def complete(said: dict[str, Any], given: Mapping[str, Any], base: Token, quote: Token) -> None:
    """Adds to the columns `said` what the type brings, the bound too. `given`: what the request said.

    Raises `InvalidInput` where the parts contradict each other.
    """
    kind = said["type"]
    said.update({column: value for column, value in DEFAULTS[kind].items() if given.get(column) is None})
    for column in given:
        field = BY_COLUMN[column]
        if kind not in field.on:
            raise _contradicts(field.name, f"type {kind}", "Leave it out.")
    if said["launch_at"] is None and kind is OrderType.MARKET and said["good_until"] is not None:
        raise _contradicts("expiresAt", "an order that does not wait", "validForS ends a market order.")
    if said["launch_at"] is None and kind is OrderType.MARKET and said.get("oco") is not None:
        raise _contradicts("oco", "an order that does not wait", "Give launchTime, or use limit or stop.")
    if said["launch_at"] and said["good_until"] and said["good_until"] <= said["launch_at"]:
        what = "expiresAt has to be after launchTime."
        raise InvalidInput(what, code="field_contradicts", field="expiresAt", hint="Name a later time.")
    if kind is OrderType.SNIPER:
        _complete_sniper(said, base, quote)
    elif kind is not OrderType.MARKET:
        _complete_prices(said, base, quote)


def sniper_end(launch_at: datetime | None, valid_for_s: int) -> datetime | None:
    """Until when a sniper waits where nobody said it."""
    return None if launch_at is None else launch_at + timedelta(seconds=valid_for_s)


def _complete_sniper(said: dict[str, Any], base: Token, quote: Token) -> None:
    """A launch that was missed by more than the time of a firing is over: what was meant for that moment
    would be a surprise an hour later. Until when one waits for a token, `api.request_wire` says."""
    if said["token_address"] is not None:
        said["min_liquidity"] = said["min_liquidity"] or LIQUIDITY_USD
        if said["side"] is not Side.BUY:
            raise _contradicts("tokenAddress", "a sale", "What is not traded yet can only be bought.")
    else:
        for column in ("min_liquidity", "accepted_risks"):
            if said[column] is not None:
                raise _contradicts(BY_COLUMN[column].name, "a sniper without tokenAddress", "Leave it out.")
        if said["launch_at"] is None:
            raise InvalidInput(
                "Neither launchTime nor tokenAddress: nothing that it waits for.",
                code="missing_field",
                field="launchTime",
                hint="For example 2030-12-01T09:00:00Z. To trade at once: type market",
            )
        said["good_until"] = said["good_until"] or sniper_end(said["launch_at"], said["valid_for_s"])
    if is_unbound(said["limit_price"]):
        raise _contradicts("limitPrice", "type sniper where it says none", "Leave it out.")
    if said["limit_price"] is not None:
        _refuse_bounds(said)
        _bind(said, said["limit_price"], "limitPrice", base, quote)


def _complete_prices(said: dict[str, Any], base: Token, quote: Token) -> None:
    kind, side, target = said["type"], said["side"], said["target_price"]
    if target is None and said["trail_bps"] is None:
        hint = "For example 140" if kind is OrderType.LIMIT else "Or trailBps, to follow the price."
        raise InvalidInput("targetPrice is missing.", code="missing_field", field="targetPrice", hint=hint)
    _refuse_bounds(said)
    if is_unbound(said["limit_price"]):
        said["limit_price"] = UNBOUND[side]
    if said["trail_bps"] is not None:
        if target is not None:
            raise _contradicts("targetPrice", "trailBps", "Give one of them.")
        if is_unbound(said["limit_price"]):
            _bind(said, said["limit_price"], "limitPrice", base, quote)
        elif said["limit_price"] is not None:
            raise _contradicts("limitPrice", "trailBps", "Give one of them, or none for limitPrice.")
        return
    worst = target
    if kind is OrderType.STOP:
        limit = said["limit_price"]
        worst = said["limit_price"] = past(target, side) if limit is None else limit
        if worst > target if side is Side.SELL else worst < target:
            whose = "A sale's floor is under" if side is Side.SELL else "A purchase's ceiling is over"
            raise InvalidInput(
                f"{whose} its stop: limitPrice {decimal_text(worst)}, targetPrice {decimal_text(target)}.",
                code="floor_contradicts",
                field="limitPrice",
                hint=f"For example {decimal_text(past(target, side))}",
            )
    _bind(said, worst, "targetPrice" if kind is OrderType.LIMIT else "limitPrice", base, quote)


def _refuse_bounds(said: Mapping[str, Any]) -> None:
    for column in ("min_receive", "max_spend"):
        if said[column] is not None:
            raise InvalidInput(
                f"{BY_COLUMN[column].name} does not go with a price: the price is the bound.",
                code="bound_contradicts",
                field=BY_COLUMN[column].name,
                hint="Leave it out.",
            )


def _bind(said: dict[str, Any], worst: Decimal, field: str, base: Token, quote: Token) -> None:
    exact_in = said["swap_mode"] is SwapMode.EXACT_IN
    if is_unbound(worst):
        if not exact_in:
            what = "limitPrice can't be none where the amount is what arrives: nothing would bound its cost."
            hint = "Say what is spent, or give a price."
            raise InvalidInput(what, code="field_contradicts", field="limitPrice", hint=hint)
        # The guard of each attempt is what keeps it.
        said["min_receive"] = 1
        return
    units = bound_at(worst, said["side"], said["swap_mode"], said["amount"], base, quote)
    said["min_receive" if exact_in else "max_spend"] = representable(units, field)


def _contradicts(name: str, other: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{name} does not go with {other}.", code="field_contradicts", field=name, hint=hint)
