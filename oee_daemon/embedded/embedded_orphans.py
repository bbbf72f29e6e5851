"""Servers that a killed daemon left behind: found by the folder they work in, asked to end, waited for.

Called only while the daemon holds its home's lock, so whatever still works in the home's folders has no
owner. Process ids in files are never trusted: they may have been given to somebody else since.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from oee_daemon.start_errors import StartFailed

#: How long a killed process may take to vanish, seconds.
KILL_PATIENCE = 5.0
#: Bytes of arguments that are read; a server's have a few hundred.
_MOST = 1 << 16

_log = logging.getLogger(__name__)


def working_in(folder: Path, program: str) -> dict[int, bool]:
    """Processes of `program` at work in `folder`: true for one that was started on it, false for helpers.

    What counts is the folder they are in, not what it is called: a path may have named another one when they
    were started, or name another one in their container.
    """
    where = str(folder.resolve())
    if not Path("/proc/self/cmdline").exists():
        return _list_by_ps(where, program)
    found: dict[int, bool] = {}
    with contextlib.suppress(FileNotFoundError):
        here, top = folder.stat(), Path("/").stat()
        for pid in (entry.name for entry in os.scandir("/proc") if entry.name.isdigit()):
            with contextlib.suppress(OSError):
                argv = _argv(pid)
                leads = argv[0].endswith(f"/{program}")
                # Helpers of PostgreSQL replace their arguments by a title.
                if leads or argv[0].startswith(f"{program}:"):
                    cwd = Path(f"/proc/{pid}/cwd").stat()
                    # At its very beginning a server is where we started it.
                    begins = leads and where in argv and os.path.samestat(cwd, top)
                    if begins or os.path.samestat(cwd, here):
                        found[int(pid)] = leads
    return found


def _argv(pid: str) -> list[str]:
    """Of hundreds of processes at each start: a `Path` of each was a tenth of it."""
    descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    try:
        return os.fsdecode(os.read(descriptor, _MOST)).split("\0")
    finally:
        os.close(descriptor)


def _list_by_ps(where: str, program: str) -> dict[int, bool]:
    """The same where there is no /proc: helpers are not seen, PostgreSQL itself refuses to join them."""
    lines = subprocess.run(
        ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=False
    )
    found = {}
    for line in lines.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        if f"/{program} " in command and f" {where} " in f"{command} ":
            found[int(pid)] = True
    return found


def ended(
    folder: Path, program: str, signals: Sequence[tuple[signal.Signals, float]], *, wait_for_helpers: float
) -> Iterator[None]:
    """Yields until no process of `program` works in `folder`.

    Its leader gets each of `signals` with so many seconds to obey, then all get SIGKILL; helpers without a
    leader have `wait_for_helpers` seconds to notice by themselves. Raises `StartFailed` if one stays.
    """
    stages: list[tuple[signal.Signals | None, float]] = [*signals, (signal.SIGKILL, KILL_PATIENCE)]
    pids = working_in(folder, program)
    if pids and not any(pids.values()):
        stages = [(None, wait_for_helpers), stages[-1]]
    for wanted, patience in stages:
        if not pids:
            return
        if wanted is not None:
            _log.warning(f"ending a {program} that a former daemon left behind", extra={"pid": sorted(pids)})
        for pid, leads in pids.items():
            if wanted is signal.SIGKILL or (wanted and leads):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, wanted)
        deadline = time.monotonic() + patience
        while pids and time.monotonic() < deadline:
            yield
            pids = working_in(folder, program)
    if pids:
        raise StartFailed(
            f"{program} still works in {folder} (process {min(pids)}) and can't be ended. "
            "End it, then start again."
        )
