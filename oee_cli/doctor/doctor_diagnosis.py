"""What the doctor found, a line each: a mark, what was looked at, what there is; below it what mends it.

Sentences are folded between words to the screen's width; a command that is to be typed stays whole.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from oee_cli.doctor.checks.check_finding import FAIL, INFO, OK, WARN, Finding
from oee_cli.output import Output, clean, paint

_MARKS = {OK: ("✓", "green"), INFO: ("·", "dim"), WARN: ("!", "yellow"), FAIL: ("✗", "red")}
#: No narrower than this many columns is a sentence folded.
_NARROWEST = 20


def draw_findings(output: Output, found: Sequence[Finding]) -> None:
    width, colors = max(len(f.check) for f in found), output.color(sys.stdout)
    # Plain signs take two places: `ok`.
    marks = {status: output.marks(mark, sys.stdout) for status, (mark, _) in _MARKS.items()}
    wide = max(map(len, marks.values()))
    before = " " * (wide + width + 3)
    room = max(_NARROWEST, output.width(sys.stdout) - len(before))
    for f in found:
        first, *rest = textwrap.wrap(
            clean(f.message), room, break_long_words=False, break_on_hyphens=False
        ) or [""]
        mark = paint(marks[f.status].ljust(wide), _MARKS[f.status][1], colors=colors)
        output.say(f"{mark} {f.check:<{width}}  {first}")
        for line in rest:
            output.say(before + line)
        if f.remedy:
            output.say(before + paint("try: ", "dim", colors=colors) + clean(f.remedy))
    output.say("\n" + _sum_up_findings(output, found, marks))


def _sum_up_findings(output: Output, found: Sequence[Finding], marks: dict[str, str]) -> str:
    failed, warned = (sum(f.status == status for f in found) for status in (FAIL, WARN))
    parts = [
        f"{n} {word if n == 1 else word + 's'}" for n, word in ((failed, "failure"), (warned, "warning")) if n
    ]
    status = FAIL if failed else WARN if warned else OK
    mark = paint(marks[status], _MARKS[status][1], colors=output.color(sys.stdout))
    return f"{mark} {', '.join(parts) or 'all is well'}"
