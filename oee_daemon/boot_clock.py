"""A clock that goes on while this process is frozen and while the machine sleeps, for what has to be true of
the world outside.
"""

from __future__ import annotations

import time

#: Where there is none that goes on in a sleep, the one that nobody sets.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock_s() -> float:
    """Seconds since some moment, by that clock."""
    return time.clock_gettime(_CLOCK)
