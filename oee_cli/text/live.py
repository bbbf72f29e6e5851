"""The live view of one order: header, quotes with the winner, and five steps with one bar.

Drawn to stderr while it runs; once it has ended the steps fold into one line each attempt, and that trace
stays in the scrollback. Whatever ends the command, the terminal is left as it was.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import cast

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from oee_cli.output import Output
from oee_cli.text.messages import detail
from oee_cli.text.order import folded, header_line, quotes_table, retry_line
from oee_cli.text.screen import ACCENT, console
from oee_cli.text.timeline import Attempt, Trace
from oee_cli.text.times import span
from oee_cli.wire import STEPS, Event, Order

#: What a step takes on an ordinary day, seconds: only how fast the bar moves, never past its own part.
_USUAL = {"pending": 0.05, "routing": 0.25, "building": 0.05, "submitted": 0.6}
_BAR = (12, 40)


class LiveScreen:
    """Follows one order on a terminal. `most`: how many attempts there can be, asked at the first retry."""

    def __init__(
        self,
        output: Output,
        order: Order,
        note: str | None = None,
        most: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.most = most
        self.console = console(output, sys.stderr)
        self.order = order
        self.note = note
        self.trace = Trace()
        self.moved = time.monotonic()
        self.live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.live.start()
        self.tick()

    def event(self, event: Event) -> None:
        if event["status"] == "pending" and event["attempt"] > 1:
            event = cast(Event, {**event, "data": {**event["data"], "maxAttempts": self.most()}})
        self.trace.add(event)
        self.moved = time.monotonic()
        self.tick()

    def tick(self) -> None:
        self.live.update(self.render(), refresh=True)

    def close(self, order: Order | None) -> None:
        """The last of it: folded where it ended, as it stands where the wait was broken off."""
        if not self.live.is_started:
            return
        self.live.stop()
        if order is not None:
            self.order = order
        self.console.print(folded(self.order, self.trace, self.console.width))
        if self.note:
            self.console.print(Text(f"  {self.note}", style="dim", no_wrap=True, overflow="ellipsis"))

    def render(self) -> RenderableType:
        width = self.console.width
        parts: list[RenderableType] = [header_line(self.order, width), ""]
        if self.trace.quotes:
            parts += [quotes_table(self.order, self.trace.quotes, width), ""]
        for attempt in self.trace.attempts:
            line = retry_line(attempt, width, self._until(attempt))
            if line is not None:
                parts.append(line)
        current = self.trace.current
        if current is not None:
            parts += self._steps(current, width)
        return Group(*parts)

    def _until(self, attempt: Attempt) -> float | None:
        """Seconds until the retry that is being waited for; `None` once it has begun."""
        current = self.trace.current
        if attempt.retry is None or current is None or len(current.steps) != 1:
            return None
        if attempt.retry is not current.steps[0].event:
            return None
        wait = int(attempt.retry["data"].get("retryInMs") or 0) / 1000
        return max(0.0, wait - (time.monotonic() - self.moved))

    def _steps(self, attempt: Attempt, width: int) -> list[RenderableType]:
        lines: list[RenderableType] = []
        for step in attempt.steps:
            running = step.seconds is None and self.trace.final is None
            line = Text("  ", no_wrap=True, overflow="ellipsis")
            line.append("● " if running else "✓ ", style=ACCENT if running else "green")
            line.append(f"{step.status:<9}", style="" if running else "dim")
            if running:
                line.append("  ")
                line.append_text(self._bar(step.status, width))
            else:
                line.append(f" {span(step.seconds or 0):>7}", style="dim")
            said = detail(step.event) if step.status != "pending" else ""
            if said:
                line.append(f"   {said}", style="" if running else "dim")
            lines.append(line)
        return lines

    def _bar(self, status: str, width: int) -> Text:
        cells = max(_BAR[0], min(_BAR[1], width - 44))
        at = STEPS.index(status) if status in STEPS else 0
        elapsed = time.monotonic() - self.moved
        part = elapsed / (elapsed + _USUAL.get(status, 0.3))
        full = round(cells * (at + part) / (len(STEPS) - 1))
        full = min(cells - 1, full)
        bar = Text("━" * full, style=ACCENT)
        bar.append("╸", style=ACCENT)
        bar.append("━" * (cells - full - 1), style="bright_black")
        return bar
