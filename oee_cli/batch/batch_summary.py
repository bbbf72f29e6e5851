"""What a person sees of a batch: one line while it runs, and a sentence when it is over or broken off.

Words and cells only; when to draw and where is the command's. The bar is there where it is known how much
there is to read.
"""

from __future__ import annotations

import time
from collections import deque

from oee_cli.batch.batch_progress import BatchProgress
from oee_cli.exit_codes import ExitCode
from oee_cli.output import paint
from oee_cli.text.amount_text import counted
from oee_cli.text.chart_text import bar
from oee_cli.text.layout_text import ACCENT
from oee_cli.text.time_text import period_text, span_text, took_text

#: Cells of the bar: fewest, most.
_BAR = (6, 30)
#: Seconds and looks over which the rate is counted.
_RECENT_S, _LOOKS = 10.0, 100
#: From this many lines on, the summary says how many there were a second.
_MANY = 100
#: A name that nothing has been placed under today.
_ANEW = '--batch "$(date +%F)"'

#: How lines end other than well, in the order in which they are told.
_ENDS = {
    ExitCode.FAILED: "failed",
    ExitCode.STOPPED: "cancelled or expired",
    ExitCode.USAGE: "wrong",
    ExitCode.REFUSED: "refused",
    ExitCode.FORBIDDEN: "not permitted",
    ExitCode.UNREACHABLE: "not placed",
    ExitCode.TIMEOUT: "still going on",
    ExitCode.UNKNOWN: "not known yet",
    ExitCode.FAULT: "broken by a fault of ours",
}


class ProgressLine:
    """`━━━━━━━━──────  42 %   41,812 done   12 failed   50 in flight   138/s   7 min left`."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, float]] = deque([(time.monotonic(), 0, 0.0)], maxlen=_LOOKS)

    def text(self, progress: BatchProgress, part: float | None, width: int, *, color: bool) -> str:
        """`part`: how much of the input was read, 0 to 1; `None` where nobody knows."""
        if part is not None:
            part *= progress.ended / max(1, progress.ended + progress.in_flight)
        rate, left = self._pace(progress.ended, part)
        done = progress.codes[ExitCode.DONE]
        counted = [
            f"{done:,} done",
            f"{progress.ended - done:,} failed",
            f"{progress.in_flight:,} in flight",
            f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s",
        ]
        # One cell stays free: a full line would break.
        room = width - 1
        gap = "   " if room >= 80 else "  "
        text = "  " + gap.join(counted)
        if part is None or len(text) > room:
            return text[:room]
        shown = f"  {part:4.0%}{text}"
        cells = min(_BAR[1], room - len(shown) - 2)
        if cells < _BAR[0]:
            return shown if len(shown) <= room else text
        ends = "" if left is None else f"{gap}{_whole_seconds(left)} left"
        if len(shown) + len(ends) + 2 + 2 * _BAR[0] > room:
            ends = ""
        cells = min(cells, room - len(shown) - len(ends) - 2)
        full = bar(part, 1, cells)
        rest = "·" * (cells - len(full))
        return "  " + paint(full, ACCENT, colors=color) + paint(rest, "faint", colors=color) + shown + ends

    def _pace(self, ended: int, part: float | None) -> tuple[float, float | None]:
        """How many lines ended in a second of late, and how many seconds are left."""
        now = time.monotonic()
        if now - self._looks[-1][0] >= _RECENT_S / _LOOKS:
            self._looks.append((now, ended, part or 0.0))
        then, before, part_then = self._looks[0]
        seconds = max(0.001, now - then)
        left = None
        if part is not None and part > part_then and seconds > 1:
            left = (1 - part) * seconds / (part - part_then)
        return (ended - before) / seconds, left


def _whole_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else span_text(seconds)


def sum_up_batch(progress: BatchProgress, verb: str, seconds: float) -> str:
    """`2,000 lines: 1,990 confirmed, 10 failed, in 14 s, 142/s`."""
    if not progress.ended:
        return "no lines: nothing to place"
    # What is placed or checked may wait; what waits is not confirmed.
    waiting = progress.waiting if verb == "confirmed" else 0
    done = progress.codes[ExitCode.DONE] - waiting
    ends = [f"{done:,} {verb}"] if done or not waiting else []
    ends += [f"{waiting:,} waiting"] if waiting else []
    ends += [f"{progress.codes[code]:,} {word}" for code, word in _ENDS.items() if progress.codes[code]]
    if others := progress.ended - sum(progress.codes[code] for code in (ExitCode.DONE, *_ENDS)):
        ends.append(f"{others:,} other")
    pace = f", {progress.ended / seconds:,.0f}/s" if progress.ended >= _MANY else ""
    text = f"{', '.join(ends)}, in {took_text(seconds)}{pace}"
    when = period_text(progress.placed_from, progress.placed_to) if progress.replayed else ""
    if nothing_new(progress):
        were = "was" if progress.replayed == 1 else "were"
        text = f"nothing new, {progress.replayed:,} {were} placed {when}: {text}"
    elif progress.replayed:
        text += f"\n{progress.replayed:,} of them had been placed before, {when}"
    if progress.renewable:
        text += f"\nto place the same rows anew: {_ANEW}"
    return f"{counted(progress.ended, 'line')}: {text}"


def nothing_new(progress: BatchProgress) -> bool:
    """Whether all that ended well or badly had been placed before this run, so that it did nothing."""
    return 0 < progress.replayed == progress.ended


def broken_off(progress: BatchProgress, *, dry_run: bool) -> str:
    """What was sent and what was not, when somebody stops it."""
    if dry_run:
        return f"stopped: {counted(progress.ended, 'line')} had been checked; nothing was placed"
    going_on = progress.in_flight - progress.unanswered
    parts = [f"{progress.sent - progress.in_flight:,} ended"]
    if going_on:
        parts.append(f"{going_on:,} {'goes' if going_on == 1 else 'go'} on")
    if progress.unanswered:
        parts.append(f"{progress.unanswered:,} without an answer yet")
    return f"stopped: {counted(progress.sent, 'line')} sent ({', '.join(parts)}); {unsent(progress)}"


def unsent(progress: BatchProgress) -> str:
    """The part of the input that was left alone."""
    if progress.complete:
        return "that was all of them"
    return f"nothing after line {progress.last_sent:,} was sent" if progress.last_sent else "nothing was sent"
