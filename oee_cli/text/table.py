"""Parts of a view in aligned columns that fit the screen: what matters least goes first, and nothing ever
wraps. Which columns those are is decided in `layout`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from oee_cli.text.layout import Column, kept

__all__ = ["Column", "fitted"]


def fitted(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Text]],
    width: int,
    *,
    titles: bool = False,
    indent: int = 2,
) -> Table:
    """A table no wider than `width`, `indent` cells in from the left."""
    places, gap, _ = room_for(columns, rows, width, titles=titles, indent=indent)
    table = Table(box=None, show_header=titles, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    margin = " " * indent
    for n, i in enumerate(places):
        column = columns[i]
        title = Text((margin if n == 0 else "") + column.title)
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(margin) + row[i] if n == 0 else row[i] for n, i in enumerate(places)))
    return table


def room_for(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Text]],
    width: int,
    *,
    titles: bool = False,
    indent: int = 2,
) -> tuple[list[int], int, bool]:
    """The columns that are kept, by their place, the cells between them, and whether they fit."""
    widths = [
        max([len(c.title) if titles else 0, *(row[i].cell_len for row in rows)])
        for i, c in enumerate(columns)
    ]
    return kept(columns, widths, width, indent)
