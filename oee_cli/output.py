"""The two streams and what they can show: results to stdout, everything else to stderr.

The format never depends on what a stream is connected to; colour, width and liveness do. Lines and tables
are put together in `text.layout_text`. Whatever a server sends is stripped of control characters before a
person sees it; JSON escapes them itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, TextIO

from oee_cli.cli_errors import CliError
from oee_cli.network_badge import badge

#: Wide enough that nothing is dropped or cut where no terminal says how wide it is.
_UNBOUNDED = 400
#: What a terminal that does not say is taken for.
_USUAL = 80
#: The styles of the house as escapes: those that can be read on a light and on a dark terminal.
_STYLES = {
    "dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "faint": "90",
}  # fmt: skip
#: The style of the mark before a sentence.
_MARKS = {"✓": "green", "✗": "red", "●": "yellow"}
_ASCII = str.maketrans({
    "✓": "ok", "●": "..", "✗": "x", "↻": "..", "…": "..", "·": "|", "–": "-", "━": "#", "╸": ">", "─": "-",
    "×": "x", "≤": "<=", "≥": ">=",
})  # fmt: skip


#: What tells that a line of a hint is, or holds, what is to be typed, as `chmod 600 /a/file`; and that a part
#: of a sentence is a command.
_TYPED, _COMMAND = re.compile(r"\boee |--\w|[`$=/]"), re.compile(r"\boee ")


def clean(text: str) -> str:
    """`text` without control characters: an escape sequence in a message must not reach a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def paint(text: str, style: str, *, colors: bool = True) -> str:
    """`text` in a style of the house; as it is without one, or without `colors`."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colors and style and text else text


@dataclass(frozen=True, slots=True)
class Output:
    """How this command was asked to speak."""

    json: bool = False
    quiet: bool = False
    no_color: bool = False

    @property
    def live(self) -> bool:
        """Both streams are terminals that can redraw: a live view may be drawn to stderr."""
        return sys.stdout.isatty() and self.erasable

    @property
    def erasable(self) -> bool:
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet

    def color(self, stream: TextIO) -> bool:
        unwanted = self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return stream.isatty() and not unwanted

    def unicode(self, stream: TextIO) -> bool:
        return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"

    def marks(self, text: str, stream: TextIO) -> str:
        """`text` as this stream can show it: plain signs where there is no UTF-8."""
        if self.unicode(stream):
            return text
        return text.translate(_ASCII).encode("ascii", "replace").decode()

    def width(self, stream: TextIO) -> int:
        """Columns for what is said; `COLUMNS` wins, as everywhere; without a terminal no bound."""
        told = os.environ.get("COLUMNS")
        if not stream.isatty() and not told:
            return _UNBOUNDED
        columns = None
        if not told:
            # Of this stream: the other one may be redirected.
            with suppress(OSError, ValueError):
                columns = os.get_terminal_size(stream.fileno()).columns or _USUAL
        return self.room(shutil.get_terminal_size((_USUAL, 24)).columns if columns is None else columns)

    def room(self, columns: int) -> int:
        """Of so many columns, those that the network's name leaves; never too few to draw anything."""
        return max(20, columns - badge.margin)

    def named(self, text: str, stream: TextIO) -> str:
        """Each line of `text` with the network's name in front, where it is to be said."""
        if not badge.network:
            return text
        name = paint(badge.network, badge.style, colors=self.color(stream))
        return "\n".join(f"{name} {line}".rstrip() for line in text.split("\n"))

    def say(self, text: str) -> None:
        """Writes a result to stdout."""
        self.value(self.named(text, sys.stdout))

    def value(self, text: str) -> None:
        """Writes to stdout what a script takes as it is: a path, an id."""
        sys.stdout.write(self.marks(text, sys.stdout) + "\n")
        sys.stdout.flush()

    def emit(self, value: Any) -> None:
        """Writes a result to stdout as one line of JSON."""
        sys.stdout.write(json.dumps(badge.on_object(value), separators=(",", ":")) + "\n")
        sys.stdout.flush()

    def answer(self, value: Any, text: str, *, bare: bool = False) -> None:
        """Writes a result to stdout: as JSON where that was asked for, else as `text`. `bare`: a script takes
        that as it is."""
        if self.json:
            self.emit(value)
        elif bare:
            self.value(text)
        else:
            self.say(text)

    def folded(self, text: str, stream: TextIO) -> str:
        """`text` with what is too long for the stream folded before each ` · `, and between words in what is
        no command."""
        width = self.width(stream)
        lines = []
        for line in text.split("\n"):
            parts = [line] if len(line) <= width else line.split(" · ")
            folds = ([part] if _COMMAND.search(part) else textwrap.wrap(part, width - 2) for part in parts)
            lines.append("\n  ".join(chain.from_iterable(folds)))
        return "\n".join(lines)

    def note(self, text: str) -> None:
        """Writes progress to stderr, unless `--quiet`."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Writes to stderr what has to be said even with `--quiet`."""
        sys.stderr.write(self.marks(self.named(text, sys.stderr), sys.stderr) + "\n")
        sys.stderr.flush()

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody who sees a question and can answer it."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, prompt: str) -> str:
        """What is typed behind a question on stderr, up to the end of its line."""
        sys.stderr.write(self.marks(self.named(prompt, sys.stderr), sys.stderr) + " ")
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def draw(self, text: str) -> None:
        """Replaces the line that is being drawn; the empty text erases it. Needs `erasable`."""
        sys.stderr.write("\r\x1b[K" + self.marks(self.named(text, sys.stderr) if text else "", sys.stderr))
        sys.stderr.flush()

    def fail(self, error: CliError) -> None:
        """Says what went wrong, why, and what to do next; with `--json` on stdout as an object, too."""
        self.sentence("✗", clean_lines(error.message), error.hint)
        if self.json:
            self.emit({"error": error.as_dict()})

    def sentence(self, mark: str, text: str, hint: str | None = None) -> None:
        """Writes a sentence to stderr with its mark in colour, and what to do next below it."""
        shown = paint(mark, _MARKS.get(mark, ""), colors=self.color(sys.stderr))
        room = self.width(sys.stderr) - 2
        # Sentences are folded between words; what is to be typed stays whole.
        lines = [part for line in text.splitlines() for part in textwrap.wrap(line, room) or [""]] or [""]
        for line in clean_lines(hint or "").splitlines():
            lines += [line] if _TYPED.search(line) else textwrap.wrap(line, room) or [""]
        self.warn("\n".join([f"{shown} {lines[0]}", *(f"  {line}" for line in lines[1:])]))


def clean_lines(text: str) -> str:
    return "\n".join(clean(line) for line in text.split("\n"))
