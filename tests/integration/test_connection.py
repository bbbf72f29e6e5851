"""What a connection to Postgres is like, whoever tuned the server, and that no wait on it is for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from oee_daemon.embedded import Servers
from oee_daemon.orders.order import Order
from oee_daemon.start_errors import OtherRelease, StartFailed
from oee_daemon.store import creating_sql, database, migrations, order_rows
from oee_daemon.store.creating_sql import New
from oee_daemon.store.database import LEAD_S, STALE_S, open_database, transactions
from oee_daemon.store.postgres_connection import Bounded, Silent, connect
from oee_daemon.store.postgres_line import Line
from oee_daemon.store.sql_statement import driver
from tests.integration.test_intake import new
from tests.kit.daemons import until
from tests.kit.proxy import Proxy

BACKEND = text("SELECT pg_backend_pid()")
#: What people set for a role, a database or themselves, and what a connection of ours has all the same.
TUNED = {
    "synchronous_commit": ("off", "on"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "datestyle": ("German, DMY", "ISO, MDY"),
    "timezone": ("America/Santiago", "UTC"),
    "intervalstyle": ("sql_standard", "postgres"),
    "bytea_output": ("escape", "hex"),
    "standard_conforming_strings": ("off", "on"),
    "client_encoding": ("LATIN1", "UTF8"),
    "statement_timeout": ("0", "6s"),
    "lock_timeout": ("0", "4s"),
    "idle_in_transaction_session_timeout": ("0", "30s"),
    "idle_session_timeout": ("900", "0"),
    "jit": ("on", "off"),
}


def named(db: Engine) -> str:
    assert db.url.database is not None
    return db.url.database


@pytest.fixture
def tuned(db: Engine) -> Engine:
    """A database that is set as no engine would want it."""
    with db.connect() as conn:
        for name, (value, _) in TUNED.items():
            conn.execute(text(f"ALTER ROLE oee IN DATABASE {named(db)} SET {name} = '{value}'"))
    db.dispose()
    return db


def shown(db: Engine, *names: str) -> dict[str, str]:
    with db.connect() as conn:
        return {name: conn.execute(text(f"SHOW {name}")).scalar_one() for name in names}


def test_a_connection_is_as_the_promise_needs_it_however_role_and_database_are_set(tuned: Engine) -> None:
    assert shown(tuned, *TUNED) == {name: ours for name, (_, ours) in TUNED.items()}
    with transactions(tuned).begin() as conn:
        assert conn.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"


def test_what_one_s_own_libpq_is_told_changes_none_of_it(db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c synchronous_commit=off")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("PGTZ", "America/Santiago")
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    names = ("synchronous_commit", "datestyle", "timezone", "client_encoding")
    assert shown(db, *names) == {name: TUNED[name][1] for name in names}


def create(db: Engine, count: int) -> list[Order]:
    """So many orders that were stored, each alone."""

    async def main() -> list[Order]:
        line = Line(db.url)
        found = [
            await creating_sql.create(line, uuid4(), "simulated", New(new(), None)) for _ in range(count)
        ]
        await line.close()
        return [order for order in found if order is not None]

    return asyncio.run(main())


def test_what_was_acknowledged_outlives_a_crash_though_the_role_does_not_ask_for_it(homes: Path) -> None:
    servers = Servers(homes / "h", postgres=True, valkey=False)
    servers.start()
    try:
        db = open_database(servers.database_url, pool_size=2)
        migrations.migrate(db)
        with db.connect() as conn:
            conn.execute(text("ALTER ROLE oee SET synchronous_commit = off"))
            # Nobody else flushes what a commit did not.
            conn.execute(text("ALTER SYSTEM SET wal_writer_delay = '10s'"))
            conn.execute(text("SELECT pg_reload_conf()"))
        db.dispose()
        with db.connect() as conn:
            assert len(create(db, 20)) == 20
            (told,) = servers.describe()
            assert isinstance(told["pid"], int)
            os.kill(told["pid"], signal.SIGKILL)
        until(lambda: servers.check() == ["postgres"], within=60, what="Postgres's return")
        with db.connect() as conn:
            assert conn.execute(text("SELECT count(*) FROM orders")).scalar_one() == 20
        db.dispose()
    finally:
        servers.stop()


def test_a_stronger_commit_stays_as_it_is(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text(f"ALTER DATABASE {named(db)} SET synchronous_commit = remote_apply"))
    db.dispose()
    assert shown(db, "synchronous_commit") == {"synchronous_commit": "remote_apply"}


def test_options_of_the_address_count_where_nothing_rests_on_them(database_url: str) -> None:
    options = quote("-c work_mem=77kB -c synchronous_commit=off")
    db = open_database(f"{database_url}&options={options}", pool_size=1)
    assert shown(db, "work_mem", "synchronous_commit") == {"work_mem": "77kB", "synchronous_commit": "on"}
    db.dispose()


def test_a_table_of_another_program_stands_in_front_of_none_of_ours(db: Engine) -> None:
    with db.connect() as conn:
        # As the role is called: Postgres looks there first.
        conn.execute(text("CREATE SCHEMA oee"))
        conn.execute(text("CREATE TABLE oee.orders (theirs int)"))
    db.dispose()
    assert create(db, 1)
    with db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM public.orders")).scalar_one() == 1


def test_no_second_engine_begins_beside_one_that_is_out_of_sight(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("CREATE SCHEMA elsewhere"))
        conn.execute(text(f"ALTER DATABASE {named(db)} SET search_path = elsewhere"))
    db.dispose()
    with pytest.raises(StartFailed, match="schema public") as refusal:
        migrations.migrate(db)
    assert refusal.value.code == "tables_out_of_sight"
    with db.connect() as conn:
        assert conn.execute(text("SELECT to_regclass('elsewhere.orders')")).scalar_one() is None


def test_only_a_missing_schema_is_another_release(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("ALTER TABLE alembic_version RENAME COLUMN version_num TO spoiled"))
    with pytest.raises(DBAPIError, match="version_num"):
        migrations.require(db)
    with db.connect() as conn:
        conn.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(OtherRelease):
        migrations.require(db)


@pytest.fixture
def proxy(database_url: str, homes: Path) -> Iterator[Proxy]:
    made = Proxy(database_url, homes)
    yield made
    made.close()


def statement(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("SELECT pg_sleep(60)"))


def prepared(db: Engine) -> None:
    with db.connect() as conn:
        order_rows.events(conn, uuid4())


def commit(db: Engine) -> None:
    with transactions(db).begin() as conn:
        conn.execute(text("SELECT 1"))


@pytest.mark.parametrize("use", [statement, prepared, commit])
def test_silence_ends_every_kind_of_wait_and_is_believed_of_all_older_connections(
    proxy: Proxy, use: Callable[[Engine], None]
) -> None:
    db = open_database(proxy.url, pool_size=3, statement_s=0.5)
    held = [db.connect() for _ in range(3)]
    before = {conn.execute(BACKEND).scalar_one() for conn in held}
    for conn in held:
        conn.close()
    proxy.hush()
    began = time.monotonic()
    with pytest.raises(OperationalError) as lost:
        use(db)
    assert isinstance(lost.value.orig, Silent)
    assert lost.value.connection_invalidated
    # One of the three has paid for it; the others are not even tried.
    held = [db.connect() for _ in range(3)]
    assert not before & {conn.execute(BACKEND).scalar_one() for conn in held}
    assert time.monotonic() - began < 2 * (0.5 + 2.0)
    for conn in held:
        conn.close()
    db.dispose()


def test_a_statement_that_takes_too_long_costs_no_connection(database_url: str) -> None:
    db = open_database(database_url, pool_size=1, statement_s=0.3)
    with db.connect() as conn:
        before = conn.execute(BACKEND).scalar_one()
    with pytest.raises(OperationalError, match="statement timeout"):
        statement(db)
    with db.connect() as conn:
        assert conn.execute(BACKEND).scalar_one() == before
    db.dispose()


class Mute(Proxy):
    """Lets clients in, and answers none: as a pool that has no place left for them."""

    def _hit(self, data: bytes) -> bool | None:
        if b"pg_backend_pid" in data:
            self.hush()
        return None


def test_who_may_wait_long_for_an_answer_waits_no_longer_for_the_first(
    database_url: str, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bounded, "answer_s", 0.3)
    proxy = Mute(database_url, homes)
    db = open_database(proxy.url, pool_size=1, statement_s=4)
    with pytest.raises(OperationalError, match=r"no answer within 0\.3 s"):
        db.connect()
    db.dispose()
    proxy.close()


def test_a_longer_wait_ends_with_the_use_of_its_connection(db: Engine) -> None:
    with db.connect() as conn:
        usual = driver(conn).answer_s
        driver(conn).answer_s = 60.0
    with db.connect() as conn:
        assert driver(conn).answer_s == usual


def test_a_connection_that_nobody_used_for_long_is_not_trusted(db: Engine) -> None:
    with db.connect() as conn:
        known = conn.connection.info
        before = conn.execute(BACKEND).scalar_one()
    known["used"] -= STALE_S - 5
    with db.connect() as conn:
        assert conn.execute(BACKEND).scalar_one() == before
    known["used"] -= STALE_S + 1
    with db.connect() as conn:
        assert conn.execute(BACKEND).scalar_one() != before


def test_connections_that_began_read_only_are_made_anew_when_new_ones_may_write(db: Engine) -> None:
    """As a provider bars a role or a database whose disk is full: that is over for new connections alone."""
    with db.connect() as conn:
        conn.execute(text(f"ALTER ROLE oee IN DATABASE {named(db)} SET default_transaction_read_only = on"))
    db.dispose()

    def writes() -> bool:
        return shown(db, "transaction_read_only") == {"transaction_read_only": "off"}

    async def use() -> None:
        line = Line(db.url)

        async def placed() -> None:
            assert await creating_sql.create(line, uuid4(), "simulated", New(new(), None)) is not None

        with pytest.raises(DBAPIError, match="read-only"):
            await placed()
        assert not writes()
        with transactions(db).begin() as conn:
            conn.execute(text("SET TRANSACTION READ WRITE"))
            conn.execute(text(f"ALTER ROLE oee IN DATABASE {named(db)} RESET default_transaction_read_only"))
        await asyncio.to_thread(until, writes, what="a connection that may write")
        await placed()
        await line.close()

    asyncio.run(use())


def test_a_connection_that_began_read_only_is_used_however_long_it_took_to_begin(
    db: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each was too old when it was made: what only reads was refused with what places."""
    with db.connect() as conn:
        conn.execute(text(f"ALTER ROLE oee IN DATABASE {named(db)} SET default_transaction_read_only = on"))
    db.dispose()

    def slowly(*args: Any, **parameters: Any) -> Bounded:
        made = connect(*args, **parameters)
        made.begun -= LEAD_S + 1
        return made

    monkeypatch.setattr(database, "connect", slowly)
    assert shown(db, "transaction_read_only") == {"transaction_read_only": "on"}
