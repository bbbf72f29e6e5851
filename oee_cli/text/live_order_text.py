"""The live view of one order: header, quotes with the winner, and five steps with one bar.

Drawn to stderr while it runs; once it has ended the steps fold into one line each attempt, and those stay in
the scrollback. Whatever ends the command, the terminal is left as it was.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import FrameType
from typing import IO, cast

from rich.console import Console
from rich.live import Live
from rich.text import Text

from oee_cli.full_screen import stop_here
from oee_cli.network_badge import badge
from oee_cli.output import Output, clean, paint
from oee_cli.text.condition_text import market_words
from oee_cli.text.layout_text import ACCENT, Cell, Line, draw_line
from oee_cli.text.order_lines_text import folded_lines, header_line, quote_table, retry_lines
from oee_cli.text.order_text import event_detail, is_firing, overdue_text
from oee_cli.text.time_text import parse_moment, span_text
from oee_cli.text.timeline_text import Attempt, Step, Timeline
from oee_daemon.contract.shapes import Event, Order
from oee_daemon.contract.status import STEPS

#: What a step takes on an ordinary day, seconds: only how fast the bar moves, never past its own part.
_USUAL = {"pending": 0.05, "routing": 0.25, "building": 0.05, "submitted": 0.6}
#: Seconds after which the market of an order that waits is asked for again.
_LOOK_S = 1.0
#: Cells of the bar: fewest, most.
_BAR = (12, 40)
#: Seconds after which a step that runs has its time instead of the bar, which would stand still by then.
_SLOW_S = 5.0


class _PlainStderr(io.TextIOBase):
    """stderr as it can show signs, for Rich to write to."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        return sys.stderr.write(self._output.marks(text, sys.stderr))

    def flush(self) -> None:
        sys.stderr.flush()


class _Block:
    """The last lines of stderr's terminal, each drawing in the place of the one before it.

    Nothing is drawn from the background, where the last lines are the shell's. At Ctrl-Z the last frame stays
    where it is, and the one after it is drawn below what the shell has written meanwhile.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._live: Live | None = None
        self._drawing = self._suspending = False
        self.open = True
        self._before = signal.getsignal(signal.SIGTSTP)
        if self._before is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._suspend)
        # Obeys the rules of `Output` rather than guessing its own.
        self._console = Console(
            file=cast(IO[str], _PlainStderr(output)),
            force_terminal=True,
            highlight=False,
            legacy_windows=False,
        )

    @property
    def width(self) -> int:
        return self._output.width(sys.stderr)

    def draw(self, lines: list[Line]) -> None:
        if not _is_in_front():
            return
        shown = self._output.named("\n".join(self._draw_lines(lines)), sys.stderr)
        self._console.width = self.width + badge.margin
        text = Text.from_ansi(shown, no_wrap=True)
        self._drawing = True
        try:
            if self._live is None:
                self._live = self._begin()
            self._live.update(text, refresh=True)
        finally:
            self._drawing = False
        if self._suspending:
            self._suspend()

    def close(self, lines: Iterable[Line], note: str | None = None) -> None:
        """Leaves these lines instead, which may be any number, and the cursor after them. `note`: a last line
        to be copied from, whole whatever room there is."""
        self.open = False
        if self._before is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        if self._live is not None:
            self._live.stop()
        for line in self._draw_lines(lines):
            self._output.warn(line)
        if note is not None:
            self._output.warn(paint(f"  {note}", "dim", colors=self._output.color(sys.stderr)))

    def _begin(self) -> Live:
        live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        live.start()
        return live

    def _suspend(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self._suspending = self._drawing
        if self._drawing:
            # Once the frame is whole.
            return
        if self._live is not None:
            self._live.transient = False
            self._live.stop()
            self._live = None
        stop_here(self._suspend)

    def _draw_lines(self, lines: Iterable[Line]) -> list[str]:
        colors = self._output.color(sys.stderr)
        return [draw_line(line, self.width, colors=colors) for line in lines]


def _is_in_front() -> bool:
    """Whether stderr's terminal is this command's, and not that of a shell that has it in the background."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except OSError:
        # A terminal that has no foreground.
        return True


class LiveScreen:
    """Follows one order on a terminal.

    `ask_max_attempts`: how many attempts there can be, `None` where that can't be said; asked at a retry.
    `ask_order`: the order as it is now; asked once a second while it waits, for how far away the price is.
    """

    def __init__(
        self,
        output: Output,
        order: Order,
        note: str | None = None,
        ask_max_attempts: Callable[[], int | None] = lambda: None,
        ask_order: Callable[[Order], Order] = lambda order: order,
    ) -> None:
        self.order = order
        self.note = note
        self.timeline = Timeline()
        self.max_attempts: int | None = None
        self._ask_max_attempts = ask_max_attempts
        self._ask_order = ask_order
        self._looked_at = time.monotonic()
        #: When the last event came, by the monotonic clock.
        self._last_event_at = time.monotonic()
        self._block = _Block(output)
        self.tick()

    def event(self, event: Event) -> None:
        is_retry = event["status"] == "pending" and event["attempt"] > 1 and not is_firing(event)
        if is_retry and self.max_attempts is None:
            self.max_attempts = self._ask_max_attempts()
        self.timeline.add(event)
        self._last_event_at = time.monotonic()
        self.tick()

    def tick(self) -> None:
        if self.order["status"] == "waiting" and time.monotonic() >= self._looked_at + _LOOK_S:
            self.order = self._ask_order(self.order)
            self._looked_at = time.monotonic()
        self._block.draw(self.lines(self._block.width))

    def close(self, order: Order | None) -> None:
        """The last of it: folded where it ended, as it stands where the wait was broken off."""
        if not self._block.open:
            return
        if order is not None:
            self.order = order
        lines = folded_lines(self.order, self.timeline, self._block.width, self.max_attempts)
        self._block.close(lines, self.note)

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
        if running and step.status == "waiting":
            # What it waits for is in the header.
            return [*line, Cell(f"  {market_words(self.order) or 'no fresh price'}", ACCENT)]
        overdue = overdue_text(step.event, time.monotonic() - self._last_event_at) if running else ""
        if overdue:
            return [*line, Cell(f"  {overdue}", ACCENT)]
        seconds = _seconds_since(step.at) if step.seconds is None else step.seconds
        if running and seconds < _SLOW_S:
            line += [Cell("  "), *self._bar(step.status, width)]
        else:
            line.append(Cell(f" {span_text(seconds):>7}", style))
        about = event_detail(step.event) if step.status != "pending" or is_firing(step.event) else ""
        return [*line, Cell(f"   {about}", style)] if about else line

    def _bar(self, status: str, width: int) -> Line:
        cells = max(_BAR[0], min(_BAR[1], width - 44))
        at = STEPS.index(status) if status in STEPS else 0
        elapsed = time.monotonic() - self._last_event_at
        part = elapsed / (elapsed + _USUAL.get(status, 0.3))
        full = min(cells - 1, round(cells * (at + part) / (len(STEPS) - 1)))
        return [Cell("━" * full + "╸", ACCENT), Cell("─" * (cells - full - 1), "faint")]


def _seconds_since(at: str) -> float:
    """By this machine's clock, which may be behind that of a daemon elsewhere."""
    return max(0.0, (datetime.now(UTC) - parse_moment(at)).total_seconds())
