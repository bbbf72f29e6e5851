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
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from oee_daemon.contract.decimals import decimal_text, is_decimal
from oee_daemon.contract.fields import GIVEN, Kind, given
from oee_daemon.contract.listed_tokens import is_stable
from oee_daemon.contract.order_types import DEFAULTS, LIQUIDITY_USD

#: Fields that are counted whole.
WHOLE = given(Kind.WHOLE)
_USUAL: dict[str, Any] = {field.name: field.default for field in GIVEN if field.default is not None}
#: What each type is placed with where nobody says it, by the contract.
_USUAL_OF = {
    kind.value: _USUAL
    | {field.name: brought[field.column] for field in GIVEN if field.column in brought}
    | {field.name: False for field in GIVEN if field.kind is Kind.FLAG and kind in field.on}
    for kind, brought in DEFAULTS.items()
}
_NUMBERS = given(Kind.AMOUNT, Kind.PRICE)
_AMOUNTS = given(Kind.AMOUNT)
_TOKENS = given(Kind.TOKEN)
_MOMENTS, _IDS, _NAMES = given(Kind.MOMENT), given(Kind.ID), given(Kind.NAMES)
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
        usual = usual_terms(values)
        values = {name: value for name, value in values.items() if not _is_usual(value, usual.get(name))}
        if "side" in values and values["side"] == _natural_side(values):
            del values["side"]
        if "tokenAddress" in values and values.get("outputToken") == values["tokenAddress"]:
            del values["outputToken"]
        return values

    def _canonical_value(self, name: str, value: Any) -> Any:
        if name in _NUMBERS:
            return _canonical_number(value)
        if name in _MOMENTS:
            return _canonical_moment(value)
        if name in _IDS:
            return value.lower() if isinstance(value, str) else value
        if name in _NAMES:
            return _canonical_names(value)
        if name in _TOKENS and isinstance(value, str):
            word = value.strip()
            mints = self._mints()
            return mints.get(word) or mints.get(word.lower()) or word
        return value

    @staticmethod
    def _row_digest(values: Values) -> bytes:
        return hashlib.sha256(_encode_row(values)).digest()[:16]


def usual_terms(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an order is placed with where neither `values` nor anybody else says it."""
    kind = values.get("type")
    usual = _USUAL_OF.get(kind if isinstance(kind, str) else _USUAL["type"], _USUAL)
    return usual | {"minLiquidity": LIQUIDITY_USD} if "tokenAddress" in values else usual


def _is_usual(value: Any, usual: Any) -> bool:
    return bool(value == usual) and isinstance(value, bool) is isinstance(usual, bool)


def _natural_side(values: Values) -> str | None:
    """What the tokens alone say; `None` where they leave it open."""
    if "tokenAddress" in values:
        return "buy"
    given, taken = (is_stable(str(values.get(name))) for name in _TOKENS)
    return None if given == taken else "buy" if given else "sell"


def _canonical_number(value: Any) -> Any:
    """Plain digits of what the daemon reads as a number; anything else as it stands."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    text = str(value)
    return _plain_number(text, value) if is_decimal(text) else value


def _plain_number(text: str, otherwise: Any) -> Any:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return otherwise
    # 1e999999999 must not become that many digits.
    return decimal_text(number) if number.is_finite() and abs(number.adjusted()) < 100 else text


def _canonical_moment(value: Any) -> Any:
    """In UTC what says its time zone; anything else as it stands."""
    try:
        # The daemon takes no shorter one.
        moment = datetime.fromisoformat(value) if len(value) >= len("2030-12-01T18:00Z") else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC).isoformat()
        return value
    except (TypeError, ValueError, OverflowError):
        return value


def _canonical_names(value: Any) -> Any:
    """Each name once, in order, however the list was written."""
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    whole = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return sorted(set(names)) if whole else value


def former_keys(batch: str, stood: Values, lines: Iterable[int]) -> Iterator[str]:
    """What 0.1.0 gave a row with these values on each of these lines of a batch."""
    numbers = (*_AMOUNTS, *WHOLE)
    values = {n: _plain_number(str(value), value) if n in numbers else value for n, value in stood.items()}
    before, after = f"[{json.dumps(batch)},".encode(), b"," + _encode_row(values) + b"]"
    return (FORMER + hashlib.sha256(before + b"%d" % line + after).hexdigest() for line in lines)


def _encode_row(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
