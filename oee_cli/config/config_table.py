"""The settings as a table. A value that does not fit is folded, never cut: it is there to be read whole."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import config_file, short_path
from oee_cli.settings.settings_origins import DEFAULT, ENVIRONMENT, FILE, Value
from oee_cli.text.layout_text import ACCENT, Cell, Column, Line, column_widths, lay_table, put_lines

#: From this many columns on a file is named by its path.
_WIDE = 100
#: Cells between two columns, and the fewest that a value is folded to.
_GAP, _NARROWEST = 3, 8


def draw_settings(output: Output, found: Sequence[Value], origin: bool) -> None:
    width = output.width(sys.stdout)
    wide = width >= _WIDE and any(v.origin == FILE for v in found)
    file = short_path(config_file()) if wide else "config.toml"
    columns = (Column(), Column(), Column())
    rows = [
        [Cell(v.setting.name, "dim"), _value_cell(v), _origin_cell(v, file) if origin else Cell("")]
        for v in found
    ]
    names, _, origins = column_widths(columns, rows)
    room = width - names - _GAP - (origins + _GAP if origin else 0)
    lines = [line for row in rows for line in _fold_setting(row, max(_NARROWEST, room))]
    put_lines(output, lay_table(columns, lines, width, indent=0))


def _fold_setting(row: Line, room: int) -> list[Line]:
    """The row, and one more for each part of its value that has no room beside the others."""
    name, value, origin = row
    first, *more = textwrap.wrap(value.text, room, break_on_hyphens=False) or [""]
    rest = [[Cell(""), Cell(part, value.style), Cell("")] for part in more]
    return [[name, Cell(first, value.style), origin], *rest]


def _value_cell(v: Value) -> Cell:
    if v.shown is None:
        return Cell("–", "dim")
    return Cell(clean(v.shown), "red" if v.problem else "")


def _origin_cell(v: Value, file: str) -> Cell:
    if v.origin == DEFAULT:
        return Cell("default", "dim")
    told = {ENVIRONMENT: v.setting.variable, FILE: file}[v.origin]
    if v.origin == ENVIRONMENT and v.hides_file:
        told += f", over {file}"
    return Cell(clean(told), ACCENT)
