"""The daemon of one home as seen from outside: where it listens, which process it is, whether there is one.

What decides is the `flock` that the daemon holds on its home and what the other end of the socket says,
never what a file says: files are copied with a home. Only looks.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import stat
import time
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Any

from oee_cli.api import client_handshake
from oee_cli.api.client_processes import explain_frozen, is_process_stopped
from oee_cli.api.client_response_problems import Response
from oee_cli.cli_errors import Forbidden, Unreachable
from oee_cli.network_badge import badge
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract import home_files
from oee_daemon.contract.protocol import HOME_HEADER, PROTOCOL_HEADER
from oee_daemon.contract.socket_paths import account_name

#: Seconds for a handshake.
PROBE = 2.0
#: Between two looks, seconds.
_BEAT = 0.02
#: Seconds for which a process that ends may hold the home though it shows nothing that it holds any more.
_ENDING = 0.5


class Resident:
    """Looks at the home that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        if settings.url is None:
            # Until the daemon says where it trades.
            badge.wear(settings.network)
        self._believed: Path | None = None

    @property
    def tag(self) -> str:
        """Which home requests are for."""
        return client_handshake.home_tag(self.settings.home)

    def socket_path(self) -> Path:
        """Where this home's daemon listens: its usual place, or where it says if it is this home's."""
        usual = self.settings.socket
        told = self.running().get("socket")
        if not isinstance(told, str) or not told.startswith("/") or told == str(usual):
            return usual
        path = Path(told)
        if path != self._believed:
            with suppress(OSError):
                if path.parent.samefile(usual.parent):
                    return usual
            if not self._is_ours(path):
                return usual
            self._believed = path
        return path

    def _is_ours(self, path: Path) -> bool:
        """Whether what listens outside of the home is its daemon: as it says itself, or as the lock does."""
        try:
            check_folder(path.parent)
            s = client_handshake.connect_socket(path, PROBE)
        except (Forbidden, OSError):
            return False
        if s is None:
            return False
        with s:
            pid = client_handshake.peer_pid(s)
            if pid is not None and any(client_handshake.holds_lock(pid, lock) for lock in self._locks):
                return True
            answer = client_handshake.ask_daemon(s, "/healthz", self.tag)
        return answer is not None and answer.headers.get(HOME_HEADER.lower()) == self.tag

    def running(self) -> dict[str, Any]:
        """What the daemon wrote about itself; empty where there is none. It may be a dead one's, or another
        home's: only for what is checked, or shown once the daemon has answered."""
        try:
            content = json.loads((self.settings.home / home_files.RUNNING).read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        # Good for the lines before its first answer, which then says it again.
        badge.wear(content.get("network"))
        return content

    def checked_socket(self) -> Path:
        """The socket's path, once its folder is known to be ours alone. Raises `Forbidden`."""
        path = self.socket_path()
        check_folder(path.parent)
        return path

    def listens(self) -> bool:
        """Whether something takes connections on the socket now; it need not answer."""
        s = self._connect()
        if s is not None:
            s.close()
        return s is not None

    def answers(self) -> bool:
        """Whether this home's daemon, of whatever release, speaks HTTP on the socket now."""
        answer = self._ask("/healthz")
        return answer is not None and not self._is_foreign(answer)

    def _is_foreign(self, answer: Response) -> bool:
        """A release that does not say whose it is, is this home's: it listens inside of it."""
        return bool(answer.headers.get(HOME_HEADER.lower(), self.tag) != self.tag)

    def fetch(self, path: str) -> Any:
        """What this home's daemon says to a GET, read as JSON, for those who do without a client; `None`
        where it says nothing that can be read."""
        answer = self._ask(path)
        if answer is None or answer.status != 200 or PROTOCOL_HEADER.lower() not in answer.headers:
            return None
        return answer.body

    def _ask(self, path: str) -> Response | None:
        s = self._connect()
        if s is None:
            return None
        with s:
            return client_handshake.ask_daemon(s, path, self.tag)

    def _connect(self) -> socket | None:
        path = self.checked_socket()
        try:
            return client_handshake.connect_socket(path, PROBE)
        except PermissionError:
            raise Forbidden(f"{path} can't be opened by this account.") from None

    def frozen(self) -> Unreachable | None:
        """Why the daemon says nothing, where a signal froze it. Nobody is asked anything."""
        return explain_frozen(self.pid(ask=False))

    def pid(self, *, ask: bool = True) -> int | None:
        """The daemon's process as it is called here: that of the socket's other end, or of the lock. `None`
        where it has none here: it does not run, or in another container. `ask`: whether it is this home's."""
        try:
            s = self._connect()
        except Forbidden:
            s = None
        if s is not None:
            with s:
                pid = client_handshake.peer_pid(s)
                # A frozen one would say nothing; but nobody else listens inside of the home.
                ask = ask and not is_process_stopped(pid)
                answer = client_handshake.ask_daemon(s, "/healthz", self.tag) if ask else None
            return None if answer is not None and self._is_foreign(answer) else pid
        patience = time.monotonic() + _ENDING
        while self.held():
            pid = client_handshake.lock_holder(self._locks)
            if pid is not None or time.monotonic() > patience:
                return pid
            time.sleep(_BEAT)
        return None

    @property
    def _locks(self) -> tuple[Path, Path]:
        """The home itself, whose lock can't be removed; and the file, which is all that older releases know
        and some file systems lock."""
        return self.settings.home, self.settings.home / home_files.DAEMON_LOCK

    def holder(self) -> int | None:
        """The process that holds the home, 0 where it is not one of ours to see, `None` where nobody does."""
        return (self.pid() or 0) if self.held() else None

    def held(self) -> bool:
        """Whether a daemon holds the home. Looking takes a shared lock for an instant, so never look while a
        daemon of ours is starting."""
        try:
            return any(map(_is_locked, self._locks))
        except PermissionError:
            raise Forbidden(f"{self.settings.run_dir} can't be read by this account.") from None

    def comes(self, most_s: float) -> bool:
        """Whether one holds the home once no command is starting one any more, which takes `limit` seconds at
        most: at first a daemon holds nothing."""
        deadline = time.monotonic() + most_s
        while not self.held():
            if not _is_locked(self.settings.home / home_files.START_LOCK) or time.monotonic() > deadline:
                return self.held()
            time.sleep(_BEAT)
        return True

    def mark(self) -> str | None:
        """The random text that the last stop left; a start removes it."""
        try:
            return (self.settings.home / home_files.STOPPED).read_text()
        except (OSError, UnicodeDecodeError):
            return None


def _is_locked(place: Path) -> bool:
    """Whether somebody holds that folder or file. Raises `PermissionError` where it can't be looked at."""
    try:
        fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system that locks no folders
        return False
    finally:
        os.close(fd)
    return False


def check_folder(folder: Path) -> None:
    """A socket's folder has to be its owner's alone. One that is not there holds none. Raises `Forbidden`."""
    try:
        found = folder.stat()
    except PermissionError:
        raise _closed_folder_error(folder) from None
    except OSError:
        return
    if found.st_uid not in (os.geteuid(), 0):
        owner, typed = account_name(found.st_uid), shlex.quote(account_name(found.st_uid, "#{}"))
        remedy = f"As its owner: sudo -u {typed} oee …" if os.geteuid() == 0 else None
        raise Forbidden(
            f"{folder} belongs to {owner}: what {'root' if os.geteuid() == 0 else 'you'} would make there, "
            "its owner could not use.",
            hint=remedy or "Set OEE_HOME to a folder of yours.",
            code="home_foreign",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise Forbidden(
            f"{folder} can be entered by others: what answers there may not be your daemon.",
            hint=f"If it is yours: chmod 700 {shlex.quote(str(folder))}",
            code="socket_unsafe",
        )


def _closed_folder_error(folder: Path) -> Forbidden:
    """That this account doesn't get as far as `folder`, by the first on the way that it can't enter."""
    step = next((step for step in reversed(folder.parents) if not os.access(step, os.X_OK)), folder.parent)
    owner = step.stat().st_uid
    if owner == os.geteuid():
        message, hint = f"{step} is closed to its own account", f"chmod u+x {shlex.quote(str(step))}"
    else:
        message = f"{step} belongs to {account_name(owner)}, and this account can't enter it"
        hint = "Set OEE_HOME to a folder of yours."
    return Forbidden(f"{message}: {folder} can't be looked at.", hint=hint)
