"""Rows in aligned columns that fit the screen: what matters least goes first, and nothing ever wraps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Column:
    """`rank`: columns of the highest rank are dropped first; 0 stays whatever happens."""

    title: str = ""
    rank: int = 0
    right: bool = False


def fitted(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Text]],
    width: int,
    *,
    titles: bool = False,
    indent: int = 2,
) -> Table:
    """A table no wider than `width`, `indent` cells in from the left."""
    kept, gap, _ = room_for(columns, rows, width, titles=titles, indent=indent)
    table = Table(box=None, show_header=titles, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    margin = " " * indent
    for n, i in enumerate(kept):
        column = columns[i]
        title = Text((margin if n == 0 else "") + column.title)
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(margin) + row[i] if n == 0 else row[i] for n, i in enumerate(kept)))
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
    kept = [i for i in range(len(columns)) if widths[i]]
    gap = 3
    while indent + _total(kept, widths, gap) > width:
        if gap == 3:
            gap = 2
            continue
        worst = max(kept, key=lambda i: (columns[i].rank, i), default=0)
        if not kept or not columns[worst].rank:
            break
        kept.remove(worst)
        gap = 3
    return kept, gap, indent + _total(kept, widths, gap) <= width


def _total(kept: list[int], widths: list[int], gap: int) -> int:
    return sum(widths[i] for i in kept) + gap * max(0, len(kept) - 1)
