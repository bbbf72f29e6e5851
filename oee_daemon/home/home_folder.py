"""The home folder: who holds it, where its socket is, and what it tells those who look from outside.

A `flock` on the home folder itself makes one daemon a home: it can't be removed apart from what it guards.
`run/daemon.lock` is locked beside it, for releases that know no other lock, and says who holds the home.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import stat
import time
import uuid
from pathlib import Path
from typing import Any

from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import atomic_write, write_remedy
from oee_daemon.contract.socket_paths import socket_path
from oee_daemon.home.home_held_path import Held, in_place
from oee_daemon.settings import Settings
from oee_daemon.start_errors import AlreadyRunning, HomeLost, StartFailed

#: Seconds for which a held lock may be somebody who only looks whether it is held.
LOOKED_AT_S = 0.2
log = logging.getLogger(__name__)


class Home:
    """The folders of one home, made on first use, and the lock on it."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.home
        self.run = settings.run_dir
        self.logs = settings.log_dir
        self._lock: int | None = None
        self._held = Held()
        self._told: str | None = None

    def prepare(self) -> None:
        """Makes the folders, open to their owner only. Raises `StartFailed` where that can't be done."""
        try:
            # As root the servers' account passes through the home to folders of its own.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self.run, self.logs, self.path / home_files.WALLETS):
                folder.mkdir(exist_ok=True, mode=0o700)
                if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                    folder.chmod(0o700)
        except OSError as e:
            raise StartFailed(
                f"{e.filename} can't be used: {e.strerror}. "
                f"{write_remedy(e, 'Set OEE_HOME to a folder of yours.')}",
                code="home_unusable",
            ) from None

    def hold(self) -> None:
        """Takes the lock for this process's life. Raises `AlreadyRunning`, with who has it."""
        deadline = time.monotonic() + LOOKED_AT_S
        try:
            # Network file systems lock no folders: there the file has to do.
            self._wait(self._held.keep(self.path), deadline, may_lack=True)
            self._lock = os.open(self._lock_file, os.O_CREAT | os.O_RDWR, 0o600)
            self._wait(self._lock, deadline)
        except OSError as e:
            raise StartFailed(
                f"{self.path} can't be locked: {e.strerror}. Set OEE_HOME to a folder on a disk of this "
                "machine.",
                code="home_unusable",
            ) from None
        self._write_pid(self._lock)
        self.must_be_held()

    def keep(self, name: str) -> None:
        """Requires from now on that this file of the home stays in its place, too."""
        self._held.keep(self.path / name)

    def must_be_held(self) -> None:
        """Raises `HomeLost` where the home at the path is no longer the one that is held.

        Asked at each beat, and before anything is started, written or removed by a path in it.
        """
        self._held.check()

    def mend(self) -> None:
        """Makes anew what somebody took out of `run/`, which the lock on the home itself allows.

        Called about once a second; what can't be made now is tried again then. Raises `HomeLost` where a
        daemon that knows no lock but the file's has come in meanwhile.
        """
        with contextlib.suppress(OSError):
            self.run.mkdir(mode=0o700, exist_ok=True)
            if self._lock is not None and not in_place(self._lock, self._lock_file):
                anew = os.open(self._lock_file, os.O_CREAT | os.O_RDWR, 0o600)
                os.close(self._lock)
                self._lock = anew
                try:
                    self._wait(self._lock, time.monotonic() + LOOKED_AT_S)
                except AlreadyRunning:
                    raise HomeLost(self._lock_file) from None
                self._write_pid(self._lock)
                log.warning("the lock's file was gone", extra={"path": str(self._lock_file)})
            if self._told is not None and not (self.path / home_files.RUNNING).exists():
                atomic_write(self.path / home_files.RUNNING, self._told)

    @property
    def _lock_file(self) -> Path:
        return self.path / home_files.DAEMON_LOCK

    def _wait(self, lock: int, deadline: float, *, may_lack: bool = False) -> None:
        while not _try_lock(lock, may_lack=may_lack):
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            pid = ""
            with contextlib.suppress(OSError):
                pid = self._lock_file.read_text(errors="replace")[:20].strip()
            raise AlreadyRunning(f"A daemon already runs on {self.path}, as process {pid or 'unknown'}.")

    @staticmethod
    def _write_pid(lock: int) -> None:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def tag(self) -> str:
        """This very folder, by device and inode; clients say which they mean."""
        folder = os.fstat(self._held.keep(self.path))
        return f"{folder.st_dev}:{folder.st_ino}"

    def stopped(self, *, asked: bool) -> None:
        """Leaves word that somebody stopped the daemon, so that nothing which runs already starts it again;
        a daemon that somebody starts takes it away. Raises `HomeLost`."""
        self.must_be_held()
        mark = self.path / home_files.STOPPED
        if not asked:
            mark.unlink(missing_ok=True)
        elif not mark.exists():
            atomic_write(mark, uuid.uuid4().hex + "\n")

    def identity(self) -> str:
        """A name for this home that outlives every process in it; leases carry it."""
        file = self.path / home_files.ID
        text = ""
        with contextlib.suppress(FileNotFoundError):
            text = file.read_text().strip()
        if not text:
            text = uuid.uuid4().hex[:12]
            atomic_write(file, text + "\n")
        # Its worker is told apart by a lock on this file.
        self.keep(home_files.ID)
        return text

    def socket_path(self) -> Path:
        """Where the API listens: in the home, or where that path is too long in a folder of ours, made here.

        Raises `StartFailed` where that folder can't be had.
        """
        path = socket_path(self.path)
        folder = path.parent
        if folder == self.run:
            return path
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError as e:
            raise StartFailed(
                f"{folder}, the place for the socket of a long home, can't be made: {e.strerror}. "
                "Use a shorter OEE_HOME."
            ) from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StartFailed(f"{folder} is not ours alone. Remove it, or use a shorter OEE_HOME.")
        return path

    def phase(self, name: str | None) -> None:
        """Tells whoever waits for the start what is done; `None` begins anew."""
        self.must_be_held()
        with (self.path / home_files.PHASE).open("w" if name is None else "a") as file:
            file.write("" if name is None else f"{name}\n")

    def announce(self, what: dict[str, Any] | None) -> None:
        """Writes `run/daemon.json` for clients; `None` removes it. Raises `HomeLost`."""
        self.must_be_held()
        file = self.path / home_files.RUNNING
        self._told = None if what is None else json.dumps(what) + "\n"
        if self._told is None:
            file.unlink(missing_ok=True)
        else:
            atomic_write(file, self._told)


def _try_lock(lock: int, *, may_lack: bool = False) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        if not may_lack:
            raise
    return True
