"""The settings as a table. A value that does not fit is folded, never cut: it is there to be read whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from oee_cli.output import Output, clean
from oee_cli.settings.load import config_file, user_folder
from oee_cli.settings.origins import DEFAULT, ENVIRONMENT, FILE, Value
from oee_cli.text.screen import ACCENT, dim, put

#: From this many columns on a file is named by its path.
_WIDE = 100


def draw_settings(output: Output, found: Sequence[Value], origin: bool) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if origin:
        table.add_column(no_wrap=True)
    wide = output.width(sys.stdout) >= _WIDE and any(v.origin == FILE for v in found)
    file = _short(config_file()) if wide else "config.toml"
    for v in found:
        row = [dim(v.setting.name), _value(v)]
        table.add_row(*row, *([_origin(v, file)] if origin else []))
    put(output, table)


def _value(v: Value) -> Text:
    if v.shown is None:
        return dim("–")
    return Text(clean(v.shown), style="red" if v.problem else "")


def _origin(v: Value, file: str) -> Text:
    if v.origin == DEFAULT:
        return dim("default")
    told = {ENVIRONMENT: v.setting.variable, FILE: file}[v.origin]
    if v.origin == ENVIRONMENT and v.hides_file:
        told += f", over {file}"
    return Text(clean(told), style=ACCENT)


def _short(path: Path) -> str:
    home = user_folder()
    if home is None or home == Path("/") or not path.is_relative_to(home):
        return str(path)
    return f"~/{path.relative_to(home)}"
