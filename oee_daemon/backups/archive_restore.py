"""Puts a backup into a fresh home, so that nothing of it is executed again.

The database is made in a folder of its own and takes its place in the home by one rename, when it is whole,
of this release's schema, and all that was live in it is over: whatever interrupts a restore leaves a home
that is still fresh. The caller's process holds the home, so no daemon starts meanwhile.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from oee_daemon.backups import archive_dump, archive_file
from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import atomic_file, flush_folder
from oee_daemon.contract.setting_table import NETWORKS
from oee_daemon.embedded import FIRST_NETWORK, Servers, embedded_account, embedded_folders, embedded_orphans
from oee_daemon.errors import BackupFailed
from oee_daemon.home.home_folder import Home
from oee_daemon.settings import Settings
from oee_daemon.store import doubt_sql, engine_row, halt_row, migrations, snapshot_sql
from oee_daemon.store.database import LONG_S, open_database

#: How long a PostgreSQL of an interrupted restore has to end by itself, seconds.
_ORPHAN_PATIENCE = 10.0
_POLL = 0.01


def restore(settings: Settings, source: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Restores the backup and returns what is in the home now.

    Raises `BackupFailed` or `StartFailed`; the home is then as it was.
    """
    if settings.database_url is not None:
        raise BackupFailed(
            "OEE_DATABASE_URL is set: a backup is restored into a home whose daemon runs its own database.",
            code="outside_database",
            hint="Unset it, or move the database with its own pg_dump and pg_restore.",
        )
    say("checking")
    with source.open("rb") as opened:
        backup = archive_file.check(opened, str(source))
        _check_revision(backup.about)
        network = _network_of(backup.about)
        _check_home_is_fresh(settings.home, backup)
        home = Home(settings)
        home.prepare()
        home.hold()
        # Once more, now that nobody else can make one.
        _check_home_is_fresh(settings.home, backup)
        with _temporary_servers(settings, home, network) as servers:
            say("postgres")
            servers.start()
            say("orders")
            archive_dump.write(servers.database_url, backup.dump())
            live = _migrate_and_end_live(servers.database_url, backup.about)
            # In order, with a checkpoint: the files are then complete without their log.
            servers.stop()
            home.must_be_held()
            _take_place(settings.home, backup)
    kept = {key: backup.about[key] for key in ("orders", "revision", "version", "takenAt")}
    return {
        "home": str(settings.home),
        "network": network,
        **kept,
        "live": live,
        "halted": True,
        "wallets": sorted(backup.wallets),
    }


def _check_revision(about: dict[str, Any]) -> None:
    if about["revision"] not in migrations.known():
        raise BackupFailed(
            f"The backup was made by oee {about['version']}: its schema {about['revision']} is newer than "
            f"this release's {migrations.HEAD}.",
            code="backup_too_new",
            hint="Restore it with that release, or a later one.",
        )


def _network_of(about: dict[str, Any]) -> str:
    """Whose orders they are: their database has its name."""
    found = about.get("network", FIRST_NETWORK)
    if found not in NETWORKS:
        raise BackupFailed(
            f"The backup is of the network {found!r}, which this release does not have.",
            code="backup_too_new",
            hint="Restore it with the release that made it, or a later one.",
        )
    return str(found)


def _check_home_is_fresh(home: Path, backup: archive_file.Backup) -> None:
    """Raises `BackupFailed` unless the home is fresh: nothing in it is merged or replaced."""
    data = home / home_files.POSTGRES
    if data.is_dir() and any(data.iterdir()):
        raise BackupFailed(
            f"{home} has a database already, and a restore never replaces one.",
            code="home_not_fresh",
            hint="Into a new home: OEE_HOME=/a/new/folder oee restore FILE\n"
            f"Or put this one aside: oee daemon stop && mv {home} {home}.old",
        )
    for network, content in backup.wallets.items():
        path = home / home_files.WALLET.format(network)
        if path.exists() and path.read_bytes() != content:
            raise BackupFailed(
                f"{path} is another key than the backup's, and a key is never replaced.",
                code="wallet_exists",
                hint="Put it aside first, or restore into a new home.",
            )


@contextmanager
def _temporary_servers(settings: Settings, home: Home, network: str) -> Iterator[Servers]:
    """A PostgreSQL in a folder of its own below the home; both are gone at the end. Raises `HomeLost`."""
    place = settings.home / "restoring"
    lent = embedded_account.choose(settings.service_user)
    _clear(place, lent)
    servers = Servers(
        place,
        postgres=True,
        valkey=False,
        service_user=settings.service_user,
        network=network,
        must_be_held=home.must_be_held,
    )
    try:
        yield servers
    finally:
        servers.stop()
        home.must_be_held()
        _clear(place, lent)


def _clear(place: Path, lent: embedded_account.Account) -> None:
    """Also after a restore that was killed, whose server may still be there where nothing tells it."""
    patience = [(signal.SIGINT, _ORPHAN_PATIENCE)]
    for _ in embedded_orphans.ended(
        place / home_files.POSTGRES, "postgres", patience, wait_for_helpers=_ORPHAN_PATIENCE
    ):
        time.sleep(_POLL)
    sockets = embedded_folders.sockets(place, lent)
    if sockets.parent == embedded_folders.TEMPORARY and sockets.is_dir() and not sockets.is_symlink():
        shutil.rmtree(sockets, ignore_errors=True)
    if place.exists():
        shutil.rmtree(place)


def _migrate_and_end_live(url: str, about: dict[str, Any]) -> dict[str, int]:
    """Checks what came, brings it to this release's schema and ends what was live; how many, by status."""
    db = open_database(url, pool_size=2, statement_s=LONG_S)
    try:
        with db.connect() as conn:
            held = snapshot_sql.holds(conn)
        if (held.revision, held.orders) != (about["revision"], about["orders"]):
            raise BackupFailed(
                f"The backup says {about['orders']} orders at schema {about['revision']}, and holds "
                f"{held.orders} at {held.revision}.",
                code="backup_damaged",
                hint="Use another backup.",
            )
        migrations.migrate(db)
        with db.connect() as conn:
            live = _end_all(conn)
            snapshot_sql.analyze(conn)
        return live
    finally:
        db.dispose()


def _end_all(conn: Connection) -> dict[str, int]:
    """Sees to it that no live order is sent any more: each is in doubt, its time is over, nobody holds it.

    The engine does the rest by its own rules (see `recall`): the chain is asked for the order, and where that
    can't know what the original did after the backup, the order ends so. Whether the original went on thus
    makes no difference. This home is another engine: its first start says which wallet and chain it has.
    """
    row = engine_row.whose(conn)
    chain = "the original's" if row is None else row.chain
    live = Counter(doubt_sql.doubt(conn, chain, elsewhere=True))
    # Its wallet may be another home's at this moment: a person says when this one is to trade.
    halt_row.set_alone(conn, "restored from a backup", None)
    snapshot_sql.end_all(conn)
    return dict(sorted(live.items()))


def _take_place(home: Path, backup: archive_file.Backup) -> None:
    """Moves the keys into the home, then the database: from that rename on the home is no longer fresh."""
    for network, content in backup.wallets.items():
        path = home / home_files.WALLET.format(network)
        if not path.exists():
            with atomic_file(path, replace=False) as opened:
                opened.write(content)
    data = home / home_files.POSTGRES
    if data.is_dir():
        data.rmdir()  # empty, as was seen
    os.rename(home / "restoring" / home_files.POSTGRES, data)  # noqa: PTH104  # never onto what is there
    flush_folder(home)
