"""What a token may be called, and which names look like each other. Pure.

Anybody can call a token USDC, or write it with a letter that only looks like one: a name is given by the user
alone, is of plain letters, and must not be taken for another token's by a person who reads it quickly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from oee_daemon.errors import InvalidInput
from oee_daemon.orders.tokens import Token

_PLAIN = re.compile(r"[A-Za-z0-9$._-]{1,20}")
#: Letters of other alphabets that look like Latin ones, and what looks alike among Latin ones: after small
#: letters were made of all. The first ones are those of https://www.unicode.org/Public/security (confusables)
#: in Cyrillic and Greek.
_ALIKE = str.maketrans(
    {
        "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ё": "e", "н": "h", "і": "l", "ї": "l", "ј": "j",
        "к": "k", "м": "m", "о": "o", "р": "p", "ѕ": "s", "т": "t", "у": "y", "х": "x", "ԝ": "w", "ү": "y",
        "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "l", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t",
        "υ": "u", "χ": "x", "ω": "w", "ı": "l", "ł": "l", "ø": "o", "đ": "d", "ħ": "h",
        "0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "2": "z", "8": "b", "3": "e", "4": "a",
        "6": "g", "9": "g", "7": "t", "@": "a",
    }
)  # fmt: skip
#: Capital letters of Greek that look like others than their small ones do.
_CAPITALS = str.maketrans({"Η": "h", "Ν": "n", "Υ": "y"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


# Of each known token it is asked for at every look at a new one.
@lru_cache(maxsize=1024)
def folded(symbol: str) -> str:
    """The same for all symbols that look alike; empty where there is nothing to see."""
    apart = unicodedata.normalize("NFKD", symbol).translate(_CAPITALS).casefold().translate(_ALIKE)
    seen = "".join(c for c in apart if c.isalnum())
    for pair, letter in _PAIRS:
        seen = seen.replace(pair, letter)
    return seen


def alike(symbol: str, tokens: Iterable[Token]) -> Token | None:
    """The token for which one so called could be taken."""
    seen = folded(symbol)
    return next((token for token in tokens if folded(token.symbol) == seen), None)


def must_be_free(symbol: str, mint: str, tokens: Iterable[Token]) -> None:
    """Raises `InvalidInput` unless a token may be called so beside `tokens`, which have other names."""
    if not _PLAIN.fullmatch(symbol) or not folded(symbol):
        raise InvalidInput(
            "symbol has to have 1 to 20 letters, digits or $._- of ASCII.",
            code="invalid_symbol",
            field="symbol",
            hint="Leave it out, and name the token by its mint.",
        )
    taken = alike(symbol, (token for token in tokens if token.mint != mint))
    if taken is not None:
        same = taken.symbol.lower() == symbol.lower()
        raise InvalidInput(
            f"{symbol} {'is' if same else 'looks like'} the symbol of another token:"
            f" {taken.symbol}, {taken.mint}.",
            code="symbol_taken",
            field="symbol",
            hint="Call it something else, or leave symbol out and name it by its mint.",
        )
