"""The Rich console of a stream, as the streams' rules have it, and the few styles of the house.

One accent. Buy is green and sell red in that one word; a status is coloured only where it is an end.
"""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from oee_cli.output import Output, clean

ACCENT = "cyan"
_SIDE = {"buy": "green", "sell": "red"}
_STATUS = {"confirmed": "green", "failed": "red", "cancelled": "yellow", "expired": "yellow"}


class PlainFile:
    """A stream that replaces the signs it cannot show, for terminals without UTF-8."""

    def __init__(self, output: Output, stream: TextIO) -> None:
        self.output = output
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(self.output.marks(text, self.stream))

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    @property
    def encoding(self) -> str:
        return "utf-8"


def console(output: Output, stream: TextIO) -> Console:
    """A console that obeys the rules of streams rather than guessing its own."""
    color = output.color(stream)
    terminal = stream.isatty()
    return Console(
        file=stream if output.unicode(stream) else PlainFile(output, stream),  # type: ignore[arg-type]
        force_terminal=terminal,
        no_color=not color,
        color_system="standard" if color else None,
        width=output.width(stream),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def put(output: Output, renderable: RenderableType) -> None:
    """A result, drawn to stdout; no trailing spaces, which would break lines of a narrow terminal."""
    screen = console(output, sys.stdout)
    with screen.capture() as captured:
        screen.print(renderable)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    sys.stdout.write(output.marks("\n".join(lines) + "\n", sys.stdout))
    sys.stdout.flush()


def side(word: str) -> Text:
    return Text(clean(word), style=_SIDE.get(word, ""))


def status(word: str) -> Text:
    return Text(clean(word), style=_STATUS.get(word, ""))


def dim(text: str) -> Text:
    return Text(clean(text), style="dim")
