"""Keeps log files that other processes write below a size, and the daemon's own log at its name.

Their writers append, so a file that is emptied goes on at its beginning.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

#: A log file's size from which it is moved aside, bytes; with the one before it twice that stays on disk.
LIMIT = 4_000_000


def trim(path: Path) -> bool:
    """Past the limit: copies the file aside and empties it. Whether it did. Raises nothing."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > LIMIT:
            # Room is what it is about: without any for the copy the words go, not the disk.
            with contextlib.suppress(OSError):
                shutil.copy(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
            return True
    return False


class OwnLog:
    """`logs/daemon.log`, where this process's standard error is that file. A terminal's, a pipe's or a file
    of somebody else's choice is left alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours = self._at_its_name()
        # Held, so that no other folder can be taken for it: that of a new home at the same place.
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC) if self._ours else -1

    def keep(self) -> bool:
        """Called every beat. Whether the file was opened anew, because it had been moved or removed."""
        if not self._ours:
            return False
        if self._at_its_name():
            trim(self._path)
            return False
        return self.reopen()

    def reopen(self) -> bool:
        """Goes on in the file of that name. False: it is not ours, or its folder is gone from there."""
        if not self._ours or not self._in_its_folder():
            return False
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            opened = os.open(self._path, flags, 0o600)
        except OSError:
            return False
        for stream in (1, 2):
            os.dup2(opened, stream)
        os.close(opened)
        return True

    def _at_its_name(self) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(2), self._path.lstat())
        return False

    def _in_its_folder(self) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._folder), self._path.parent.stat())
        return False
