"""The local daemon as seen from outside: is it there, start it, stop it.

What decides is an answered handshake and the `flock` that the daemon holds on its home, never the presence
of a file. One `start.lock` lets one command start the daemon while its twins wait for the same one. This
page knows processes and files, not the API.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from oee_cli.errors import Forbidden, Unreachable
from oee_cli.output import Output
from oee_cli.search_path import engine_flags
from oee_cli.settings import Settings
from oee_cli.wire import PROTOCOL, PROTOCOL_HEADER

#: Seconds for the daemon to come up; the first start of a home makes a database.
START_LIMIT = 60.0
#: Seconds for a stop: what runs ends or is left safe.
STOP_LIMIT = 60.0
#: Seconds for a handshake.
_PROBE = 2.0
#: Between two looks, seconds.
_BEAT = 0.02
#: Seconds in which a daemon makes a socket anew that somebody removed; it looks once a second.
_SOCKET_BACK = 2.5
#: A log larger than this many bytes is set aside at the next start.
_LOG_LIMIT = 10 * 1024 * 1024
#: The daemon's exit code for "another one holds this home".
_HELD = 75
_PHASES = ("postgres", "queue", "schema", "worker")


class Launcher:
    """Finds, starts and stops the daemon of one home."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self.settings = settings
        self.output = output

    def socket_path(self) -> Path:
        """Where the daemon says it listens; its usual place where it says nothing."""
        told = self.running().get("socket")
        return Path(told) if isinstance(told, str) and told.startswith("/") else self.settings.socket

    def running(self) -> dict[str, Any]:
        """What the daemon wrote about itself; empty where there is none. It may be a dead one's."""
        try:
            content = json.loads((self.settings.run_dir / "daemon.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def checked_socket(self) -> Path:
        """The socket's path, once its folder is known to be ours alone. Raises `Forbidden`."""
        path = self.socket_path()
        try:
            folder = path.parent.stat()
        except PermissionError:
            raise Forbidden(
                f"{path.parent} belongs to somebody else.", hint="Set OEE_HOME to a folder of yours."
            ) from None
        except OSError:
            return path
        if folder.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(folder.st_mode) & 0o077:
            raise Forbidden(
                f"{path.parent} can be entered by others: what answers there may not be your daemon.",
                hint=f"If it is yours: chmod 700 {path.parent}",
                code="socket_unsafe",
            )
        return path

    def listens(self) -> bool:
        """Whether something takes connections on the socket now; it need not answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            return self._connect(s)

    def answers(self) -> bool:
        """Whether something speaks HTTP on the socket now."""
        request = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{PROTOCOL_HEADER}: {PROTOCOL}\r\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            if not self._connect(s):
                return False
            try:
                s.sendall((request + "Connection: close\r\n\r\n").encode())
                return s.recv(12).startswith(b"HTTP/1.1")
            except OSError:
                return False

    def _connect(self, s: socket.socket) -> bool:
        path = self.checked_socket()
        s.settimeout(_PROBE)
        try:
            s.connect(str(path))
        except PermissionError:
            raise Forbidden(f"{path} can't be opened by this account.") from None
        except OSError:
            return False
        return True

    def start(self, limit: float = START_LIMIT) -> bool:
        """Returns once there is a daemon; whether it had to be started. Raises `Unreachable`.

        One that listens and does not answer is not for us to replace: requests to it time out.
        """
        if self.listens():
            return False
        if not self.settings.autostart:
            raise Unreachable(
                "The daemon is not running, and OEE_NO_AUTOSTART forbids to start it.",
                hint="Start it: oee daemon start",
            )
        self._make_folders()
        progress = _Progress(self)
        deadline = time.monotonic() + limit
        try:
            with self._alone(deadline, progress):
                return self._start_alone(deadline, progress)
        finally:
            progress.erase()

    def _start_alone(self, deadline: float, progress: _Progress) -> bool:
        child: subprocess.Popen[bytes] | None = None
        log_from: int | None = None
        patience = time.monotonic() + _SOCKET_BACK
        # It answers a moment before it says who it is.
        while not (self.answers() and self.running()):
            if time.monotonic() > deadline:
                raise self._not_started("The daemon did not answer in time.", log_from)
            if child is None and self.holder() is None:
                log_from = self._open_log_size()
                (self.settings.run_dir / "phase").unlink(missing_ok=True)
                child = self._spawn()
            elif child is not None and child.poll() is not None:
                if child.returncode != _HELD:
                    raise self._not_started("The daemon could not be started.", log_from)
                # Another one holds the home: that one will answer, or go and make room.
                child = None
            elif child is None and time.monotonic() > patience:
                self._must_have_a_socket()
            progress.draw()
            time.sleep(_BEAT)
        return child is not None

    def _must_have_a_socket(self) -> None:
        """Raises `Unreachable` where a daemon is up and nothing leads to it: waiting would not help."""
        pid = self.holder()
        if pid and self.running().get("pid") == pid and not self.listens():
            raise Unreachable(
                f"The daemon (pid {pid}) runs, but its socket is gone: {self.socket_path()}",
                hint="Restart it: oee daemon restart",
                code="socket_gone",
            )

    def stop(self) -> bool:
        """Asks the daemon to drain and waits until it has let go of its home. False: none was running."""
        pid = self.holder()
        if pid is None:
            return False
        if pid <= 1:
            # 0 would signal our own process group.
            raise Unreachable("A daemon holds the home and has not said its process id yet.", retryable=True)
        deadline = time.monotonic() + STOP_LIMIT
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise Forbidden(f"The daemon (pid {pid}) belongs to another account.") from None
        while self.holder() is not None:
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"The daemon (pid {pid}) is still draining after {STOP_LIMIT:.0f} s.",
                    hint="See what it does: oee daemon logs",
                )
            time.sleep(_BEAT)
        return True

    def holder(self) -> int | None:
        """The process that holds the home's lock, 0 where it is not known, `None` where nobody does.

        Looking takes a shared lock for an instant, so never look while a daemon of ours is starting.
        """
        file = self.settings.run_dir / "daemon.lock"
        try:
            # The home's own lock can't be removed; the file's is all that older releases know.
            if not (_locked(self.settings.home) or _locked(file)):
                return None
            return int(file.read_bytes()[:20])
        except PermissionError:
            raise Forbidden(f"{self.settings.run_dir} can't be read by this account.") from None
        except (OSError, ValueError):
            told = self.running().get("pid")
            return told if isinstance(told, int) else 0

    def phases(self) -> list[str]:
        """What a starting daemon has behind it."""
        try:
            return (self.settings.run_dir / "phase").read_text().split()
        except (OSError, UnicodeDecodeError):
            return []

    def _make_folders(self) -> None:
        home = self.settings.home
        try:
            home.parent.mkdir(parents=True, exist_ok=True)
            # Root's servers run under an unprivileged account, which has to reach its data below.
            home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
            self.settings.run_dir.mkdir(mode=0o700, exist_ok=True)
            self.settings.log_file.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as e:
            raise Forbidden(
                f"{e.filename} can't be made: {e.strerror}.", hint="Set OEE_HOME to a folder of yours."
            ) from None

    @contextmanager
    def _alone(self, deadline: float, progress: _Progress) -> Iterator[None]:
        try:
            fd = os.open(self.settings.run_dir / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise Forbidden(f"{e.filename} can't be opened: {e.strerror}.") from None
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise self._not_started("Another command is still starting the daemon.") from None
                    progress.draw()
                    time.sleep(_BEAT)
            yield
        finally:
            os.close(fd)

    def _spawn(self) -> subprocess.Popen[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self.settings.log_file, flags, 0o600)
        try:
            return subprocess.Popen(
                daemon_command("run"),
                stdin=subprocess.DEVNULL,
                stdout=fd,
                stderr=fd,
                cwd="/",
                start_new_session=True,
            )
        except OSError as e:
            raise Unreachable(
                f"The daemon can't be started: {e.strerror}.",
                hint="What this account may run: ulimit -a",
                code="daemon_not_started",
            ) from None
        finally:
            os.close(fd)

    def _open_log_size(self) -> int:
        """Where in the log this start begins; an overlong log is set aside first."""
        log = self.settings.log_file
        try:
            size = log.stat().st_size
        except OSError:
            return 0
        if size <= _LOG_LIMIT:
            return size
        log.replace(log.with_name("daemon.log.1"))
        return 0

    def _not_started(self, what: str, log_from: int | None = None) -> Unreachable:
        """`log_from`: where in the log the words of our own start begin; others' are of something else."""
        log = self.settings.log_file
        lines: list[str] = []
        if log_from is not None:
            with suppress(OSError), log.open("rb") as f:
                f.seek(log_from)
                lines = f.read().decode("utf-8", "replace").splitlines()
        # Its sentence with all that belongs to it; where it left none, its last words.
        said = next((n for n in reversed(range(len(lines))) if lines[n].startswith("x  ")), len(lines) - 8)
        lines = [line.removeprefix("x  ") for line in lines[max(0, said) :]]
        message = "\n".join([what, *(f"  {line}" for line in lines if line.strip())])
        return Unreachable(message, hint=f"Its log: {log}", code="daemon_not_started")


def _locked(place: Path) -> bool:
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


def daemon_command(*arguments: str) -> list[str]:
    """The engine as a process of this interpreter."""
    return [sys.executable, *engine_flags(), "-m", "oee_daemon", *arguments]


class _Progress:
    """The one line that a person sees while the daemon starts; erased once it has."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self.shown = ""

    def draw(self) -> None:
        output = self.launcher.output
        if not output.erasable:
            if not self.shown:
                self.shown = "said"
                output.note("starting the daemon")
            return
        done = self.launcher.phases()
        here = next((phase for phase in _PHASES if phase not in done), None)
        parts = [f"{p} ✓" if p in done else f"{p} ●" if p == here else p for p in _PHASES]
        line = "starting the daemon: " + "  ".join(parts)
        if len(line) > output.width(sys.stderr) - 2:
            line = f"starting the daemon: {here or 'ready'} ●"
        if line != self.shown:
            output.draw(line)
            self.shown = line

    def erase(self) -> None:
        if self.shown and self.launcher.output.erasable:
            self.launcher.output.draw("")
