"""Rows of `oee submit` read one by one: NDJSON objects or CSV rows, as HTTP bodies with their keys.

A bad line is an error of its own and never stops the others. Numbers are decimals, never floats. What is null
is not given, as an empty cell is not: it must not undo an option that stands for all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any

from oee_cli.batch.batch_csv import KEY_FIELD, Bodies, csv_bodies
from oee_cli.batch.batch_input_lines import ONE_A_LINE, Line
from oee_cli.batch.batch_row_keys import WHOLE, Identity, Keys
from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.json_reading import read_json
from oee_daemon.contract.shapes import Order

#: No field holds more than a plain value; how deep a wrong one is read before it is refused here.
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its number, and either a body and its key or what is wrong with it."""

    line: int
    body: dict[str, Any]
    key: str = ""
    #: What the key was made of; `None` where the line has a key of its own.
    identity: Identity | None = None
    fault: UsageFault | None = None
    #: The order that an earlier run placed for it.
    order: Order | None = None


def read_rows(lines: Iterable[Line], defaults: dict[str, Any], keys: Keys) -> Iterator[Row]:
    """Every line that is neither blank nor a comment, in order. The first one tells NDJSON from CSV.

    Raises `UsageFault` where the first one shows that the whole input is neither.
    """
    numbered = iter(lines)
    for line in numbered:
        if line.begin == "[":
            raise UsageFault(
                "The input is a JSON array; it takes one object a line.",
                hint="jq -c '.[]' orders.json | oee submit - --batch NAME",
            )
        if line.begin:
            rest = chain([line], numbered)
            bodies = _json_bodies(rest) if line.begin == "{" else csv_bodies(rest)
            for number, values in bodies:
                yield _make_row(number, values, defaults, keys)
            return


def _json_bodies(lines: Iterable[Line]) -> Bodies:
    for line in lines:
        if line.fault is not None:
            yield line.number, line.fault
        elif line.begin:
            try:
                yield line.number, _read_object(line.text)
            except UsageFault as fault:
                yield line.number, fault


def _read_object(line: str) -> dict[str, Any]:
    try:
        value = read_json(line)
    except (ValueError, RecursionError, ArithmeticError) as e:
        what = f"The line is not a JSON object: {e}"
        raise UsageFault(what, code="invalid_line", hint=ONE_A_LINE) from None
    if not isinstance(value, dict):
        raise UsageFault("The line is not a JSON object.", code="invalid_line", hint=ONE_A_LINE)
    return value


def _make_row(number: int, values: dict[str, Any] | UsageFault, defaults: dict[str, Any], keys: Keys) -> Row:
    if isinstance(values, UsageFault):
        return Row(number, {}, fault=values)
    key = values.pop(KEY_FIELD, None)
    try:
        stood = {name: _make_sendable(_as_whole_number(name, value)) for name, value in values.items()}
    except UsageFault as fault:
        return Row(number, {}, fault=fault)
    body = defaults | {name: value for name, value in stood.items() if value is not None}
    if key is None:
        # Of what stands in the line alone: with another --slippage the daemon then finds the old order
        # under the key and refuses, where a key of its own would place a second one.
        identity = keys.next(stood)
        return Row(number, body, keys.key(identity.values, identity.nth), identity)
    from oee_cli.text.key_text import read_key

    try:
        return Row(number, body, read_key(str(key)) or "")
    except UsageFault as fault:
        fault.message = fault.message.replace("--idempotency-key", KEY_FIELD, 1)
        return Row(number, {}, fault=fault)


def _as_whole_number(name: str, value: Any) -> Any:
    """`25.0` as 25 in a field that is counted whole: floats are what programs make of numbers with gaps."""
    if name in WHOLE and isinstance(value, Decimal) and abs(value.adjusted()) < 12 and value == int(value):
        return int(value)
    return value


def _make_sendable(value: Any, depth: int = 0) -> Any:
    """Decimals as text: what was written is what is sent."""
    if depth > _DEPTH:
        raise UsageFault("The line is nested deeper than an order is.", code="invalid_line")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _make_sendable(inner, depth + 1) for name, inner in value.items()}
    return [_make_sendable(inner, depth + 1) for inner in value] if isinstance(value, list) else value
