"""Figures: how they are computed from rounds, held against what was promised, and printed.

`compiled` and `machine` say under which conditions; `run` is the main function of each script.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import ROOT, environ


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `holds`: whether the promise is kept; `None` where none was made."""

    what: str
    floor: str
    project: str
    measured: str = ""
    promised: str = ""
    holds: bool | None = None


def ratio(
    what: str,
    floor: Sequence[float],
    project: Sequence[float],
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """A figure of ours against its floor's, round by round: the median of the rounds' ratios.

    Two rounds side by side had the same machine; two medians over minutes may not have had.
    """
    times = median([ours / bare for bare, ours in zip(floor, project, strict=True)])
    said, holds = "", None
    if at_most is not None:
        said, holds = f"at most {at_most:g} x", times <= at_most
    if at_least is not None:
        said, holds = f"at least {at_least:g} x", times >= at_least
    return Figure(
        what, _text(median(floor), unit), _text(median(project), unit), f"{times:.2f} x", said, holds
    )


def limit(
    what: str, value: float, unit: str, at_most: float | None = None, floor: float | None = None
) -> Figure:
    """A figure of ours against a fixed promise, or against none."""
    under = "" if floor is None else _text(floor, unit)
    if at_most is None:
        return Figure(what, under, _text(value, unit))
    promised = f"at most {_text(at_most, unit)}"
    return Figure(what, under, _text(value, unit), _text(value, unit), promised, value <= at_most)


def _text(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


#: The table's first two lines.
HEAD = ("| figure | floor | oee | measured | promised | kept |", "|---|--:|--:|--:|--:|---|")


def row(figure: Figure) -> str:
    marks = {True: "yes", False: "**no**", None: ""}
    parts = (figure.what, figure.floor, figure.project, figure.measured, figure.promised, marks[figure.holds])
    return "| " + " | ".join(parts) + " |"


def table(found: Sequence[Figure]) -> str:
    """Markdown."""
    return "\n".join([*HEAD, *map(row, found)])


def say(line: str) -> None:
    """Progress, on standard error."""
    print(f"   {line}", file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the others are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values: Sequence[float], unit: str) -> str:
    return f"{_text(median(values), unit)} ({_text(min(values), unit)} to {_text(max(values), unit)})"


def compiled() -> str:
    """Makes sure that what is imported has its `.pyc` files; says so, since import times double without."""
    for package in ("oee_cli", "oee_daemon", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)
    # The rest writes its own at its first import, which is here and not in what is measured.
    first = (
        "import typer, rich, httpx, fastapi, uvicorn, sqlalchemy, psycopg, redis, dramatiq, alembic.command"
    )
    subprocess.run([sys.executable, "-c", first + ", websockets, solders"], env=environ(), check=True)
    return "`.pyc` files: present and used (PYTHONDONTWRITEBYTECODE unset)"


def machine() -> str:
    """One line about where this runs."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        model = found[0].partition(":")[2].strip() if found else model
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return f"{os.cpu_count()} cores ({model}), Python {sys.version.split()[0]}, load before {load}"


def run(
    measure: Callable[[argparse.Namespace], list[Figure]],
    options: Callable[[argparse.ArgumentParser], None],
    doc: str,
) -> int:
    """One script by itself: reads its options, measures, prints its part of the table."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    options(parser)
    told = parser.parse_args()
    # Asked to end, it takes down what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say(machine())
    say(compiled())
    print(table(measure(told)))
    return 0
