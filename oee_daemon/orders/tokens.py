"""The tokens that can be traded, with mint and decimals, and the only way between text and base units.

Amounts are integers of base units inside and decimal strings outside; no float ever stands between. The
bound is the chain's own: an SPL token amount is a u64 (https://spl.solana.com/token).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from oee_daemon.contract import decimals
from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.listed_tokens import LISTED
from oee_daemon.errors import InvalidInput

#: The largest amount an SPL token account can hold, in base units.
MAX_UNITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Token:
    """`decimals`: how many digits after the point one whole token has. `stable`: worth one US dollar."""

    symbol: str
    mint: str
    decimals: int
    stable: bool = False

    def text(self, units: int) -> str:
        """Base units as a plain decimal string, without trailing zeros."""
        return decimal_text(self.amount(units))

    def amount(self, units: int) -> Decimal:
        return Decimal(units).scaleb(-self.decimals)


TOKENS: Mapping[str, Token] = MappingProxyType({row.symbol: Token(*row) for row in LISTED})


def units(amount: Decimal, token: Token, field: str) -> int:
    """A positive amount of whole tokens as base units, exactly. No number that anybody writes is infinite.

    Raises `InvalidInput`, naming `field`: not positive, more decimals than the token has, or past a u64.
    """
    if amount <= 0:
        raise InvalidInput(f"{field} has to be more than 0.", code="invalid_amount", field=field)
    # Bounds before any arithmetic: 1e999999999 must not become an integer of that length.
    if amount.adjusted() + token.decimals > 19:
        raise _too_large(token, field)
    # By its digits: Decimal's own arithmetic rounds to 28 of them, and lets what is tiny become 0.
    _, digits, exponent = amount.as_tuple()
    shift = int(exponent) + token.decimals
    kept = len(digits) + min(shift, 0)
    if kept < 1 or any(digits[kept:]):
        raise InvalidInput(
            f"{field} has more decimals than {token.symbol} has: {token.decimals}.",
            code="too_many_decimals",
            field=field,
            hint=f"The smallest amount is {token.text(1)} {token.symbol}.",
        )
    whole: int = int("".join(map(str, digits[:kept]))) * 10 ** max(shift, 0)
    if whole > MAX_UNITS:
        raise _too_large(token, field)
    return whole


def _too_large(token: Token, field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} is more than a token account can hold.",
        code="amount_too_large",
        field=field,
        hint=f"The most is {token.text(MAX_UNITS)} {token.symbol}.",
    )


def read_decimal(text: str, field: str) -> Decimal:
    """The number that `text` is, below 0 too. Raises `InvalidInput`, naming `field`."""
    try:
        number = decimals.read_decimal(text.removeprefix("-"))
        return number.copy_negate() if text.startswith("-") else number
    except ValueError:
        raise InvalidInput(
            f"{field} has to be a number.", code="invalid_amount", field=field, hint="For example 1.5"
        ) from None
