"""Prices as people write them: `140`, or `-2%` from the price of now; and how they are told.

A price is quote per base, a decimal and its text; a float never stands between. What a price may be against
the market, the daemon decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.decimals import decimal_text, is_decimal

_SHARE = re.compile(r"([+-])(\d{1,4}(?:\.\d{1,9})?)%", re.ASCII)
_NEGATIVE = re.compile(r"-\.?\d[\d.]*", re.ASCII)
#: Significant digits that a price may have, as the daemon takes them.
_DIGITS = 18
#: Significant digits of a price that was counted from the one of now.
_COUNTED = Context(prec=8, rounding=ROUND_HALF_EVEN)


#: How a worst price is said that there is none of.
NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class TypedPrice:
    """A price as typed: `fixed`, or `percent` from the price of now, with its sign."""

    fixed: str | None = None
    percent: Decimal | None = None

    def at(self, now: Decimal) -> str:
        """The price that was meant, where it is `now`."""
        if self.fixed is not None:
            return self.fixed
        assert self.percent is not None
        return decimal_text(_COUNTED.multiply(now, 1 + self.percent / 100))


def read_price(text: str, option: str, base: str, quote: str) -> TypedPrice:
    """`140`, `-2%`, `+1.5%`. Raises `UsageFault` with the code `invalid_price`."""
    typed = text.strip()
    if is_decimal(typed):
        return TypedPrice(fixed=_read_fixed(typed, option))
    share = _SHARE.fullmatch(typed)
    if share is not None:
        percent = Decimal(share[1] + share[2])
        if not percent or percent <= -100:
            what = "is no step from now" if not percent else "leaves no price"
            raise _invalid(f"{option} {typed} {what}.", f"For example {option} -2%, or a price: {option} 140")
        return TypedPrice(percent=percent)
    if _NEGATIVE.fullmatch(typed):
        raise _invalid(f"{option} has to be more than 0.", f"{option} {typed}% is {typed[1:]} % under now.")
    if _SHARE.fullmatch(f"+{typed}"):
        raise _invalid(f"{option} {typed} has no sign: above or under now?", f"Write +{typed} or -{typed}.")
    raise _invalid(
        f"{option} can't be {text[:40]!r}: a price is a number, {quote} for one {base}.",
        f"For example {option} 140, or {option} -2% for 2 % under now.",
    )


def read_limit(text: str, base: str, quote: str) -> TypedPrice:
    """What `--limit` says, as `read_price`; or `none`: no worst price but each attempt's own."""
    if text.strip().lower() == NO_LIMIT:
        return TypedPrice(fixed=NO_LIMIT)
    return read_price(text, "--limit", base, quote)


def _read_fixed(typed: str, option: str) -> str:
    value = Decimal(typed)
    if not value:
        raise _invalid(f"{option} has to be more than 0.", f"{option} -5% is 5 % under now.")
    if len("".join(map(str, value.as_tuple().digits)).strip("0")) > _DIGITS:
        raise _invalid(f"{option} has more than {_DIGITS} digits.", "Leave out the last ones.")
    return f"0{typed}" if typed.startswith(".") else typed


def _invalid(message: str, hint: str) -> UsageFault:
    return UsageFault(message, hint=hint, code="invalid_price")
