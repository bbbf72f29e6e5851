"""Whether what a process holds is still what its path names.

A lock is on a file, not on its name: it outlives `rm` and `mv`, and whoever goes by the path then acts in
somebody else's home. Everybody who does asks here first.
"""

from __future__ import annotations

import os
from pathlib import Path

from oee_daemon.start_errors import HomeLost


class Held:
    """Files and folders that have to stay in their places, each by an open descriptor of it."""

    def __init__(self) -> None:
        self._kept: dict[Path, int] = {}

    def keep(self, path: Path, flags: int = os.O_RDONLY) -> int:
        """Opens `path` for this process's life; the descriptor. Raises `OSError` where nothing is there."""
        if path not in self._kept:
            self._kept[path] = os.open(path, flags)
        return self._kept[path]

    def check(self) -> None:
        """Raises `HomeLost` once one of them was moved, removed or replaced. Takes microseconds."""
        for path, descriptor in self._kept.items():
            if not in_place(descriptor, path):
                raise HomeLost(path)


def in_place(descriptor: int, path: Path) -> bool:
    """Whether `path` still names what is open. A path that can't be looked at says nothing."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
