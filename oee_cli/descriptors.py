"""Which of this process's own descriptors a path stands for: `/dev/stdout`, `/dev/fd/63`, and a shell's
`<( )` and `>( )`, which no other process can open by these names."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sys

_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(\d{1,9})", re.ASCII)


def own_descriptor(typed: str) -> int | None:
    """The descriptor's number; `None` for any other path."""
    found = _DESCRIPTOR.fullmatch(typed)
    return None if found is None else _STANDARD[found[1]] if found[1] else int(found[2])


def check_direction(number: int, *, write: bool) -> None:
    """Raises `OSError` where the descriptor is not open, or for the other direction only: whoever reads the
    pipe that is written to waits for what it says itself."""
    if number == 0 and sys.__stdin__ is None:
        # Closed from the start; what stands there now only keeps its place.
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == (os.O_RDONLY if write else os.O_WRONLY):
        raise OSError(errno.EBADF, f"it is open for {'reading' if write else 'writing'} only")
