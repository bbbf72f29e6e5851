"""What makes a home the one that a command has begun on: the folder, the file that names it, its database.

Each is held open, so that its number stays its own after it was removed. Whoever removes a home removes one
thing after the other, and a daemon that was started in between would begin an empty one at the same place.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from pathlib import Path

from oee_daemon.contract import home_files

_PARTS = ("", home_files.ID, home_files.PG_VERSION)


class Belongings:
    """The parts of one home, held open for the time of one command."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept: dict[Path, int] = {}
        self.keep()

    def keep(self) -> None:
        """Holds every part that is there now. Called whenever a daemon has answered."""
        for path in (self._home / part for part in _PARTS):
            if path not in self._kept:
                with suppress(OSError):
                    self._kept[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                    weakref.finalize(self, os.close, self._kept[path])

    def folder(self) -> os.stat_result:
        """The home's own folder. Raises `OSError` where there is none."""
        kept = self._kept.get(self._home)
        return self._home.stat() if kept is None else os.fstat(kept)

    def in_place(self) -> bool:
        """Whether no held part was moved, removed or replaced."""
        try:
            return all(os.path.samestat(os.fstat(kept), path.stat()) for path, kept in self._kept.items())
        except OSError:
            return False
