"""Takes a backup of a home's own database while the daemon works on it: one snapshot, one file.

The snapshot that counts the orders is the one that `pg_dump` reads, so the file says exactly what it holds.
Nothing is written to the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from oee_daemon.backups import archive_dump, archive_file
from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.protocol import VERSION
from oee_daemon.embedded import Servers
from oee_daemon.errors import BackupFailed
from oee_daemon.settings import Settings
from oee_daemon.store import snapshot_sql
from oee_daemon.store.database import LONG_S, open_database


def take(
    settings: Settings, target: Path, *, replace: bool, wallets: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Writes `target` and returns what is in it. Raises `BackupFailed`, and then leaves no file."""
    if settings.database_url is not None:
        raise BackupFailed(
            "The orders are in a database of your own (OEE_DATABASE_URL), which `oee backup` leaves to you.",
            code="outside_database",
            hint="Its own tool: pg_dump --format=custom --file=orders.dump YOUR_DATABASE_URL",
        )
    _check_target(target, replace)
    keys = _wallets(settings) if wallets else {}
    servers = Servers(
        settings.home,
        postgres=True,
        valkey=False,
        service_user=settings.service_user,
        network=settings.network,
    )
    with _snapshot(servers.database_url) as conn:
        about = _describe_contents(conn) | {"network": settings.network, "wallets": sorted(keys)}
        say(f"{about['orders']:,} orders")
        exported = snapshot_sql.export(conn)
        try:
            with atomic_file(target, replace=replace) as opened:
                archive = archive_file.Archive(opened)
                archive.add(archive_file.ABOUT, [json.dumps(about, indent=1).encode() + b"\n"])
                for network, content in keys.items():
                    archive.add(f"wallets/{network}.json", [content])
                archive.add(archive_file.DUMP, archive_dump.read(servers.database_url, exported))
                size = archive.end()
        except FileExistsError:
            raise _exists(target) from None
    return {"file": str(target), "bytes": size, **about, **_note_ledger(settings)}


def _check_target(target: Path, replace: bool) -> None:
    """Raises `BackupFailed` for what can be known before anything is read."""
    if not target.parent.is_dir():
        raise BackupFailed(
            f"{target.parent} is no folder.", code="bad_file", hint="Make it, or name another place."
        )
    if target.exists() and not target.is_file():
        raise BackupFailed(
            f"{target} is no file that a backup could take the place of.",
            code="bad_file",
            hint="Name a file, or - for stdout.",
        )
    if target.exists() and not replace:
        raise _exists(target)


def _exists(target: Path) -> BackupFailed:
    return BackupFailed(
        f"{target} exists, and a backup never takes another file's place by itself.",
        code="file_exists",
        hint="Name another file, or say --force.",
    )


def _wallets(settings: Settings) -> dict[str, bytes]:
    found = sorted((settings.home / home_files.WALLETS).glob("*.json"))
    return {
        path.stem: path.read_bytes()
        for path in found
        if archive_file.WALLET.fullmatch(f"wallets/{path.name}")
    }


@contextmanager
def _snapshot(url: str) -> Iterator[Connection]:
    db = open_database(url, pool_size=1, statement_s=LONG_S)
    try:
        with db.execution_options(isolation_level="REPEATABLE READ").connect() as conn:
            yield conn
    except OperationalError as e:
        raise BackupFailed(
            f"The database does not answer: {str(e.orig).strip()}",
            code="database_unreachable",
            hint="See: oee daemon status",
        ) from None
    finally:
        db.dispose()


def _describe_contents(conn: Connection) -> dict[str, Any]:
    held = snapshot_sql.holds(conn)
    return {
        "format": archive_file.FORMAT,
        "version": VERSION,
        "revision": held.revision,
        "takenAt": rfc3339(datetime.now(UTC), "microseconds"),
        "orders": held.orders,
        "live": held.live,
    }


def _note_ledger(settings: Settings) -> dict[str, Any]:
    outside = settings.sim_ledger_file
    return {} if outside is None else {"ledgerFile": str(outside)}
