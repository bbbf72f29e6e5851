"""Which event loop daemon and worker run on: uvloop where there is a wheel of it, Python's own elsewhere.

Nothing that the command line loads may import this.
"""

from __future__ import annotations

import asyncio

try:
    import uvloop as _loops
except ImportError:
    _loops = asyncio  # type: ignore[misc]


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop that runs nothing yet. Whoever makes it closes it."""
    return _loops.new_event_loop()


def name(loop: asyncio.AbstractEventLoop) -> str:
    """Whose it is, for the log: `uvloop` or `asyncio`."""
    return type(loop).__module__.partition(".")[0]
