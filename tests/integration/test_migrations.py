"""The migrated database is what the code believes it is."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from oee_daemon.errors import StartFailed
from oee_daemon.networks.simulated import faults, ledger
from oee_daemon.store import migrations
from oee_daemon.store.tables import Xid8, metadata


def test_the_migrations_make_the_tables_that_the_code_names(db: Engine) -> None:
    assert faults.sim_faults.metadata is ledger.simulation
    # SQLAlchemy does not know it by itself.
    PGDialect.ischema_names["xid8"] = Xid8
    both = MetaData()
    for known in (metadata, ledger.simulation):
        for table in known.tables.values():
            table.to_metadata(both)
    with db.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), both) == []


def test_head_is_the_newest_file() -> None:
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_nothing_is_done_where_nothing_is_new(db: Engine) -> None:
    assert migrations.migrate(db) is False


def test_many_starts_at_once_migrate_once(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("DROP SCHEMA public CASCADE"))
        conn.execute(text("CREATE SCHEMA public"))
    done: list[bool] = []
    threads = [threading.Thread(target=lambda: done.append(migrations.migrate(db))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]


def test_a_database_of_a_newer_release_is_left_alone(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartFailed, match="newer oee"):
        migrations.migrate(db)


def test_postgres_believes_nothing_yet_of_a_new_table(db: Engine) -> None:
    """What it believed to be empty it would read row by row, instead of by index."""
    with db.connect() as conn:
        known = conn.execute(text("SELECT reltuples FROM pg_class WHERE relname = 'orders'")).scalar_one()
    assert known == -1
