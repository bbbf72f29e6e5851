"""Writes what the pages tell of the contract, between their markers: `python docs/tables.py`.

A test holds the pages against what this makes. Nothing of it is written by hand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from oee_cli.exit_codes import MEANINGS
from oee_daemon.contract.fields import GIVEN, Field
from oee_daemon.contract.order_types import DEFAULTS
from oee_daemon.contract.setting_table import SETTINGS
from oee_daemon.contract.status import CAUSES, STEPS, TARGETS

ROOT = Path(__file__).resolve().parent.parent


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _draw_steps() -> str:
    return "```\n" + " → ".join(STEPS) + "\n```"


def _list_moves() -> str:
    rows = []
    for status, causes in CAUSES.items():
        told = ", ".join(f"{cause} → `{TARGETS[cause]}`" for cause in causes)
        rows.append((f"`{status}`", told or "nothing: it is final"))
    return _table(("status", "what may happen, and where it leads"), rows)


def _list_exit_codes() -> str:
    return _table(
        ("exit", "when"), ((str(int(code)), " ".join(told.split())) for code, told in MEANINGS.items())
    )


def _describe_field(field: Field) -> tuple[str, str, str]:
    values = " or ".join(f"`{word}`" for word in field.words)
    values = values or (f"{field.bounds[0]} to {field.bounds[1]}" if any(field.bounds) else field.kind)
    usual = "has to be given" if field.required else "" if field.default is None else f"`{field.default}`"
    own = [
        f"{kind}: `{brought[field.column]}`" for kind, brought in DEFAULTS.items() if field.column in brought
    ]
    usual = "; ".join([usual, *own] if usual else own)
    return f"`{field.name}`", f"{values}: {field.request or field.says}", usual


def _list_fields() -> str:
    return _table(("field", "what it takes", "if not given"), map(_describe_field, GIVEN))


#: Made out of what the machine and the account say.
_HOME = "`~/.local/share/oee`; for root `/var/lib/oee`"


def _list_settings() -> str:
    rows = []
    for setting in SETTINGS:
        usual = "unset" if setting.default is None else f"`{setting.default}`"
        rows.append((f"`{setting.variable}`", _HOME if setting.name == "home" else usual, setting.meaning))
    return _table(("name", "default", "meaning"), rows)


#: What stands between `<!-- NAME -->` and `<!-- /NAME -->` of a page.
TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "exit codes"): _list_exit_codes,
    ("README.md", "settings"): _list_settings,
    ("docs/http.md", "order fields"): _list_fields,
    ("docs/life-of-an-order.md", "steps"): _draw_steps,
    ("docs/life-of-an-order.md", "moves"): _list_moves,
}


def written(page: str) -> str:
    """The page with its tables as they should be. Raises `ValueError` where it lacks a marker."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for (name, table), make in TABLES.items():
        if name == page:
            pattern = rf"(?<=<!-- {table} -->\n).*?(?=\n<!-- /{table} -->)"
            text, found = re.subn(pattern, lambda _, make=make: make(), text, flags=re.DOTALL)  # type: ignore[misc]
            if found != 1:
                raise ValueError(f"{page} lacks the marker {table!r}")
    return text


def main() -> None:
    for page in {page for page, _ in TABLES}:
        (ROOT / page).write_text(written(page), encoding="utf-8")


if __name__ == "__main__":
    main()
