"""Homes that have a database already: made and migrated once a test run, and copied.

initdb and the migrations are four fifths of a daemon's first start. Where that start is the subject, or whose
database it is, the home stays bare. A copy has the number by which Postgres knows a cluster in common with
every other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from oee_daemon.networks.simulated.simulated_schema import open_schema
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database

#: Where the processes of a test run find it.
_VARIABLE = "TESTS_PREPARED_HOME"
#: Bytes of memory that have to be free, for homes to be there.
_ROOM = 2 << 30


def _above() -> str:
    """A short path, since a socket's name has to stay under 108 bytes. In memory where there is enough: tests
    kill processes and never the machine, and files cost ten times as much on a disk."""
    with contextlib.suppress(OSError):
        found = os.statvfs("/dev/shm")
        if found.f_bavail * found.f_frsize > _ROOM and not found.f_flag & getattr(os, "ST_NOEXEC", 0):
            return "/dev/shm"
    return "/tmp"


def open_folder() -> Path:
    """For one home or several, open to pass for the servers' account. Whoever made it removes it."""
    made = Path(tempfile.mkdtemp(prefix="oee-", dir=_above()))
    made.chmod(0o711)
    return made


def open_run(config: pytest.Config) -> None:
    """Names the place for all processes of this test run, and removes it with the first of them. Each
    `tmp_path` is there, too, unless `--basetemp` says where."""
    if _VARIABLE in os.environ:
        return
    place = open_folder()
    os.environ[_VARIABLE] = str(place)
    config.option.basetemp = config.option.basetemp or str(place / "t")

    def end() -> None:
        del os.environ[_VARIABLE]
        shutil.rmtree(place, ignore_errors=True)

    config.add_cleanup(end)


def furnished(home: Path) -> Path:
    """The home, made if need be, with an empty database that has all tables of this release and of the
    simulated network."""
    data = _prepared()
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
    subprocess.run(["cp", "-a", str(data), str(home / "postgres")], check=True)
    return home


def _prepared() -> Path:
    """The data of a server that was stopped in order."""
    place = Path(os.environ[_VARIABLE])
    done = place / "done"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            servers = Servers(place / "h", postgres=True, valkey=False)
            with contextlib.ExitStack() as open_ones:
                open_ones.callback(servers.stop)
                servers.start()
                db = open_database(servers.database_url, pool_size=2)
                open_ones.callback(db.dispose)
                migrations.migrate(db)
                network = open_schema(servers.database_url)
                open_ones.callback(network.dispose)
                network.connect().close()
            done.touch()
    return place / "h" / "postgres"
