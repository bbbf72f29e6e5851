"""Faults that nobody planned, in the log: the first of a kind with its traceback, the others in one line."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

log = logging.getLogger(__name__)


class FaultLog:
    """One for each worker: what fails once may fail a thousand times."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def say(self, what: str, fault: BaseException, **extra: object) -> None:
        reason = where(fault)
        first = reason not in self._known
        self._known.add(reason)
        log.error(what, exc_info=fault if first else None, extra=extra | {"reason": reason})


def where(fault: BaseException) -> str:
    """What kind of fault, and where in our code; not its words, which may hold an address or a key."""
    frames = traceback.extract_tb(fault.__traceback__)
    ours = [frame for frame in frames if "oee_daemon" in frame.filename] or frames
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return type(fault).__name__ + place
