"""Which columns a table keeps on a screen, how wide they are, and lists drawn a page at a time.

Plain text with the few escapes of the house, without Rich: a list of any length starts at once and is
never held. What is drawn once and has parts of its own is put together with Rich, in `columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import combining, east_asian_width

#: Cells between two columns, and where it is narrow.
_GAPS = (3, 2)
#: No column is cut below this many cells while another one is wider.
_NARROWEST = 4
_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Column:
    """`rank`: columns of the highest rank are dropped first; 0 stays whatever happens."""

    title: str = ""
    rank: int = 0
    right: bool = False


class Cell(NamedTuple):
    """What stands in one place of a list. `style`: one word of the house, or none."""

    text: str
    style: str = ""


Line = Sequence[Cell]


def cell_len(text: str) -> int:
    """How many places of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def kept(
    columns: Sequence[Column], widths: Sequence[int], width: int, indent: int = 2
) -> tuple[list[int], int, bool]:
    """The columns that are kept, by their place, the cells between them, and whether they fit."""
    left = [i for i in range(len(columns)) if widths[i]]
    gap = _GAPS[0]
    while indent + _total(left, widths, gap) > width:
        if gap == _GAPS[0]:
            gap = _GAPS[1]
            continue
        worst = max(left, key=lambda i: (columns[i].rank, i), default=0)
        if not left or not columns[worst].rank:
            break
        left.remove(worst)
        gap = _GAPS[0]
    return left, gap, indent + _total(left, widths, gap) <= width


def _total(left: Sequence[int], widths: Sequence[int], gap: int) -> int:
    return sum(widths[i] for i in left) + gap * max(0, len(left) - 1)


def widths_of(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, titles: bool = True) -> list[int]:
    """The cells that each column needs."""
    return [
        max([cell_len(column.title) if titles else 0, *(cell_len(row[i].text) for row in rows)])
        for i, column in enumerate(columns)
    ]


class Sheet:
    """One list, page by page: the first page decides which columns there are, later ones may widen them."""

    def __init__(self, columns: Sequence[Column], width: int, *, colors: bool, indent: int = 2) -> None:
        self.columns = columns
        self.width = width
        self.colors = colors
        self.indent = indent
        self._kept: list[int] | None = None
        self._widths: list[int] = []
        self._gap = _GAPS[0]

    def page(self, rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
        """The page's lines, on the first one the titles before them."""
        needed = widths_of(self.columns, rows)
        first = self._kept is None
        widths = needed if first else [max(pair) for pair in zip(self._widths, needed, strict=True)]
        if self._kept is None or any(
            w and not before for w, before in zip(widths, self._widths, strict=True)
        ):
            # A column without a title stays away until there is something in it.
            self._kept, self._gap, _ = kept(self.columns, widths, self.width, self.indent)
        self._widths = widths
        shown = self._fitted(self._kept)
        if first:
            yield self._line(self._kept, [Cell(column.title, "dim") for column in self.columns], shown)
        for row in rows:
            yield self._line(self._kept, row, shown)

    def _fitted(self, left: list[int]) -> dict[int, int]:
        """The columns' widths, cut where they are too much for the screen: words before numbers."""
        shown = {i: self._widths[i] for i in left}
        over = self.indent + _total(left, self._widths, self._gap) - self.width
        for group in ([i for i in left if not self.columns[i].right], left):
            while over > 0 and (can := [i for i in group if shown[i] > _NARROWEST]):
                shown[max(can, key=shown.__getitem__)] -= 1
                over -= 1
        return shown

    def _line(self, left: list[int], row: Sequence[Cell], shown: dict[int, int]) -> str:
        return drawn(
            columns_of(self.columns, row, left, shown, self._gap, self.indent), None, colors=self.colors
        )


def columns_of(
    columns: Sequence[Column],
    row: Sequence[Cell],
    left: Sequence[int],
    widths: Sequence[int] | Mapping[int, int],
    gap: int,
    indent: int = 2,
) -> Line:
    """One row's cells in their places, cut where they are wider."""
    line = [Cell(" " * indent)]
    for n, i in enumerate(left):
        text = cut(row[i].text, widths[i])
        space = Cell(" " * (widths[i] - cell_len(text)))
        told = Cell(text, row[i].style)
        line += [Cell(" " * gap if n else ""), *((space, told) if columns[i].right else (told, space))]
    return line


def drawn(line: Line, width: int | None, *, colors: bool) -> str:
    """The line as a stream gets it: no wider than `width`, and nothing at its end that is not seen."""
    parts, room = [], width
    for cell in line:
        text = cell.text if room is None else cut(cell.text, room)
        room = None if room is None else room - cell_len(text)
        parts.append(f"\x1b[{_STYLES[cell.style]}m{text}\x1b[0m" if colors and cell.style and text else text)
    return "".join(parts).rstrip()


def cut(text: str, room: int) -> str:
    """`text` in at most `room` cells, with a sign where something is missing."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[:-1]
    return text + "…" if room else ""
