"""What an idle engine holds in memory, proportionally: a page that three processes share counts a third.

With the daemon's own servers, after a few orders. The floor of the two Python processes is one that has
imported the same packages and nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import bench, figures
from benchmarks.commands import IMPORTS

MB = 1024


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=int, default=50, help="placed before, so that nothing is new")
    parser.add_argument("--settle", type=float, default=4.0, help="seconds after them")


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Daemon(home / "home", **bench.NO_WAITS) as daemon:
        with daemon.client() as client:
            for _ in range(told.orders):
                client.post(bench.EXECUTE, bench.ORDER)
        bare = _imports_alone()
        time.sleep(told.settle)
        found: dict[str, dict[str, float]] = {}
        for name, pid in daemon.pids().items():
            parts = [pss(p) for p in (pid, *(bench.helpers(pid) if name == "postgres" else []))]
            found[name] = {key: sum(part[key] for part in parts) for key in parts[0]}
            found[name]["processes"] = len(parts)
    whole = sum(part["all"] for part in found.values())
    largest = max(found, key=lambda name: found[name]["all"])
    return [
        *[_line(name, part, bare) for name, part in found.items()],
        figures.Figure(
            "memory, idle, all processes", "", f"{whole:.0f} MB",
            f"largest: the {largest}, {100 * found[largest]['all'] / whole:.0f} %",
        ),
    ]  # fmt: skip


def _line(name: str, part: dict[str, float], bare: float) -> figures.Figure:
    what = f"memory, idle, {name}"
    if part["processes"] > 1:
        what += f" ({part['processes']:.0f} processes)"
    split = f"{part['own']:.0f} own, {part['files']:.0f} files, {part['shared']:.0f} shared"
    floor = f"{bare:.0f} MB" if name in ("daemon", "worker") else ""
    return figures.Figure(what, floor, f"{part['all']:.0f} MB", split)


def pss(pid: int) -> dict[str, float]:
    """Megabytes: all of it, the process's own pages, its part of files, its part of shared memory."""
    found = {}
    names = {"Pss": "all", "Pss_Anon": "own", "Pss_File": "files", "Pss_Shmem": "shared"}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in names:
            found[names[name]] = int(value.split()[0]) / MB
    return found


def _imports_alone() -> float:
    """Megabytes of a process that has the daemon's packages and does nothing with them."""
    script = IMPORTS + "; print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], env=bench.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        held = pss(process.pid)["all"]
        process.communicate(b"\n")
    return held


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))
