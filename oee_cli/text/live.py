"""The live view of one order: header, quotes with the winner, and five steps with one bar.

Drawn to stderr while it runs; once it has ended the steps fold into one line each attempt, and those stay in
the scrollback. Whatever ends the command, the terminal is left as it was.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable

from oee_cli.output import Output, clean
from oee_cli.text.layout import ACCENT, Cell, Line, drawn
from oee_cli.text.messages import detail
from oee_cli.text.order import folded_lines, header_line, quote_table, retry_lines
from oee_cli.text.timeline import Attempt, Step, Timeline
from oee_cli.text.times import span
from oee_daemon.contract.shapes import Event, Order
from oee_daemon.contract.status import STEPS

#: What a step takes on an ordinary day, seconds: only how fast the bar moves, never past its own part.
_USUAL = {"pending": 0.05, "routing": 0.25, "building": 0.05, "submitted": 0.6}
#: Cells of the bar: fewest, most.
_BAR = (12, 40)
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE, _UP = "\r\x1b[2K", "\x1b[1A\x1b[2K"


class _Block:
    """The last lines of stderr's terminal, each drawing in the place of the one before it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        #: Lines that stand there now; 0 once it is over.
        self._height = 0
        self.open = True

    @property
    def width(self) -> int:
        return self._output.width(sys.stderr)

    def draw(self, lines: list[Line]) -> None:
        # What has scrolled off the screen could not be drawn over.
        lines = lines[: max(1, shutil.get_terminal_size((80, 24)).lines - 1)]
        begin = self._erase() if self._height else _HIDE_CURSOR
        self._height = len(lines)
        self._write(begin + "\n".join(self._draw_lines(lines)))

    def close(self, lines: Iterable[Line]) -> None:
        """Leaves these lines instead, which may be any number, and the cursor after them."""
        self.open = False
        self._write(self._erase() + _SHOW_CURSOR + "".join(f"{line}\n" for line in self._draw_lines(lines)))

    def _erase(self) -> str:
        """To the beginning of the first line, everything erased."""
        return _ERASE + _UP * (self._height - 1)

    def _draw_lines(self, lines: Iterable[Line]) -> list[str]:
        colors = self._output.color(sys.stderr)
        return [drawn(line, self.width, colors=colors) for line in lines]

    def _write(self, text: str) -> None:
        sys.stderr.write(self._output.marks(text, sys.stderr))
        sys.stderr.flush()


class LiveScreen:
    """Follows one order on a terminal.

    `ask_max_attempts`: how many attempts there can be, `None` where that can't be said; asked at a retry.
    """

    def __init__(
        self,
        output: Output,
        order: Order,
        note: str | None = None,
        ask_max_attempts: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.order = order
        self.note = note
        self.timeline = Timeline()
        self.max_attempts: int | None = None
        self._ask_max_attempts = ask_max_attempts
        #: When the last event came, by the monotonic clock.
        self._last_event_at = time.monotonic()
        self._block = _Block(output)
        self.tick()

    def event(self, event: Event) -> None:
        if event["status"] == "pending" and event["attempt"] > 1 and self.max_attempts is None:
            self.max_attempts = self._ask_max_attempts()
        self.timeline.add(event)
        self._last_event_at = time.monotonic()
        self.tick()

    def tick(self) -> None:
        self._block.draw(self.lines(self._block.width))

    def close(self, order: Order | None) -> None:
        """The last of it: folded where it ended, as it stands where the wait was broken off."""
        if not self._block.open:
            return
        if order is not None:
            self.order = order
        lines = folded_lines(self.order, self.timeline, self._block.width, self.max_attempts)
        self._block.close([*lines, *([[Cell(f"  {self.note}", "dim")]] if self.note else [])])

    def lines(self, width: int) -> list[Line]:
        """One frame."""
        lines: list[Line] = [header_line(self.order, width), []]
        if self.timeline.quotes:
            lines += [*quote_table(self.order, self.timeline.quotes, width), []]
        for attempt in self.timeline.attempts:
            lines += retry_lines(attempt, width, self.max_attempts, self._seconds_until_retry(attempt))
        current = self.timeline.current
        return lines + [self._step_line(step, width) for step in (current.steps if current else ())]

    def _seconds_until_retry(self, attempt: Attempt) -> float | None:
        """Seconds until the retry that is being waited for; `None` once it has begun."""
        current = self.timeline.current
        if attempt.retry is None or current is None or len(current.steps) != 1:
            return None
        if attempt.retry is not current.steps[0].event:
            return None
        wait = int(attempt.retry["data"].get("retryInMs") or 0) / 1000
        return max(0.0, wait - (time.monotonic() - self._last_event_at))

    def _step_line(self, step: Step, width: int) -> Line:
        running = step.seconds is None and self.timeline.final is None
        style = "" if running else "dim"
        line = [Cell("  "), Cell("● " if running else "✓ ", ACCENT if running else "green")]
        line.append(Cell(f"{clean(step.status):<9}", style))
        if running:
            line += [Cell("  "), *self._bar(step.status, width)]
        else:
            line.append(Cell(f" {span(step.seconds or 0):>7}", "dim"))
        about = detail(step.event) if step.status != "pending" else ""
        return [*line, Cell(f"   {about}", style)] if about else line

    def _bar(self, status: str, width: int) -> Line:
        cells = max(_BAR[0], min(_BAR[1], width - 44))
        at = STEPS.index(status) if status in STEPS else 0
        elapsed = time.monotonic() - self._last_event_at
        part = elapsed / (elapsed + _USUAL.get(status, 0.3))
        full = min(cells - 1, round(cells * (at + part) / (len(STEPS) - 1)))
        return [Cell("━" * full + "╸", ACCENT), Cell("━" * (cells - full - 1), "faint")]
