"""PostgreSQL as the daemon runs it: on a Unix socket, its data in `home/postgres`.

Makes the data folder at the first start, never in place: it gets its name when it is whole and on disk.
Its durability is PostgreSQL's own and stays as it is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import select
import shutil
import signal
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import flush_folder
from oee_daemon.embedded import embedded_binaries, embedded_folders, embedded_orphans
from oee_daemon.embedded.embedded_account import Account
from oee_daemon.embedded.embedded_child import Child, Log
from oee_daemon.embedded.embedded_supervision import SocketServer
from oee_daemon.logs import clean
from oee_daemon.start_errors import StartFailed

#: The major version whose data this program reads.
MAJOR = "18"
#: The folder of the database `postgres`, which initdb makes last.
LAST_MADE = "5"
#: Bytes of a path that it keeps, one less than its MAXPGPATH: what is longer it cuts off. And the longest
#: that it can't do without of what it names with the path of its data in front.
_PATH_BYTES, _LONGEST = 1023, "/global/pg_control"
#: The role of the daemon, owner of everything.
ROLE = "oee"
#: Part of the socket's name; nothing listens on a network.
PORT = 5432
#: How an orphan is asked to end (at once but in order; at once), and how long each way may take, seconds.
_ORPHAN_SIGNALS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "jit": "off",
    "log_checkpoints": "off",
    # Whoever commits an order flushes it. What is left are signs of life, of which a crash may take the last:
    # flushed behind each, they kept the disk of an idle machine awake.
    "wal_writer_delay": "10s",
    # It ends where one of its processes crashed, and is started anew by us: 18 that starts anew by itself and
    # fails at that, as on a full disk, lives on, lets nobody in for good, and tells of nothing.
    "restart_after_crash": "off",
}
#: Where Linux keeps memory that processes share by name, and how many free bytes of it are surely enough.
_SHARED_MEMORY, _ENOUGH = Path("/dev/shm"), 16 * 1024 * 1024  # noqa: S108  # the kernel's own name

#: What it says while it comes up or goes away.
_COMING = re.compile("starting up|shutting down|not yet accepting|recovery")
_log = logging.getLogger(__name__)


class Postgres(SocketServer):
    """One PostgreSQL; `fault` is why it let nobody in when that was last tried."""

    name = phase = "postgres"

    def __init__(self, home: Path, account: Account, connections: int, database: str) -> None:
        """`connections`: how many clients the server has to take at once. `database`: which of its databases
        has to be there."""
        self._home = home
        self._database = database
        self._connections = connections
        self._account = account
        self._data = home / home_files.POSTGRES
        self.sockets = embedded_folders.sockets(home, account)
        self.log: Log = Log(home / home_files.LOGS / "postgres.log")
        super().__init__(self.log)

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    def starting(self) -> Iterator[None]:
        """Yields until it answers. Raises `StartFailed`."""
        self._require_short_path()
        programs = embedded_binaries.postgres(self._home, self._account)
        embedded_folders.own_sockets(self.sockets, self._account)
        for remains in self._home.glob("postgres.making-*"):
            shutil.rmtree(remains, ignore_errors=True)
        if not self._data.is_dir() or not any(self._data.iterdir()):
            yield from self._make(programs)
        self._check_version()
        embedded_folders.own(self._data, self._account)
        self._write_access(self._data)
        yield from embedded_orphans.ended(self._data, "postgres", _ORPHAN_SIGNALS, wait_for_helpers=5)
        self._clear()
        self.child = Child.of_account(self._argv(programs), self._account, self.log, signal.SIGINT)
        while not (yield from self._answers()):
            self.child.must_live()
            yield

    def _require_short_path(self) -> None:
        made = (self._data / "PG_VERSION").is_file()
        name = "postgres" if made else "postgres.making-00000000"
        home = len(os.fsencode(self._home.resolve()))
        most = _PATH_BYTES - len(f"/{name}{_LONGEST}")
        if home > most:
            raise StartFailed(
                f"The path of the home is too long for PostgreSQL: it has {home} bytes, and may have {most}. "
                "Set OEE_HOME to a shorter one, or OEE_DATABASE_URL to a PostgreSQL of yours."
            )

    def _make(self, programs: Path) -> Iterator[None]:
        making = embedded_folders.own(self._home / f"postgres.making-{secrets.token_hex(4)}", self._account)
        options = [
            "--auth-local=peer",
            "--auth-host=reject",
            "--data-checksums",
            "--encoding=UTF8",
            "--locale=C",
            f"--set=dynamic_shared_memory_type={_shared_memory()}",
        ]
        argv = [str(programs / "initdb"), f"--pgdata={making}", f"--username={ROLE}", *options]
        self.child = Child.of_account([*argv, "--no-instructions"], self._account, self.log, signal.SIGTERM)
        import psycopg  # noqa: F401 - a third of a second that would otherwise be spent after initdb

        while self.child.alive():
            yield
        # A word of its own beside the exit code: the database that it makes last.
        if not self.child.succeeded() or not (making / "base" / LAST_MADE / "PG_VERSION").is_file():
            raise self.child.failure()
        # initdb has flushed all of its own files.
        self._write_access(making)
        flush_folder(making)
        making.rename(self._data)
        flush_folder(self._home)

    def _write_access(self, data: Path) -> None:
        """Lets in who the system says is the daemon's or the servers' account, over the socket only."""
        names = dict.fromkeys((self._account.daemon, self._account.name))
        lines = "".join(f'oee "{name}" {ROLE}\n' for name in names)
        embedded_folders.write(data / "pg_ident.conf", lines, self._account)
        embedded_folders.write(
            data / "pg_hba.conf", "local all all peer map=oee\nhost all all all reject\n", self._account
        )

    def _check_version(self) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except OSError:
            raise StartFailed(
                f"{self._data} holds something, but no PostgreSQL data (its PG_VERSION can't be read). "
                "Move it away, restore a backup in its place (oee restore FILE), or set OEE_HOME to another "
                "folder."
            ) from None
        if found != MAJOR:
            raise StartFailed(
                f"{self._data} was written by PostgreSQL {clean(found)}; this program runs {MAJOR} "
                "and can't read it. Carry the orders over: `oee backup FILE` with the release that wrote it, "
                "`oee restore FILE` into a fresh home with this one. Or set OEE_DATABASE_URL to a PostgreSQL "
                "that serves it, or OEE_HOME to another folder."
            )

    def _clear(self) -> None:
        """Removes what a killed server left, now that none works here.

        A lock with a dead process id stays: PostgreSQL deals with it, and reads in it which shared memory
        to look at. One without an id, or with an id that is somebody else's by now, would stop it.
        """
        lock = self._data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            first = lock.read_bytes().partition(b"\n")[0].strip()
            if not first.isdigit() or _process_exists(int(first)):
                lock.unlink()
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self.sockets / name).unlink(missing_ok=True)

    def _argv(self, programs: Path) -> list[str]:
        quoted = str(self.sockets).replace('"', '""')
        settings = _SETTINGS | {
            "unix_socket_directories": f'"{quoted}"',
            "max_connections": str(self._connections),
            "dynamic_shared_memory_type": _shared_memory(),
        }
        argv = [str(programs / self.name), "-D", str(self._data.resolve())]
        return [*argv, *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))]

    def _answers(self) -> Generator[None, None, bool]:
        """Yields while it waits; whether `SELECT 1` was answered. Makes the database if it is missing."""
        from psycopg import OperationalError
        from psycopg.pq import ExecStatus, PGconn, PollingStatus

        connection = PGconn.connect_start(self._address(self._database))
        try:
            wanted: int = PollingStatus.WRITING
            while wanted in (PollingStatus.READING, PollingStatus.WRITING):
                while not _is_ready(connection.socket, wanted == PollingStatus.READING):
                    yield
                wanted = connection.connect_poll()
            if wanted == PollingStatus.FAILED:
                if f'database "{self._database}" does not exist' in connection.get_error_message():
                    self._make_database()
                else:
                    self._note_refusal(clean(connection.get_error_message().strip().replace("\n", " ")))
                return False
            connection.send_query(b"SELECT 1")
            while connection.is_busy():
                while not _is_ready(connection.socket, True):
                    yield
                connection.consume_input()
            result = connection.get_result()
            version = connection.parameter_status(b"server_version") or b""
            self.version = version.decode().partition(" ")[0]
            return result is not None and result.status == ExecStatus.TUPLES_OK
        except OperationalError:  # it went away in the middle
            return False
        finally:
            connection.finish()

    def _note_refusal(self, why: str) -> None:
        if why != self.fault and "FATAL" in why and not _COMING.search(why):
            # A start that comes to nothing is looked up in the daemon's log.
            _log.warning("postgres lets us not in", extra={"reason": why})
        self.fault = why

    def _make_database(self) -> None:
        from psycopg.pq import ExecStatus, PGconn

        connection = PGconn.connect(self._address("postgres"))
        try:
            result = connection.exec_(f"CREATE DATABASE {self._database}".encode())
            if result.status != ExecStatus.COMMAND_OK:
                raise StartFailed(
                    f"The database {self._database} can't be made: {clean(connection.get_error_message())}. "
                    f"PostgreSQL's log is {self.log.path}."
                )
        finally:
            connection.finish()

    def _address(self, database: str) -> bytes:
        from psycopg.conninfo import make_conninfo

        return make_conninfo(
            host=str(self.sockets), port=PORT, user=ROLE, dbname=database, connect_timeout=5
        ).encode()


def forget_variables() -> None:
    """From here on nothing that libpq is told by our environment decides how we come to our own server.

    All of them begin so, and each may keep us out, or be read by a release of libpq to come.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _is_ready(descriptor: int, reading: bool) -> bool:
    # `select` can't tell of descriptors above 1023, and there may be that many by a restart.
    look = select.poll()
    look.register(descriptor, select.POLLIN if reading else select.POLLOUT)
    return bool(look.poll(0))


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _shared_memory() -> str:
    """How the server's processes share memory: by files of its folder where the system has no room for it,
    as in containers that have no /dev/shm, a read-only or a tiny one. It may be another one at each start."""
    if sys.platform != "linux":
        return "posix"
    try:
        place = os.statvfs(_SHARED_MEMORY)
        usable = not place.f_flag & os.ST_RDONLY and _SHARED_MEMORY.stat().st_mode & stat.S_IWOTH
    except OSError:
        return "mmap"
    return "posix" if usable and place.f_bavail * place.f_frsize >= _ENOUGH else "mmap"
