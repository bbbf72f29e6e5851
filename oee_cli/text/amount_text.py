"""Amounts and slippage: from what people type to what is sent, and from what was sent to what they read.

Decimals and strings all the way; a float never stands between. What is shown may be shortened, what is sent
and what `--json` prints never is.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.decimals import decimal_text, is_decimal

_SHARE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(%|bps)", re.ASCII | re.IGNORECASE)
#: The least and the greatest that an order may allow, basis points: the daemon takes no other.
SLIPPAGE_BPS = (0, 5000)
#: The least and the greatest distance of a stop that trails, basis points.
TRAIL_BPS = (10, 5000)
#: Holds all digits of any amount there can be.
_WIDE = Context(prec=100)
#: Figures that a shortened number keeps.
_FIGURES = 5


def read_amount(text: str, name: str) -> str:
    """A positive number, as text to send. Raises `UsageFault`, naming the argument."""
    if not is_decimal(text):
        hint = "Write plain digits with a point, for example 1.5 or 1000000."
        raise UsageFault(f"{name} can't be {text[:60]!r}: it has to be a number.", hint=hint)
    if not Decimal(text):
        raise UsageFault(f"{name} has to be more than 0.", hint="For example 1.5.")
    return f"0{text}" if text.startswith(".") else text


def read_slippage(text: str) -> int:
    """`0.5%` or `50bps` as basis points. A bare number is refused: it could be either."""
    return _within(_read_share(text, "--slippage", "0.5% or 50bps"), text, "--slippage", SLIPPAGE_BPS, "0.5%")


def read_trail(text: str) -> int:
    """`5%` or `500bps` as basis points: the distance that a stop trails the price by."""
    return _within(_read_share(text, "--trail", "5% or 500bps"), text, "--trail", TRAIL_BPS, "5%")


def _within(bps: int, text: str, option: str, bounds: tuple[int, int], example: str) -> int:
    if not bounds[0] <= bps <= bounds[1]:
        least, most = map(percent_text, bounds)
        raise UsageFault(
            f"{option} can't be {text.strip()[:40]}: it takes {least} to {most}.",
            hint=f"For example {option} {example}",
            code="out_of_range",
        )
    return bps


def _read_share(text: str, option: str, example: str) -> int:
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        if is_decimal(text):
            raise UsageFault(
                f"{option} {text} is ambiguous: percent or basis points?",
                # Half a basis point is none.
                hint=f"Write {text}% or {text}bps." if text.isdigit() else f"Write {text}%",
            )
        raise UsageFault(f"{option} can't be {text[:40]!r}.", hint=f"Write for example {example}.")
    bps = Decimal(found[1]) * (100 if found[2] == "%" else 1)
    if bps != int(bps):
        raise UsageFault(
            f"{option} {text} is finer than a basis point.", hint="Its steps are 0.01%, or 1bps."
        )
    return int(bps)


def percent_text(bps: int) -> str:
    """50 as `0.5%`."""
    return f"{decimal_text(Decimal(bps) / 100)}%"


def exact_amount(text: str) -> str:
    """An amount with its thousands separated, nothing rounded away."""
    return f"{Decimal(decimal_text(Decimal(text))):,f}"


def counted(number: int, noun: str) -> str:
    """`1 order`, `2,104 orders`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short_amount(text: str, figures: int = _FIGURES) -> str:
    """An amount as a person reads it: a few figures, whole or with two decimals at least."""
    value = Decimal(text)
    if not value:
        return "0"
    decimals = max(2, figures - 1 - value.adjusted())
    shown = decimal_text(value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, _WIDE))
    whole, point, fraction = shown.partition(".")
    return f"{Decimal(whole):,f}{point}{fraction.ljust(2, '0') if point else ''}"


def short_ends(text: str, room: int) -> str:
    """A long word cut in its middle."""
    return text if len(text) <= room else short_signature(text, max(1, (room - 1) // 2))


def short_signature(text: str, figures: int = 4) -> str:
    """The two ends of a signature."""
    return text if len(text) <= 2 * figures + 1 else f"{text[:figures]}…{text[-figures:]}"
