"""How everything is drawn: lines of cells with the few styles of the house, and tables that fit the screen.

What matters least goes first, and no line of a table ever wraps. Plain text with a few escapes: a list of any
length starts at once and is never held. One accent; buy is green and sell red in that one word; a status is
coloured only where it is an end.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from oee_cli.output import Output, clean, paint

#: Cells between two columns, and where it is narrow.
_GAPS = (3, 2)
#: No column is cut below this many cells while another one is wider.
_NARROWEST = 4
#: A sentence is folded at no fewer columns than this.
_SENTENCE = 20
ACCENT = "cyan"
_SIDES = {"buy": "green", "sell": "red"}
_STATUSES = {"confirmed": "green", "failed": "red", "cancelled": "bold", "expired": "bold"}


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


def side_cell(word: str) -> Cell:
    return Cell(clean(word), _SIDES.get(word, ""))


def status_cell(word: str) -> Cell:
    return Cell(clean(word), _STATUSES.get(word, ""))


def cell_len(text: str) -> int:
    """How many places of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def choose_columns(
    columns: Sequence[Column], widths: Sequence[int], width: int, indent: int = 2
) -> tuple[list[int], int, bool]:
    """The columns that are kept, by their index, the cells between them, and whether they fit."""
    left = [i for i in range(len(columns)) if widths[i]]
    gap = _GAPS[0]
    while indent + _total_width(left, widths, gap) > width:
        if gap == _GAPS[0]:
            gap = _GAPS[1]
            continue
        worst = max(left, key=lambda i: (columns[i].rank, i), default=0)
        if not left or not columns[worst].rank:
            break
        left.remove(worst)
        gap = _GAPS[0]
    return left, gap, indent + _total_width(left, widths, gap) <= width


def _total_width(left: Sequence[int], widths: Sequence[int], gap: int) -> int:
    return sum(widths[i] for i in left) + gap * max(0, len(left) - 1)


def column_widths(columns: Sequence[Column], rows: Sequence[Line], *, titles: bool = True) -> list[int]:
    """The cells that each column needs."""
    return [
        max([cell_len(column.title) if titles else 0, *(cell_len(row[i].text) for row in rows)])
        for i, column in enumerate(columns)
    ]


def lay_table(
    columns: Sequence[Column], rows: Sequence[Line], width: int, *, titles: bool = False, indent: int = 2
) -> list[Line]:
    """The rows in aligned columns no wider than `width`, `indent` cells in from the left."""
    widths = column_widths(columns, rows, titles=titles)
    left, gap, _ = choose_columns(columns, widths, width, indent)
    shown = _narrow_columns(columns, widths, left, gap, width - indent)
    head = [[Cell(column.title, "dim") for column in columns]] if titles else []
    return [align_cells(columns, row, left, shown, gap, indent) for row in [*head, *rows]]


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

    def page(self, rows: Sequence[Line]) -> Iterator[str]:
        """The page's lines, on the first one the titles before them."""
        needed = column_widths(self.columns, rows)
        first = self._kept is None
        widths = needed if first else [max(pair) for pair in zip(self._widths, needed, strict=True)]
        if self._kept is None or any(
            w and not before for w, before in zip(widths, self._widths, strict=True)
        ):
            # A column without a title stays away until there is something in it.
            self._kept, self._gap, _ = choose_columns(self.columns, widths, self.width, self.indent)
        self._widths = widths
        shown = _narrow_columns(self.columns, widths, self._kept, self._gap, self.width - self.indent)
        head = [[Cell(column.title, "dim") for column in self.columns]] if first else []
        for row in [*head, *rows]:
            line = align_cells(self.columns, row, self._kept, shown, self._gap, self.indent)
            yield draw_line(line, None, colors=self.colors)


def _narrow_columns(
    columns: Sequence[Column], widths: Sequence[int], left: Sequence[int], gap: int, room: int
) -> dict[int, int]:
    """The columns' widths, cut where they are too much for the screen: words before numbers."""
    shown = {i: widths[i] for i in left}
    over = _total_width(left, widths, gap) - room
    for group in ([i for i in left if not columns[i].right], left):
        while over > 0 and (can := [i for i in group if shown[i] > _NARROWEST]):
            shown[max(can, key=shown.__getitem__)] -= 1
            over -= 1
    return shown


def align_cells(
    columns: Sequence[Column],
    row: Line,
    left: Sequence[int],
    widths: Sequence[int] | Mapping[int, int],
    gap: int,
    indent: int = 2,
) -> Line:
    """One row's cells in their places, cut where they are wider."""
    line = [Cell(" " * indent)]
    for n, i in enumerate(left):
        text = cut_text(row[i].text, widths[i])
        space = Cell(" " * (widths[i] - cell_len(text)))
        shown = Cell(text, row[i].style)
        line += [Cell(" " * gap if n else ""), *((space, shown) if columns[i].right else (shown, space))]
    return line


def fold_sentence(text: str, width: int, style: str = "", indent: str = "  ") -> list[Line]:
    """`text` folded between words, its later lines indented."""
    folded = textwrap.wrap(text, max(_SENTENCE, width), subsequent_indent=indent)
    return [[Cell(part, style)] for part in folded]


def fold_value(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells that are `text` again when joined: after a space or a `/`
    where one is in a piece's second half."""
    pieces = []
    while cell_len(text) > width:
        end = 1
        while cell_len(text[: end + 1]) <= width:
            end += 1
        between = max(text.rfind(sign, 0, end) for sign in " /") + 1
        end = between if between > end // 2 else end
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text]


def draw_line(line: Line, width: int | None, *, colors: bool) -> str:
    """The line as a stream gets it: no wider than `width`, and nothing at its end that is not seen."""
    parts, room = [], width
    for cell in line:
        text = cell.text if room is None else cut_text(cell.text, room)
        room = None if room is None else room - cell_len(text)
        parts.append(paint(text, cell.style, colors=colors))
    return "".join(parts).rstrip()


def put_lines(output: Output, lines: Iterable[Line]) -> None:
    """A result of several lines, drawn to stdout."""
    width, colors = output.width(sys.stdout), output.color(sys.stdout)
    output.say("\n".join(draw_line(line, width, colors=colors) for line in lines))


def cut_text(text: str, room: int) -> str:
    """`text` in at most `room` cells, with a sign where something is missing."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > room - 1:
        text = text[:-1]
    return text + "…" if room else ""
