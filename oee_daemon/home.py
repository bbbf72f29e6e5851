"""The home folder: who holds it, where its socket is, and what it tells those who look from outside.

One `flock` on `run/daemon.lock` makes one daemon a home; the file is never removed, because a lock on a
removed file keeps nobody out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from oee_daemon.errors import AlreadyRunning, StartFailed
from oee_daemon.settings import Settings, default_home

#: Seconds for which a held lock may be somebody who only looks whether it is held.
LOOKED_AT_S = 0.2
#: Bytes that a Unix socket's path may have everywhere (108 on Linux, 104 on macOS, less a NUL).
MAX_SOCKET_PATH = 100


class Home:
    """The folders of one home, made on first use, and the lock on it."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.home
        self.run = settings.run_dir
        self.logs = settings.log_dir
        self._lock: int | None = None

    def prepare(self) -> None:
        """Makes the folders, open to their owner only. Raises `StartFailed` where that can't be done."""
        try:
            # As root the servers' account passes through the home to folders of its own.
            self.path.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self.run, self.logs, self.path / "wallets"):
                folder.mkdir(exist_ok=True, mode=0o700)
                if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                    folder.chmod(0o700)
        except OSError as e:
            raise StartFailed(
                f"{e.filename} can't be used: {e.strerror}. Set OEE_HOME to a folder of yours"
                f" (the default is {default_home()}).",
                code="home_unusable",
            ) from None

    def hold(self) -> None:
        """Takes the lock for this process's life. Raises `AlreadyRunning`, with who has it."""
        self._lock = os.open(self.run / "daemon.lock", os.O_CREAT | os.O_RDWR, 0o600)
        deadline = time.monotonic() + LOOKED_AT_S
        while not self._locked():
            if time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            pid = os.pread(self._lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunning(f"A daemon already runs on {self.path}, as process {pid}.") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _locked(self) -> bool:
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def tag(self) -> str:
        """This very folder and the lock held on it, by device and inode; clients say which they mean."""
        assert self._lock is not None
        folder = self.path.stat()
        return f"{folder.st_dev}:{folder.st_ino}:{os.fstat(self._lock).st_ino}"

    def stopped(self, *, asked: bool) -> None:
        """Leaves word that somebody stopped the daemon, so that nothing which runs already starts it again;
        a daemon that somebody starts takes it away."""
        mark = self.run / "stopped"
        if not asked:
            mark.unlink(missing_ok=True)
        elif not mark.exists():
            write_whole(mark, uuid.uuid4().hex + "\n")

    def identity(self) -> str:
        """A name for this home that outlives every process in it; leases carry it."""
        file = self.path / "id"
        with contextlib.suppress(FileNotFoundError):
            text = file.read_text().strip()
            if text:
                return text
        text = uuid.uuid4().hex[:12]
        write_whole(file, text + "\n")
        return text

    def socket_path(self) -> Path:
        """Where the API listens: in the home, or where that path is too long in a folder of ours."""
        path = self.run / "oee.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        folder = base / f"oee-{os.geteuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise StartFailed(f"{folder} is not ours alone. Remove it, or use a shorter OEE_HOME.")
        return folder / "oee.sock"

    def phase(self, name: str | None) -> None:
        """Tells whoever waits for the start what is done; `None` begins anew."""
        with (self.run / "phase").open("w" if name is None else "a") as file:
            file.write("" if name is None else f"{name}\n")

    def announce(self, what: dict[str, Any] | None) -> None:
        """Writes `run/daemon.json` for clients; `None` removes it."""
        file = self.run / "daemon.json"
        if what is None:
            file.unlink(missing_ok=True)
        else:
            write_whole(file, json.dumps(what) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Whole or not at all."""
    draft = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
