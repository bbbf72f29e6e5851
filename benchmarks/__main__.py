"""Runs the benchmarks that are named, or all, and writes one table.

    python -m benchmarks                      all of them, about ten minutes
    python -m benchmarks pickup accept        these two
    python -m benchmarks --full               with a million orders where it matters
    python -m benchmarks --out table.md       the table's file (in the temporary folder by default)

Each script runs in a process of its own and measures its floor and the project in turn; one that fails is
a line in the table, and the others go on.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import bench, figures

#: In the order of the promises they belong to, with what a full run adds.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "pickup": ("--orders", "400"),
    "own_cost": ("--alone", "200", "--batches", "40"),
    "throughput": ("--orders", "3000"),
    "accept": ("--rounds", "8"),
    "cli": ("--rounds", "30"),
    "startup": ("--rounds", "5"),
    "scale_up": ("--orders", "1000000", "--times", "60"),
    "memory": (),
    "scale_out": ("--orders", "400"),
    "watchers": ("--orders", "100"),
    "waiting": (),
    "snipe": ("--runs", "400"),
    "urgent": ("--stops", "10"),
}


#: Not in the checkout, which it would dirty.
OUT = Path(tempfile.gettempdir()) / "oee-benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    parser.add_argument("--full", action="store_true", help="more rounds, and a million orders")
    parser.add_argument("--out", type=Path, default=OUT, help="where the table is written")
    told = parser.parse_args()
    unknown = [name for name in told.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(SCRIPTS)}")
    names = told.names or list(SCRIPTS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    head = f"{figures.machine()}. {figures.compiled()}."
    lines = [head, "", *figures.HEAD]
    failed = 0
    for name in names:
        figures.say(f"== {name}")
        begun = time.monotonic()
        rows = _rows(name, SCRIPTS[name] if told.full else ())
        failed += rows is None
        lines += rows or [figures.row(figures.Figure(f"{name} failed: see above", "", "", "", "", False))]
        figures.say(f"   {time.monotonic() - begun:.0f} s")
        # After each: an interrupted run leaves what it has.
        told.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    figures.say(f"written to {told.out}")
    return 1 if failed else 0


def _rows(name: str, more: tuple[str, ...]) -> list[str] | None:
    """The rows of one script's table; `None` where it failed."""
    arguments = [sys.executable, "-m", f"benchmarks.{name}", *more]
    process = subprocess.Popen(
        arguments, env=bench.environ(), cwd=bench.ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        printed, _ = process.communicate()
    except BaseException:
        # It has servers to take down.
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        return None
    return printed.splitlines()[len(figures.HEAD) :]


if __name__ == "__main__":
    sys.exit(main())
