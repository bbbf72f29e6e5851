"""What a person sees of a batch: one line while it runs, and a sentence when it is over or broken off.

Words and cells only; when to draw and where is the command's. The bar is there where it is known how much
there is to read.
"""

from __future__ import annotations

import time
from collections import deque

from oee_cli.batch.tally import Tally
from oee_cli.exit_codes import ExitCode
from oee_cli.output import paint
from oee_cli.text.bars import bar
from oee_cli.text.layout import ACCENT
from oee_cli.text.times import period, span, took

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


class Progress:
    """`━━━━━━━━──────  42 %   41,812 done   12 failed   50 in flight   138/s   7 min left`."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, float]] = deque([(time.monotonic(), 0, 0.0)], maxlen=_LOOKS)

    def line(self, tally: Tally, part: float | None, width: int, *, color: bool) -> str:
        """`part`: how much of the input was read, 0 to 1; `None` where nobody knows."""
        if part is not None:
            part *= tally.ended / max(1, tally.ended + tally.flying)
        rate, left = self._pace(tally.ended, part)
        done = tally.codes[ExitCode.DONE]
        counted = [
            f"{done:,} done",
            f"{tally.ended - done:,} failed",
            f"{tally.flying:,} in flight",
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
        ends = "" if left is None else f"{gap}{_whole(left)} left"
        if len(shown) + len(ends) + 2 + 2 * _BAR[0] > room:
            ends = ""
        cells = min(cells, room - len(shown) - len(ends) - 2)
        full = bar(part, 1, cells)
        rest = "·" * (cells - len(full))
        return "  " + paint(full, ACCENT, colors=color) + paint(rest, "faint", colors=color) + shown + ends

    def _pace(self, ended: int, part: float | None) -> tuple[float, float | None]:
        """Lines a second of late, and seconds left."""
        now = time.monotonic()
        if now - self._looks[-1][0] >= _RECENT_S / _LOOKS:
            self._looks.append((now, ended, part or 0.0))
        then, before, part_then = self._looks[0]
        seconds = max(0.001, now - then)
        left = None
        if part is not None and part > part_then and seconds > 1:
            left = (1 - part) * seconds / (part - part_then)
        return (ended - before) / seconds, left


def _whole(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else span(seconds)


def summary(tally: Tally, verb: str, seconds: float) -> str:
    """`2,000 lines: 1,990 confirmed, 10 failed, in 14 s, 142/s`."""
    if not tally.ended:
        return "no lines: nothing to place"
    ends = [f"{tally.codes[ExitCode.DONE]:,} {verb}"]
    ends += [f"{tally.codes[code]:,} {word}" for code, word in _ENDS.items() if tally.codes[code]]
    if others := tally.ended - sum(tally.codes[code] for code in (ExitCode.DONE, *_ENDS)):
        ends.append(f"{others:,} other")
    pace = f", {tally.ended / seconds:,.0f}/s" if tally.ended >= _MANY else ""
    text = f"{', '.join(ends)}, in {took(seconds)}{pace}"
    when = period(tally.placed_from, tally.placed_to) if tally.replayed else ""
    if nothing_new(tally):
        were = "was" if tally.replayed == 1 else "were"
        text = f"nothing new, {tally.replayed:,} {were} placed {when}: {text}"
    elif tally.replayed:
        text += f"\n{tally.replayed:,} of them had been placed before, {when}"
    if tally.renewable:
        text += f"\nto place the same rows anew: {_ANEW}"
    return f"{lines(tally.ended)}: {text}"


def nothing_new(tally: Tally) -> bool:
    """Whether all that ended well or badly had been placed before this run, so that it did nothing."""
    return 0 < tally.replayed == tally.ended


def broken_off(tally: Tally, *, dry_run: bool) -> str:
    """What was sent and what was not, when somebody stops it."""
    if dry_run:
        return f"stopped: {lines(tally.ended)} had been checked; nothing was placed"
    aloft = tally.flying - tally.unanswered
    parts = [f"{tally.sent - tally.flying:,} ended"]
    if aloft:
        parts.append(f"{aloft:,} {'goes' if aloft == 1 else 'go'} on")
    if tally.unanswered:
        parts.append(f"{tally.unanswered:,} without an answer yet")
    return f"stopped: {lines(tally.sent)} sent ({', '.join(parts)}); {unsent(tally)}"


def unsent(tally: Tally) -> str:
    """The part of the input that was left alone."""
    if tally.complete:
        return "that was all of them"
    return f"nothing after line {tally.last_sent:,} was sent" if tally.last_sent else "nothing was sent"


def lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
