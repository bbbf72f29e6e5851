"""Lines of `oee submit` read one by one: NDJSON objects or CSV rows, as HTTP bodies with their keys.

A key is a function of batch, line number and what stands in the line, so that the same input again finds the
same orders. A bad line is an error of its own and never stops the others. Numbers are decimals, never floats.
However long the input or one of its lines is, no more than one order's worth of it is held.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, BinaryIO, NoReturn

from oee_cli.amounts import plain
from oee_cli.errors import UsageFault

_KEY_FIELD = "idempotencyKey"
_WHOLE = ("slippageBps", "validForS")
#: Fields in which `1.50` and `1.5` are the same.
_NUMBERS = ("amount", "minReceive", "maxSpend", *_WHOLE)
_REQUIRED = ("inputToken", "outputToken", "amount")
#: What a column of a CSV can be.
COLUMNS = (*_REQUIRED, "swapMode", "side", "slippageBps", "minReceive", "maxSpend", "validForS", _KEY_FIELD)
#: The daemon reads no more than this many bytes of a body.
_BODY_LIMIT = 64 * 1024
#: How many characters of a line that is no order's are kept, to see what it is.
_GLANCE = 40
#: No field holds more than a plain value; how deep a wrong one is read before it is refused here.
_DEPTH = 20
_ONE_A_LINE = "An order is one whole line. Other JSON: jq -c . orders.json | oee submit -"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, and either a body and its key or what is wrong with it."""

    line: int
    body: dict[str, Any]
    key: str = ""
    #: The key was made here, of batch, line and values.
    derived: bool = False
    fault: UsageFault | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it was read. Where it has a fault, `text` is no more than its beginning."""

    number: int
    text: str
    fault: UsageFault | None = None


class Lines:
    """The lines of a stream, one at a time, and how many bytes have been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.bytes_read = 0

    def __iter__(self) -> Iterator[_Line]:
        number = 0
        while raw := self._next(_BODY_LIMIT + 1):
            number += 1
            if len(raw) > _BODY_LIMIT and not raw.endswith(b"\n"):
                self._skip()
                yield _wrong(number, raw, "The line is longer than an order can be.")
                continue
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                yield _wrong(number, raw, "The line is not UTF-8 text.")
                continue
            # Some editors begin a file with a mark that is no part of it.
            yield _Line(number, text.removeprefix("\ufeff") if number == 1 else text)

    def _skip(self) -> None:
        while raw := self._next(_BODY_LIMIT):
            if raw.endswith(b"\n"):
                return

    def _next(self, most: int) -> bytes:
        try:
            raw = self._stream.readline(most)
        except OSError as e:
            raise UsageFault(f"The input can't be read any further: {e.strerror}.") from None
        self.bytes_read += len(raw)
        return raw


def _wrong(number: int, raw: bytes, what: str) -> _Line:
    text = raw[:_GLANCE].decode(errors="replace")
    return _Line(number, text, UsageFault(what, code="invalid_line", hint=_ONE_A_LINE))


def read_rows(lines: Iterable[_Line], defaults: dict[str, Any], batch: str) -> Iterator[Row]:
    """Every line that is not blank, in order. The first one tells NDJSON from CSV.

    Raises `UsageFault` where the first one shows that the whole input is neither.
    """
    numbered = iter(lines)
    for line in numbered:
        begin = line.text.lstrip()[:1]
        if begin == "[":
            raise UsageFault(
                "The input is a JSON array; it takes one object a line.",
                hint="jq -c '.[]' orders.json | oee submit - --batch NAME",
            )
        if begin:
            rest = chain([line], numbered)
            bodies = _json_bodies(rest) if begin == "{" else _csv_bodies(rest)
            for number, values in bodies:
                yield _row(number, values, defaults, batch)
            return


_Bodies = Iterator[tuple[int, "dict[str, Any] | UsageFault"]]


def _json_bodies(lines: Iterable[_Line]) -> _Bodies:
    for line in lines:
        if line.fault is not None:
            yield line.number, line.fault
        elif line.text.strip():
            try:
                yield line.number, _object(line.text)
            except UsageFault as fault:
                yield line.number, fault


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(
            line, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_repeats
        )
    except (ValueError, RecursionError, ArithmeticError) as e:
        what = f"The line is not a JSON object: {e}"
        raise UsageFault(what, code="invalid_line", hint=_ONE_A_LINE) from None
    if not isinstance(value, dict):
        raise UsageFault("The line is not a JSON object.", code="invalid_line", hint=_ONE_A_LINE)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


