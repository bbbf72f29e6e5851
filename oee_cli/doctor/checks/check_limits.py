"""What the daemon took over from whoever started it and could not put back: hard limits, a low priority.

Asked of /proc, so where that is not there nothing is known and nothing said.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, warn


class _Limit(NamedTuple):
    """A line of /proc/PID/limits. Less than `least` is too little; `None`: any bound is."""

    line: str
    least: int | None
    option: str
    what: str


_LIMITS = (
    _Limit("Max open files", 512, "n", "have {} files and connections open: it answers no more clients"),
    _Limit("Max file size", None, "f", "make files of {} bytes: Postgres stops at a longer one"),
    _Limit("Max processes", 100, "u", "have {} processes and threads with all of this account's"),
    _Limit("Max address space", None, "v", "use {} bytes of address space"),
    _Limit("Max data size", None, "d", "use {} bytes of memory"),
    _Limit("Max cpu time", None, "t", "compute for {} s, and is ended then"),
)


def check_limits(facts: Facts) -> Iterator[Finding]:
    pid = (facts.status or {}).get("pid") or facts.holder
    remedy = None if facts.away else "oee daemon restart"
    if facts.away:
        # What a daemon could not put back that were started from here.
        found, who = _process_limits("self", column=1), "A daemon that is started from here"
    elif not facts.here or not isinstance(pid, int) or pid <= 0:
        return
    else:
        found, who = _process_limits(str(pid), column=0), f"The daemon (pid {pid})"
        nice = _process_nice(pid)
        if nice > 0:
            message = f"{who} runs with nice {nice}, as whoever started it, and may not undo that."
            yield warn("limits", "nice", f"{message} Start it from a shell without.", remedy)
    for limit in _LIMITS:
        most = found.get(limit.line)
        if most is not None and (limit.least is None or most < limit.least):
            message = f"{who} may {limit.what.format(f'{most:,}')} (ulimit -H{limit.option})."
            yield warn("limits", "limit", f"{message} Start it from a shell that may more.", remedy)


def _process_limits(process: str, *, column: int) -> dict[str, int]:
    """What is bounded, by line: the soft limit (column 0) or the hard one (1)."""
    found: dict[str, int] = {}
    with suppress(OSError, ValueError, IndexError):
        root = f"/proc/{process}"
        for line in Path(root, "limits").read_text().splitlines()[1:]:
            value = line[26:].split()[column]
            if value != "unlimited":
                found[line[:26].strip()] = int(value)
        if Path(root).stat().st_uid == 0:
            # Root's processes are not counted.
            found.pop("Max processes", None)
    return found


def _process_nice(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16])
    return 0
