"""CSV for `oee submit`: rows under a row of names, and what is wrong with a table that can't be read so.

Programs and countries write many things that they call CSV. What was read is said, and what makes it right.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from oee_cli.batch.batch_input_lines import Line
from oee_cli.batch.batch_row_keys import WHOLE
from oee_cli.cli_errors import UsageFault
from oee_cli.text.nearest_word_text import nearest
from oee_daemon.contract.fields import GIVEN, Kind, given
from oee_daemon.contract.protocol import MAX_BODY

KEY_FIELD = "idempotencyKey"
_REQUIRED = tuple(field.name for field in GIVEN if field.required)
#: What a column can be.
COLUMNS = (*(field.name for field in GIVEN), KEY_FIELD)
_EXAMPLE = "For example: inputToken,outputToken,amount,slippageBps"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_INDEX = "If pandas wrote it: to_csv('orders.csv', index=False)"
_END_IT = "Where it is whole: (cat FILE; echo) | oee submit -, or name the file."
#: pandas makes floats of a column that has gaps.
_WHOLE_NUMBER = re.compile(r"(\d{1,11})(\.0*)?", re.ASCII)
#: A number as a country or a spreadsheet may write it.
_DRESSED = re.compile(r"[^\w\s]?[\d\s,.'\u2019_]*\d[\d\s,.'\u2019_]*[^\w\s]?")

Bodies = Iterator[tuple[int, "dict[str, Any] | UsageFault"]]


class _CsvLines:
    """Lines for `csv.reader`, and which of them its present row is made of.

    Raises `UsageFault` in the middle of a row that can be none; the reader then goes on after it.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self.first = self.last = self._size = 0

    def begin(self) -> None:
        """The next line is a row's first."""
        self.first = self._size = 0

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        while not self.first and line.fault is None and not line.begin:
            line = next(self._lines)
        self.first, self.last = self.first or line.number, line.number
        self._size += len(line.text)
        if line.fault is not None:
            raise line.fault
        if line.cut:
            # Of JSON the end shows; of 1000 the beginning is a number as well, and an amount.
            what = "The last line of the pipe has no line end: it may have been cut off."
            raise UsageFault(what, code="invalid_line", hint=_END_IT)
        if self._size > MAX_BODY:
            raise csv.Error("it is longer than an order can be")
        return line.text

    def wrong(self, what: str, hint: str | None = None) -> UsageFault:
        """A fault of the present row; a quote left open may have taken more lines than were meant."""
        if self.last > self.first:
            lines = f"line {self.first} to line {self.last}"
            what += f" It was read from {lines}: look for a quote that is left open."
        return UsageFault(what, code="invalid_line", hint=hint)


def csv_bodies(lines: Iterable[Line]) -> Bodies:
    """Every row by its first line's number. Raises `UsageFault` where the first row names no fields."""
    source = _CsvLines(lines)
    reader = csv.reader(source, strict=True, skipinitialspace=True)
    names = _read_header(reader)
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
            yield source.first, source.wrong(f"The row can't be read: {_describe_csv_fault(e)}.")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        try:
            yield source.first, _read_cells(names, [cell.strip() for cell in cells], source)
        except UsageFault as fault:
            yield source.first, fault


def _describe_csv_fault(e: csv.Error) -> str:
    return "a quote is left open" if "unexpected end" in str(e) else str(e)


def _read_cells(names: list[str], cells: list[str], source: _CsvLines) -> dict[str, Any]:
    if len(cells) != len(names):
        what = f"The row has {len(cells)} fields, the first one names {len(names)}."
        hint = None
        if len(cells) > len(names):
            hint = "Numbers take a point and no thousands separator: 1234.5"
            if not any(cells[len(names) :]):
                hint = "The row ends with a comma: leave it out."
        raise source.wrong(what, hint)
    values: dict[str, Any] = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    for name in filter(values.__contains__, given(Kind.AMOUNT, Kind.WHOLE)):
        values[name] = _read_number(name, values[name], source)
    for name in filter(values.__contains__, given(Kind.FLAG)):
        # A word that is neither is refused by the daemon.
        values[name] = {"true": True, "false": False}.get(values[name].strip().lower(), values[name])
    return values


