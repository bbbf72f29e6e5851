"""The local daemon as it is started and stopped.

One `start.lock` lets one command start the daemon while its twins wait for the same one. What somebody
stopped is not started by a command that ran already. This page knows processes and files, not the API.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from oee_cli.api import client_handshake
from oee_cli.api.client_daemon_process import DaemonProcess
from oee_cli.api.client_home import Belongings
from oee_cli.api.client_processes import explain_frozen, is_process_stopped
from oee_cli.api.client_resident_daemon import Resident
from oee_cli.api.client_start_line import StartLine
from oee_cli.cli_errors import Forbidden, HomeLost, Refused, Stopped, Unreachable
from oee_cli.output import Output
from oee_cli.search_path import engine_flags
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import write_remedy
from oee_daemon.contract.protocol import EXIT_HELD, EXIT_OTHER_DATABASE

#: Seconds for the daemon to come up; the first start of a home makes a database.
START_LIMIT = 60.0
#: Seconds for a stop: what runs ends or is left safe.
STOP_LIMIT = 60.0
#: Between two looks, seconds.
_BEAT = 0.02
#: Seconds in which a daemon makes a socket anew that somebody removed; it looks once a second.
_SOCKET_BACK = 2.5
#: Seconds for which a daemon that was stopped is given to whoever restarts it.
_RESTARTED = 3.0
#: A log larger than this many bytes is set aside at the next start.
_LOG_LIMIT = 10 * 1024 * 1024


class Launcher(Resident):
    """Finds, starts and stops the daemon of one home. Whoever makes one begins to run at that moment."""

    def __init__(self, settings: Settings, output: Output) -> None:
        super().__init__(settings)
        self.output = output
        #: What the engine is started with beside `run`.
        self.arguments: tuple[str, ...] = ()
        self._stopped_before = self.mark()
        self._give_up_at = 0.0
        self._home = Belongings(settings.home)

    @property
    def tag(self) -> str:
        return client_handshake.home_tag(self._home)

    def _require_home(self) -> None:
        """Raises `HomeLost` where the home is another one by now: it does not know what was placed."""
        if not self._home.in_place():
            raise HomeLost(
                f"{self.settings.home} was moved, removed or replaced while this command ran.",
                hint="What is there now does not know what was placed, and would place it again. If it was "
                "moved: OEE_HOME=… with the same command",
            )

    def start(self, most_s: float = START_LIMIT) -> bool:
        """Waits until there is a daemon. Returns whether it started one. Raises `Unreachable`, `Refused`,
        and `Stopped` where somebody stopped it while this command ran.

        One that listens and does not answer is not for us to replace: requests to it time out.
        """
        self._require_home()
        if self.listens():
            self._home.keep()
            return False
        if not self.settings.autostart:
            raise Unreachable(
                "The daemon is not running, and OEE_NO_AUTOSTART forbids to start it.",
                hint="Start it: oee daemon start",
            )
        self._make_folders()
        with closing(StartLine(self.output, self.phases)) as progress:
            return self._start_unless_stopped(time.monotonic() + most_s, progress)

    def _start_unless_stopped(self, deadline: float, progress: StartLine) -> bool:
        while True:
            with self._hold_start_lock(deadline, progress):
                started = self._start_locked(deadline, progress)
            if started is not None:
                self._home.keep()
                return started
            # A service manager that restarts it is waited for, once.
            self._give_up_at = self._give_up_at or time.monotonic() + _RESTARTED
            if time.monotonic() > self._give_up_at:
                raise Stopped("The daemon was stopped meanwhile.", hint="Start it: oee daemon start")
            time.sleep(_BEAT)

    def _was_stopped(self) -> bool:
        """Whether somebody stopped the daemon since this command began."""
        return self.mark() not in (None, self._stopped_before)

    def _start_locked(self, deadline: float, progress: StartLine) -> bool | None:
        """Returns whether the daemon had to be started; `None` where somebody stopped it meanwhile."""
        child: DaemonProcess | None = None
        log_from: int | None = None
        patience = time.monotonic() + _SOCKET_BACK
        # It answers a moment before it says who it is.
        while not (self.answers() and self.running()):
            if time.monotonic() > deadline:
                raise self._start_error_with_log("The daemon did not answer in time.", log_from)
            if child is None and not self.held():
                self._require_home()
                if self._was_stopped():
                    return None
                log_from = self._open_log_size()
                (self.settings.home / home_files.PHASE).unlink(missing_ok=True)
                child = self._spawn_daemon()
            elif child is not None and child.poll() is not None:
                if child.returncode == EXIT_OTHER_DATABASE:
                    raise _other_database_error(self._read_log(log_from))
                if child.returncode != EXIT_HELD:
                    if self._was_stopped():
                        return None
                    raise self._start_error_with_log("The daemon could not be started.", log_from)
                # Another one holds the home: that one will answer, or go and make room.
                child = None
            elif child is None and time.monotonic() > patience:
                self._require_socket()
            if not self._was_stopped():
                progress.draw()
            time.sleep(_BEAT)
        return child is not None

    def _require_socket(self) -> None:
        """Raises `Unreachable` where a daemon is up and nothing leads to it: waiting would not help. One that
        is frozen makes no socket anew."""
        pid = self.pid()
        if not pid or self.listens():
            return
        frozen = explain_frozen(pid)
        if frozen or self.running().get("pid") == pid:
            raise frozen or Unreachable(
                f"The daemon (pid {pid}) runs, but its socket is gone: {self.socket_path()}",
                hint="Restart it: oee daemon restart",
                code="socket_gone",
            )

    def stop(self, *, alone: bool = False) -> bool:
        """Asks the daemon to drain and waits until it has let go of its home. Returns False where none ran.

        `alone`: no other command can be starting one. Only a process that is known to be this home's daemon
        is signalled. Raises `Unreachable` for one of another container.
        """
        # First, so that nothing which runs already starts it again meanwhile.
        with suppress(OSError):
            (self.settings.home / home_files.STOPPED).write_text(secrets.token_hex(16) + "\n")
        if not self.held() and (alone or not self.comes(START_LIMIT)):
            return False
        pid = self.pid()
        if pid is None and not self.held():
            return True
        if pid is None:
            (self.settings.home / home_files.STOPPED).unlink(missing_ok=True)
            raise Unreachable(
                f"The daemon of {self.settings.home} runs in another container, or can't be seen from here: "
                "it has no process id here.",
                hint="Stop it where it runs, for example: docker exec CONTAINER oee daemon stop",
                code="daemon_elsewhere",
            )
        deadline = time.monotonic() + STOP_LIMIT
        with suppress(ProcessLookupError):
            try:
                os.kill(pid, signal.SIGTERM)
            except PermissionError:
                raise Forbidden(f"The daemon (pid {pid}) belongs to another account.") from None
        while self.held():
            if time.monotonic() > deadline or is_process_stopped(pid):
                raise explain_frozen(pid) or Unreachable(
                    f"The daemon (pid {pid}) is still draining after {STOP_LIMIT:.0f} s.",
                    hint="See what it does: oee daemon logs",
                )
            time.sleep(_BEAT)
        return True

    def restart(self) -> None:
        """Stops it and starts it again; who waits for it meanwhile waits for this one. Raises `Refused` or
        `Unreachable`, before it stops anything, where the new one would not begin."""
        check = subprocess.run(
            daemon_command("check", *self.arguments), stdin=subprocess.DEVNULL, capture_output=True, cwd="/"
        )
        said = check.stderr.decode(errors="replace").splitlines()
        if check.returncode == EXIT_OTHER_DATABASE:
            raise _other_database_error(said)
        if check.returncode:
            raise _start_error("The daemon was not restarted, because it could not be started again.", said)
        self._make_folders()
        deadline = time.monotonic() + STOP_LIMIT + START_LIMIT
        with (
            closing(StartLine(self.output, self.phases)) as progress,
            self._hold_start_lock(deadline, progress),
        ):
            self.stop(alone=True)
            self._stopped_before = self.mark()
            if self._start_locked(time.monotonic() + START_LIMIT, progress) is None:
                raise Stopped("The daemon was stopped meanwhile.", hint="Start it: oee daemon start")

    def phases(self) -> list[str]:
        """The phases that a starting daemon has behind it."""
        try:
            return (self.settings.home / home_files.PHASE).read_text().split()
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
            wanted = "shorter path" if e.errno == errno.ENAMETOOLONG else "folder of yours"
            raise Forbidden(
                f"{e.filename} can't be made: {e.strerror}.",
                hint=write_remedy(e, f"Set OEE_HOME to a {wanted}."),
            ) from None

    @contextmanager
    def _hold_start_lock(self, deadline: float, progress: StartLine) -> Iterator[None]:
        try:
            fd = os.open(
                self.settings.home / home_files.START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as e:
            raise Forbidden(f"{e.filename} can't be opened: {e.strerror}.") from None
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise self._start_error_with_log(
                            "Another command is still starting the daemon."
                        ) from None
                    if not self._was_stopped():
                        progress.draw()
                    time.sleep(_BEAT)
            yield
        finally:
            os.close(fd)

    def _spawn_daemon(self) -> DaemonProcess:
        fd = os.open(self.settings.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return DaemonProcess(
                daemon_command("run", *self.arguments),
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

    def _read_log(self, log_from: int | None) -> list[str]:
        """The log's lines from our own start on; what stands before them is of another."""
        if log_from is not None:
            with suppress(OSError), self.settings.log_file.open("rb") as f:
                f.seek(log_from)
                return [line for line in f.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return []

    def _start_error_with_log(self, what: str, log_from: int | None = None) -> Unreachable:
        """`log_from`: where in the log the words of our own start begin."""
        error = _start_error(what, self._read_log(log_from))
        error.hint = f"Its log: {self.settings.log_file}"
        return error


def daemon_command(*arguments: str) -> list[str]:
    """The engine as a process of this interpreter."""
    return [sys.executable, *engine_flags(), "-m", "oee_daemon", *arguments]


def _other_database_error(said: list[str]) -> Refused:
    """The refusal of an engine that won't begin on this database, in the engine's own words."""
    last = next((line[3:] for line in reversed(said) if line.startswith("x  ")), "")
    return Refused(
        last.partition(" If it is meant")[0] or "This home has worked on another database.",
        hint="If it is meant: oee daemon restart --switch-database",
        code="other_database",
    )


def _start_error(what: str, said: list[str]) -> Unreachable:
    """The error of an engine that did not begin, with its own sentence, or else its last lines."""
    begin = next((n for n in reversed(range(len(said))) if said[n].startswith("x  ")), len(said) - 8)
    lines = [line.removeprefix("x  ") for line in said[max(0, begin) :]]
    return Unreachable("\n".join([what, *(f"  {line}" for line in lines)]), code="daemon_not_started")
