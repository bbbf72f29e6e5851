"""The table of errors in docs/http.md has every status and code that the daemon answers with.

Of bad input it is the field that is named, so 422 has codes for each way to be wrong that are not listed.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from oee_daemon import errors

ROOT = Path(__file__).parents[2]
LISTED_BY_FIELD = 422


def refusals(kind: type[errors.Refused] = errors.Refused) -> Iterator[type[errors.Refused]]:
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield below
            yield from refusals(below)


def answered() -> dict[int, set[str]]:
    """Codes by status: of each refusal, and of what is written out where it is raised or answered."""
    kinds: dict[str, type[errors.Refused]] = {kind.__name__: kind for kind in refusals()}
    kinds["Refused"] = errors.Refused
    found: dict[int, set[str]] = defaultdict(set)
    for kind in refusals():
        if kind is not errors.Conflict:
            found[kind.status].add(kind.code)
    for file in (ROOT / "oee_daemon").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            named = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            if (
                isinstance(node.func, ast.Name)
                and node.func.id in kinds
                and isinstance(named.get("code"), str)
            ):
                found[kinds[node.func.id].status].add(str(named["code"]))
            literal = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            for status, code in pairwise(literal):
                if file.parent.name == "api" and isinstance(status, int) and isinstance(code, str):
                    found[status].add(code)
    # Starlette's own.
    found[404].add("no_such_path")
    found[405].add("method_not_allowed")
    return found


def documented() -> dict[int, set[str]]:
    text = (ROOT / "docs/http.md").read_text(encoding="utf-8").partition("\n## Errors\n")[2]
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 10
    return {int(status): set(re.findall(r"`([a-z_]+)`", told)) for status, told in rows}


def test_every_status_and_code_is_told() -> None:
    source, told = answered(), documented()
    assert sorted(told) == sorted(source)
    missing = {status: codes - told[status] for status, codes in source.items() if status != LISTED_BY_FIELD}
    assert {status: codes for status, codes in missing.items() if codes} == {}
