"""Brings the database to this release's schema: under a lock, and at no cost when nothing is new.

Each file in `versions/` is plain SQL as it was at its release and is never edited afterwards. Alembic is
imported only when there is something to do.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import ProgrammingError

from oee_daemon.start_errors import OtherRelease, StartFailed
from oee_daemon.store.database import LONG_S, open_database, transactions
from oee_daemon.store.migrations import migration_wait
from oee_daemon.store.sql_statement import Statement, driver

#: The newest revision, by the files' names.
HEAD = max(file.name.partition("_")[0] for file in (Path(__file__).parent / "versions").glob("0*.py"))
#: Any number that is ours: processes that migrate one database wait for each other on it.
_LOCK = 0x0EE_5C4E3A
#: Postgres's word for a table that is not there.
_UNDEFINED = "42P01"
_REVISION = Statement("-- revision: of which release the tables are\nSELECT version_num FROM alembic_version")
#: Seconds for the answer to the question that is asked each beat.
PULSE_S = 4.0


def current(db: Engine) -> str | None:
    """The database's revision, `None` where it has none yet."""
    with db.connect() as conn:
        return _revision(conn)


def migrate(db: Engine) -> bool:
    """Upgrades to `HEAD` if need be. True: there was something to do.

    Raises `StartFailed` where the database belongs to a newer release, or somebody holds its tables.
    """
    if current(db) == HEAD:
        return False
    # On a connection of its own, on which a statement may take as long as a large database needs.
    patient = open_database(db.url, pool_size=1, statement_s=LONG_S)
    try:
        with transactions(patient).begin() as conn, migration_wait.told(db, conn):
            # Who migrates already is waited for as long as that takes.
            conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            revision = _revision(conn)
            if revision == HEAD:
                return False
            if revision is None:
                _refuse_second(conn)
            migration_wait.be_patient(conn)
            _upgrade(conn, revision)
    finally:
        patient.dispose()
    return True


def require(db: Engine) -> None:
    """Raises `OtherRelease` unless the database is of exactly this release's schema.

    Workers ask, at their start and at every beat: only a daemon migrates, and no worker works on a schema
    that is not its own. One short statement.
    """
    with db.connect() as conn:
        # Nothing is quicker to answer, so this is what finds out that nobody does.
        driver(conn).answer_s = PULSE_S
        try:
            revision = _REVISION.value(conn)
        except ProgrammingError as e:
            # Anything else is a fault, and none of these sentences says which.
            if getattr(e.orig, "sqlstate", None) != _UNDEFINED:
                raise
            raise OtherRelease(
                "The database has no schema of oee yet, or none that its search_path leads to: the daemon"
                " makes it, or says so. Start the daemon first."
            ) from None
    if revision != HEAD:
        raise OtherRelease(
            f"The database is at revision {revision}, and this worker's release is made for {HEAD}."
            " Let the daemon and all of its workers be of one release; start the daemon first."
        )


def why_left(db: Engine) -> OtherRelease | None:
    """Why a worker of ours no longer works on a database that had our schema; none where it still has.

    Raises `DBAPIError` where Postgres is away.
    """
    revision = current(db)
    if revision == HEAD:
        return None
    if revision is None:
        return OtherRelease(
            "The engine's tables are gone from the database, or its search_path no longer leads to them: this"
            " daemon ends. Bring back what was there, then: oee daemon start"
        )
    if revision in known():
        return OtherRelease(
            f"The database was put back to an older release's tables (revision {revision}): this daemon ends."
            " The next one brings them to this release's: oee daemon start"
        )
    return OtherRelease(
        "Another release of oee has taken over the database: this daemon ends and leaves all orders to that"
        " one's. Install that release here too, then: oee daemon start"
    )


def known() -> set[str]:
    """Every revision that this release can bring to `HEAD`: a file's name begins with its own."""
    files = (Path(__file__).parent / "versions").glob("[0-9]*_*.py")
    return {file.name.partition("_")[0] for file in files}


def _revision(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _refuse_second(conn: Connection) -> None:
    """Raises `StartFailed` where the database holds an engine that is only out of sight: an empty one beside
    it would know none of its keys."""
    found = conn.execute(
        text(
            "SELECT nspname, current_setting('search_path') FROM pg_class t JOIN pg_namespace n"
            " ON n.oid = t.relnamespace WHERE relname = 'order_numbers' AND relkind = 'S'"
        )
    ).first()
    if found is not None:
        raise StartFailed(
            f"The engine's tables are in the schema {found[0]} of this database, and the search path"
            f" ({found[1]}) does not lead there: an empty engine would begin beside it. Set the role's"
            " search_path, or use another database.",
            code="tables_out_of_sight",
        )


def _upgrade(conn: Connection, revision: str | None) -> None:
    from alembic import command
    from alembic.config import Config

    if revision is not None and revision not in known():
        raise StartFailed(
            f"The database is at revision {revision}, which this release does not know: a newer oee made it."
            " Install that release, or use another OEE_HOME.",
            code="database_too_new",
        )
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