class _CsvLines:
    """Lines for `csv.reader`, and which of them its present row is made of.

    Raises `UsageFault` in the middle of a row that can be none; the reader then goes on after it.
    """

    def __init__(self, lines: Iterable[_Line]) -> None:
        self._lines = iter(lines)
        self.first = self.last = self._size = 0

    def begin(self) -> None:
        """The next line is a row's first."""
        self.first = self._size = 0

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.first, self.last = self.first or line.number, line.number
        self._size += len(line.text)
        if line.fault is not None:
            raise line.fault
        if self._size > _BODY_LIMIT:
            raise csv.Error("it is longer than an order can be")
        return line.text

    def wrong(self, what: str) -> UsageFault:
        """A fault of the present row; a quote left open may have taken more lines than were meant."""
        if self.last > self.first:
            lines = f"line {self.first} to line {self.last}"
            what += f" It was read from {lines}: look for a quote that is left open."
        return UsageFault(what, code="invalid_line")


def _csv_bodies(lines: Iterable[_Line]) -> _Bodies:
    source = _CsvLines(lines)
    reader = csv.reader(source, strict=True)
    names = _header(reader, source)
    while True:
        source.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except UsageFault as fault:
            yield source.first, fault
            continue
        except csv.Error as e:
            why = "a quote is left open" if "unexpected end" in str(e) else e
            yield source.first, source.wrong(f"The row can't be read: {why}.")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            what = f"The row has {len(cells)} fields, the first one names {len(names)}."
            yield source.first, source.wrong(what)
            continue
        values = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
        yield source.first, {n: _whole(v) if n in _WHOLE else v for n, v in values.items()}


def _header(reader: Any, source: _CsvLines) -> list[str]:
    """The names in the first row: without them a file would lose its first order without a word."""
    try:
        names = [name.strip() for name in next(reader)]
    except csv.Error:
        names = [""]
    example = "For example: inputToken,outputToken,amount,slippageBps"
    unknown = [name for name in names if name not in COLUMNS]
    if len(unknown) == len(names) or len(set(names)) != len(names) or "" in names:
        raise UsageFault(
            "The first row of a CSV names its fields, each once: at least inputToken, outputToken, amount.",
            hint=example,
        )
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], COLUMNS, n=1, cutoff=0.5)
        raise UsageFault(
            f"The first row of the CSV names {unknown[0][:40]!r}, which is no field of an order.",
            hint=(f"Did you mean {near[0]}?\n" if near else "") + "It takes " + ", ".join(COLUMNS) + ".",
        )
    if missing := [name for name in _REQUIRED if name not in names]:
        raise UsageFault(f"The first row of the CSV does not name {' and '.join(missing)}.", hint=example)
    return names


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text


def _row(number: int, values: dict[str, Any] | UsageFault, defaults: dict[str, Any], batch: str) -> Row:
    if isinstance(values, UsageFault):
        return Row(number, {}, fault=values)
    try:
        own = {name: _sendable(value) for name, value in values.items() if name != _KEY_FIELD}
    except UsageFault as fault:
        return Row(number, {}, fault=fault)
    key = values.get(_KEY_FIELD)
    if key is None:
        # Of what stands in the line alone: with another --slippage the daemon then finds the old order
        # under the key and refuses, where a key of its own would place a second one.
        return Row(number, {**defaults, **own}, derived_key(batch, number, own), derived=True)
    from oee_cli.placing import read_key

    try:
        return Row(number, {**defaults, **own}, read_key(str(key)) or "")
    except UsageFault as fault:
        fault.message = f"{_KEY_FIELD} takes 8 to 255 plain characters."
        return Row(number, {}, fault=fault)


def _sendable(value: Any, depth: int = 0) -> Any:
    """Decimals as text: what was written is what is sent."""
    if depth > _DEPTH:
        raise UsageFault("The line is nested deeper than an order is.", code="invalid_line")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _sendable(inner, depth + 1) for name, inner in value.items()}
    return [_sendable(inner, depth + 1) for inner in value] if isinstance(value, list) else value


def derived_key(batch: str, line: int, body: dict[str, Any]) -> str:
    """The same for the same batch, line and values, however they were written."""
    values = {name: _canonical(value) if name in _NUMBERS else value for name, value in body.items()}
    text = json.dumps([batch, line, values], sort_keys=True, separators=(",", ":"))
    return "batch-" + hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    try:
        number = Decimal(str(value))
        # 1e999999999 must not become that many digits.
        return plain(number) if number.is_finite() and abs(number.adjusted()) < 100 else str(value)
    except InvalidOperation:
        return value
