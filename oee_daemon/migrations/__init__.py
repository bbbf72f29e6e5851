"""Brings the database to this release's schema: under a lock, and at no cost when nothing is new.

Each file in `versions/` is plain SQL as it was at its release and is never edited afterwards. Alembic is
imported only when there is something to do.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, inspect, text

from oee_daemon.database import transactions
from oee_daemon.errors import StartFailed

#: The newest revision; a test holds it against the files.
HEAD = "0001"
#: Any number that is ours: processes that migrate one database wait for each other on it.
_LOCK = 0x0EE_5C4E3A


def current(db: Engine) -> str | None:
    """The database's revision, `None` where it has none yet."""
    with db.connect() as conn:
        return _revision(conn)


def migrate(db: Engine) -> bool:
    """Upgrades to `HEAD` if need be. True: there was something to do.

    Raises `StartFailed` where the database belongs to a newer release.
    """
    if current(db) == HEAD:
        return False
    with transactions(db).begin() as conn:
        conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        revision = _revision(conn)
        if revision == HEAD:
            return False
        _upgrade(conn, revision)
    return True


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(conn: Connection, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "oee_daemon:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise StartFailed(
            f"The database is at revision {revision}, which this release does not know: a newer oee made it."
            " Install that release, or use another OEE_HOME.",
            code="database_too_new",
        )
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