def _read_number(name: str, text: str, source: _CsvLines) -> int | str:
    """A whole number, or text that the daemon reads; what a spreadsheet made of one is not guessed at."""
    if name in WHOLE and (whole := _WHOLE_NUMBER.fullmatch(text)):
        return int(whole[1])
    if _DRESSED.fullmatch(text) and not re.fullmatch(r"[+-]?[\d.]*", text, re.ASCII):
        what = f"{name} can't be {text[:40]!r}: digits alone, with a point before decimals."
        raise source.wrong(what, "For example 1234.5")
    return text


def _read_header(reader: Any) -> list[str]:
    """The names in the first row: without them a file would lose its first order without a word."""
    try:
        names = [name.strip() for name in next(reader)]
    except csv.Error as e:
        what = f"The first row of the CSV can't be read: {_describe_csv_fault(e)}."
        raise UsageFault(what, hint=_EXAMPLE) from None
    unknown = [name for name in names if name not in COLUMNS]
    if len(names) == 1:
        _refuse_one_column(names[0])
    for at, name in enumerate(names, 1):
        if not name:
            last = at == len(names)
            hint = "The row ends with a comma: leave it out." if last else _INDEX
            raise UsageFault(f"Column {at} of the CSV has no name.", hint=hint)
        if name in names[: at - 1]:
            raise UsageFault(f"The first row of the CSV names {name[:40]!r} twice.", hint="Name each once.")
    if unknown:
        raise _unknown_field_error(names, unknown)
    if missing := [name for name in _REQUIRED if name not in names]:
        raise UsageFault(f"The first row of the CSV does not name {' and '.join(missing)}.", hint=_EXAMPLE)
    return names


def _refuse_one_column(name: str) -> None:
    shown = repr(name[:60])
    for separator, plural in _SEPARATORS.items():
        if separator in name:
            hint = f"Write it anew with commas, and a point in numbers: {plural} separate nothing here."
            if name.lower().startswith("sep="):
                hint = "Excel's line of the separator is no row: leave it out, and separate by commas."
            raise UsageFault(
                f"The first row of the CSV is one column, {shown}: separate by commas.", hint=hint
            )
    if "," in name:
        what = f"The first row of the CSV is one column, {shown}: the whole row stands in quotes."
        raise UsageFault(what, hint="Put quotes around single fields, or none at all.")
    if not name[:1].isalpha():
        what = f"The input begins with {shown}: that is neither a JSON object nor a CSV's row of names."
        raise UsageFault(what, hint=_EXAMPLE)


def _unknown_field_error(names: list[str], unknown: list[str]) -> UsageFault:
    by_letters = {name.lower(): name for name in COLUMNS}
    near = nearest(_fold_column_name(unknown[0]), by_letters)
    if len(unknown) == len(names) and (not near or any(name[:1].isdigit() for name in names)):
        shown = ", ".join(repr(name[:20]) for name in names[:4])
        return UsageFault(
            f"The first row of a CSV names its fields: at least {', '.join(_REQUIRED)}. It is {shown}.",
            hint=_EXAMPLE,
        )
    hint = f"Did you mean {by_letters[near]}?\n" if near else ""
    if re.fullmatch(r"Unnamed: \d+|index|level_\d+", unknown[0]):
        hint = f"{_INDEX}\n"
    return UsageFault(
        f"The first row of the CSV names {unknown[0][:40]!r}, which is no field of an order.",
        hint=f"{hint}It takes {', '.join(COLUMNS)}.",
    )


def _fold_column_name(name: str) -> str:
    """`Input Token`, `input_token` and `'inputToken'` are meant alike."""
    return re.sub(r"[\W_]", "", name).lower()
