"""The keys of a batch's rows: of the batch's name, a row's values, and the how-many-th row with these values.

So a row keeps its key wherever it stands and whatever stands around it, two equal rows are two orders, and of
three rows of which two were placed one is new. Values are equal where the daemon would make the same order of
them, and only there: a row that it refuses must never be counted with one that it takes.

0.1.0 made keys of the batch, the line's number and what stood in the line; `former_keys` makes them still.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from oee_cli.text.amount_text import plain_digits
from oee_daemon.contract.fields import BY_NAME, GIVEN, Kind, given
from oee_daemon.contract.tokens import is_stable

#: Fields that are counted whole, and what an order that does not say is placed with, by the contract.
WHOLE = given(Kind.WHOLE)
TERMS = {name: BY_NAME[name].default for name in WHOLE}
_USUAL: dict[str, Any] = {field.name: field.default for field in GIVEN if field.default is not None}
_AMOUNTS = given(Kind.AMOUNT)
_TOKENS = given(Kind.TOKEN)
#: The daemon reads no longer number.
_LONGEST = 100
#: How keys begin, and how those of 0.1.0 did.
_BEGIN, FORMER = "row-", "batch-"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which row it is: its values, in one spelling, and how many with the same ones came up to it."""

    values: Values
    nth: int
    #: What stood in the line, for the keys of 0.1.0.
    stood: Values


class Keys:
    """The keys of one batch. Holds some 100 bytes for each distinct row that it has seen.

    `former`: the name that 0.1.0 would have used. `mints`: asked once, by symbol in lower case and by mint.
    """

    def __init__(
        self, name: str, former: str | None = None, mints: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self.name = name
        self.former = former
        self._mints = cache(mints)
        self._seen: dict[bytes, int] = {}

    def next(self, stood: Values) -> Identity:
        """The identity of the next row, in which `stood` stands: its own values, without a key."""
        values = self.canonical(stood)
        digest = self._row_digest(values)
        nth = self._seen[digest] = self._seen.get(digest, 0) + 1
        return Identity(values, nth, stood)

    def key(self, values: Values, nth: int) -> str:
        return _BEGIN + hashlib.sha256(_encode_row([self.name, values, nth])).hexdigest()

    def claim(self, values: Values, nth: int) -> bool:
        """Whether no row of this run is the `nth` with these values; from here on one is."""
        digest = self._row_digest(values)
        if self._seen.get(digest, 0) >= nth:
            return False
        self._seen[digest] = nth
        return True

    def canonical(self, stood: Values) -> Values:
        values = {
            name: self._canonical_value(name, value) for name, value in stood.items() if value is not None
        }
        # What a row of another type leaves out is not what a market order leaves out.
        usual = _USUAL if values.get("type", _USUAL["type"]) == _USUAL["type"] else {}
        values = {name: value for name, value in values.items() if usual.get(name, _NEVER) != value}
        if "side" in values and values["side"] == _natural_side(values):
            del values["side"]
        return values

    def _canonical_value(self, name: str, value: Any) -> Any:
        if name in _AMOUNTS:
            return _canonical_number(value)
        if name in _TOKENS and isinstance(value, str):
            word = value.strip()
            mints = self._mints()
            return mints.get(word) or mints.get(word.lower()) or word
        return value

    @staticmethod
    def _row_digest(values: Values) -> bytes:
        return hashlib.sha256(_encode_row(values)).digest()[:16]


#: Equal to no value.
_NEVER = object()


def _natural_side(values: Values) -> str | None:
    """What the tokens alone say; `None` where they leave it open."""
    given, taken = (is_stable(str(values.get(name))) for name in _TOKENS)
    return None if given == taken else "buy" if given else "sell"


def _canonical_number(value: Any) -> Any:
    """Plain digits of what the daemon reads as a number; anything else as it stands."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    text = str(value)
    return value if len(text) > _LONGEST or not text.isascii() or "_" in text else _plain_number(text, value)


def _plain_number(text: str, otherwise: Any) -> Any:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return otherwise
    # 1e999999999 must not become that many digits.
    return plain_digits(number) if number.is_finite() and abs(number.adjusted()) < 100 else text


def former_keys(batch: str, stood: Values, lines: Iterable[int]) -> Iterator[str]:
    """What 0.1.0 gave a row with these values on each of these lines of a batch."""
    numbers = (*_AMOUNTS, *WHOLE)
    values = {n: _plain_number(str(value), value) if n in numbers else value for n, value in stood.items()}
    before, after = f"[{json.dumps(batch)},".encode(), b"," + _encode_row(values) + b"]"
    return (FORMER + hashlib.sha256(before + b"%d" % line + after).hexdigest() for line in lines)


def _encode_row(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
