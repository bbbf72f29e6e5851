"""Lines of `oee submit` read one by one: NDJSON objects or CSV rows, as HTTP bodies with their keys.

A key is a function of batch, line number and values, so that the same input again finds the same orders.
A bad line is an error of its own and never stops the others. Numbers are decimals, never floats.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, NoReturn

from oee_cli.amounts import plain
from oee_cli.errors import UsageFault

_KEY_FIELD = "idempotencyKey"
#: Fields in which `1.50` and `1.5` are the same.
_NUMBERS = ("amount", "minReceive", "maxSpend", "slippageBps", "validForS")
_WHOLE = ("slippageBps", "validForS")
_REQUIRED = {"inputToken", "outputToken", "amount"}
#: The daemon reads no more than this many bytes of a body.
_BODY_LIMIT = 64 * 1024
#: No field holds more than a plain value; how deep a wrong one is read before it is refused here.
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, and either a body or what is wrong with it."""

    line: int
    body: dict[str, Any]
    key: str | None = None
    fault: UsageFault | None = None


def read_rows(lines: Iterable[str], defaults: dict[str, Any], batch: str | None) -> Iterator[Row]:
    """Every line that is not blank, in order. The first one tells NDJSON from CSV."""
    numbered = iter(enumerate(lines, 1))
    for number, line in numbered:
        if number == 1:
            line = line.removeprefix("\ufeff")
        if line.strip():
            rest = chain([(number, line)], numbered)
            json_like = line.lstrip()[0] in "{["
            yield from (_json_rows(rest, defaults, batch) if json_like else _csv_rows(rest, defaults, batch))
            return


def _json_rows(
    numbered: Iterable[tuple[int, str]], defaults: dict[str, Any], batch: str | None
) -> Iterator[Row]:
    for number, line in numbered:
        if line.strip():
            try:
                yield _row(number, _object(line), defaults, batch)
            except UsageFault as fault:
                yield Row(number, {}, fault=fault)


def _object(line: str) -> dict[str, Any]:
    if len(line) > _BODY_LIMIT:
        raise UsageFault("The line is longer than an order can be.", code="invalid_line")
    try:
        value = json.loads(
            line, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_repeats
        )
    except (ValueError, RecursionError) as e:
        raise UsageFault(f"The line is not a JSON object: {e}", code="invalid_line") from None
    if not isinstance(value, dict):
        raise UsageFault("The line is not a JSON object.", code="invalid_line")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


def _csv_rows(
    numbered: Iterable[tuple[int, str]], defaults: dict[str, Any], batch: str | None
) -> Iterator[Row]:
    here = 0

    def counted() -> Iterator[str]:
        nonlocal here
        for number, line in numbered:
            here = number
            yield line

    reader = csv.reader(counted(), strict=True)
    try:
        names = [name.strip() for name in next(reader)]
    except csv.Error:
        names = [""]
    # Without this a file whose names were forgotten would lose its first order without a word.
    if len(set(names)) != len(names) or not all(names) or not set(names) >= _REQUIRED:
        raise UsageFault(
            "The first row of a CSV names its fields, each once: at least inputToken, outputToken, amount.",
            hint="For example: inputToken,outputToken,amount,slippageBps",
        )
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            yield Row(here, {}, fault=UsageFault(f"The row can't be read: {e}.", code="invalid_line"))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            what = f"The row has {len(cells)} fields, the first one names {len(names)}."
            yield Row(here, {}, fault=UsageFault(what, code="invalid_line"))
            continue
        values = {name: cell.strip() for name, cell in zip(names, cells, strict=True) if cell.strip()}
        yield _row(here, {n: _whole(v) if n in _WHOLE else v for n, v in values.items()}, defaults, batch)


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text


def _row(number: int, values: dict[str, Any], defaults: dict[str, Any], batch: str | None) -> Row:
    body = {**defaults, **{k: _sendable(v) for k, v in values.items() if k != _KEY_FIELD}}
    key = values.get(_KEY_FIELD)
    if key is not None:
        from oee_cli.placing import read_key

        try:
            return Row(number, body, read_key(str(key)))
        except UsageFault as e:
            e.message = f"{_KEY_FIELD} takes 8 to 255 plain characters."
            return Row(number, {}, fault=e)
    return Row(number, body, None if batch is None else derived_key(batch, number, body))


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
