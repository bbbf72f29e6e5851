"""How an amount or a price is written: alike on a command line, in CSV, in JSON text and in a setting, and as
a JSON number, which may not begin with a point or an idle 0.
"""

from __future__ import annotations

import re
from decimal import Decimal

#: Digits, a point before decimals, an exponent as programs write what is tiny; neither sign nor separators.
_DECIMAL = re.compile(r"(\d{1,99}(\.\d{1,99})?|\.\d{1,99})([eE][+-]?\d{1,9})?", re.ASCII)


def is_decimal(text: str) -> bool:
    """Whether that is how a number is written. Nothing is computed: `1e999999999` is one."""
    return _DECIMAL.fullmatch(text) is not None


def read_decimal(text: str) -> Decimal:
    """The exact number. Raises `ValueError` where it is not written as one."""
    if not is_decimal(text):
        raise ValueError(text)
    return Decimal(text)


def decimal_text(value: Decimal) -> str:
    """Plain digits, no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
