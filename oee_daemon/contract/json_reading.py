"""JSON as both ends read it: exact numbers, nothing that JSON does not know, no name twice in one object."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NoReturn


def read_json(text: str, parse_int: Callable[[str], Any] = int) -> Any:
    """The value, its fractions as `Decimal`. Raises `ValueError`, `RecursionError`, `ArithmeticError`."""
    return json.loads(
        text,
        parse_float=Decimal,
        parse_int=parse_int,
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_repeats,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
