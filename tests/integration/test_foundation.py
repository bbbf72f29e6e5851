"""What is refused, and what is told, of a Postgres or a queue that is not as the promise needs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, make_url, text

from oee_daemon.embedded import embedded_account
from oee_daemon.engine import engine_durability
from oee_daemon.queue.queue_roster import Roster
from oee_daemon.start_errors import Unreachable, Unsuitable
from oee_daemon.store import server_fact_sql
from oee_daemon.store.database import open_database
from tests.kit.daemons import until


def codes(db: Engine, needed: int = 1) -> set[str]:
    with db.connect() as conn:
        return {weakness.code for weakness in engine_durability.look(conn, needed)}


def test_a_database_as_it_comes_has_nothing_to_fear(db: Engine) -> None:
    assert engine_durability.require(db) == []
    assert codes(db) == set()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_lacks_letters_is_refused(db: Engine, encoding: str) -> None:
    """A move whose reason has one would fail each time, and its order never end."""
    name = f"lacking_{encoding.lower()}"
    lacking = open_database(db.url.set(database=name), pool_size=1)
    with db.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"))
    try:
        with pytest.raises(Unsuitable, match=f"{encoding}.*ENCODING 'UTF8'"):
            engine_durability.require(lacking)
    finally:
        lacking.dispose()
        with db.connect() as conn:
            conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_tables_that_a_crash_empties_are_told(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("ALTER TABLE spent_keys SET UNLOGGED"))
    assert codes(db) == {"unlogged"}
    assert [weakness.code for weakness in engine_durability.require(db)] == ["unlogged"]


def test_a_database_that_takes_no_writes_is_told(db: Engine) -> None:
    """As a role or a database may have it, by which nothing else changes."""
    with db.connect() as conn:
        conn.execute(text("SET default_transaction_read_only = on"))
        try:
            (weakness,) = engine_durability.look(conn, 1)
        finally:
            conn.execute(text("RESET default_transaction_read_only"))
    assert weakness.code == "read_only" and "default_transaction_read_only is on" in weakness.message


def test_too_few_connections_are_told(db: Engine) -> None:
    with db.connect() as conn:
        most = int(conn.execute(text("SHOW max_connections")).scalar_one())
    assert codes(db, most) == {"connections_short"}


@pytest.fixture
def lax(db: Engine) -> Iterator[Engine]:
    """Set as for a database that may be lost, for as long as the test takes."""
    wrong = {"fsync": "off", "full_page_writes": "off"}
    with db.connect() as conn:
        for name, value in wrong.items():
            conn.execute(text(f"ALTER SYSTEM SET {name} = {value}"))
        conn.execute(text("SELECT pg_reload_conf()"))
        until(lambda: conn.execute(text("SHOW fsync")).scalar_one() == "off", what="the reload")
    yield db
    with db.connect() as conn:
        for name in wrong:
            conn.execute(text(f"ALTER SYSTEM RESET {name}"))
        conn.execute(text("SELECT pg_reload_conf()"))
        until(lambda: conn.execute(text("SHOW fsync")).scalar_one() == "on", what="the reload")


def test_a_server_that_does_not_flush_is_told(lax: Engine) -> None:
    assert codes(lax) == {"fsync_off", "full_page_writes_off"}


def test_a_database_is_known_again_and_told_from_its_neighbour(db: Engine, shared_db: Engine) -> None:
    again = open_database(db.url, pool_size=1)
    with db.connect() as one, again.connect() as same, shared_db.connect() as other:
        assert (
            server_fact_sql.fingerprint(one)
            == server_fact_sql.fingerprint(same)
            != server_fact_sql.fingerprint(other)
        )
    again.dispose()


@pytest.mark.parametrize("change", ["port", "database", "host"])
def test_a_database_that_is_away_is_one_sentence(database_url: str, change: str) -> None:
    url = make_url(database_url)
    wrong = {
        "port": url.update_query_dict({"port": "1"}),
        "database": url.set(database="nowhere"),
        "host": url.set(host="no.such.host.invalid", port=5432, query={}),
    }[change]
    db = open_database(wrong, pool_size=1)
    with pytest.raises(Unreachable) as refusal:
        engine_durability.require(db)
    assert refusal.value.exit_code == 6
    assert "\n" not in refusal.value.message and "OEE_DATABASE_URL" in refusal.value.message
    db.dispose()


def test_a_queue_that_lets_us_not_in_is_refused_and_one_that_is_away_may_come(redis_url: str) -> None:
    engine_durability.require_queue(redis_url)
    engine_durability.require_queue("redis://127.0.0.1:1/0")
    with pytest.raises(Unsuitable, match="OEE_REDIS_URL"):
        engine_durability.require_queue(f"{redis_url}?db=99")
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("requirepass", "secret")
        try:
            with pytest.raises(Unsuitable, match="OEE_REDIS_URL"):
                engine_durability.require_queue(redis_url)
        finally:
            client.config_set("requirepass", "")


def test_a_queue_that_is_too_old_is_refused() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def old() -> None:
        client, _ = listener.accept()
        with client, suppress(OSError):
            while asked := client.recv(4096):
                told = b"redis_version:5.0.7\r\n"
                client.sendall(
                    b"$%d\r\n%s\r\n" % (len(told), told) if b"INFO" in asked.split()[2] else b"*0\r\n"
                )

    answering = threading.Thread(target=old, daemon=True)
    answering.start()
    with pytest.raises(Unsuitable, match=r"5\.0\.7"):
        engine_durability.require_queue(f"redis://127.0.0.1:{listener.getsockname()[1]}/0?protocol=2")
    answering.join()
    listener.close()


BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def bouncer(url: str, folder: Path, mode: str) -> Iterator[str]:
    """A PgBouncer before the database, as the account that Postgres lets in."""
    who = embedded_account.choose(None)
    address = make_url(url)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={address.query['host']} port={address.query['port']} user=oee\n"
        f"[pgbouncer]\npool_mode = {mode}\nauth_type = any\nlisten_addr =\nlisten_port = 6432\n"
        f"unix_socket_dir = {folder}\nunix_socket_mode = 0777\nlogfile = {folder}/log\n"
    )
    folder.chmod(0o777)
    config.chmod(0o644)
    assert BOUNCER is not None
    process = subprocess.Popen(
        [BOUNCER, "-q", str(config)],
        user=who.uid if who.lent else None,
        group=who.gid if who.lent else None,
        extra_groups=[] if who.lent else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until((folder / ".s.PGSQL.6432").exists, what="PgBouncer")
        query = {"host": str(folder), "port": "6432"}
        yield address.set(query=query).render_as_string(hide_password=False)
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(BOUNCER is None, reason="this machine has no PgBouncer")
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pool_that_mixes_connections_is_refused_with_the_reason(
    database_url: str, homes: Path, mode: str
) -> None:
    with bouncer(database_url, homes, mode) as url:
        db = open_database(url, pool_size=4)
        with pytest.raises(Unsuitable, match=f"{mode} mode.*session mode"):
            engine_durability.require(db)
        db.dispose()


@pytest.mark.skipif(BOUNCER is None, reason="this machine has no PgBouncer")
def test_a_pool_that_keeps_them_apart_does(database_url: str, homes: Path) -> None:
    with bouncer(database_url, homes, "session") as url:
        db = open_database(url, pool_size=4)
        assert engine_durability.require(db) == []
        with db.connect() as conn:
            assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        db.dispose()


def test_own_variables_of_libpq_are_gone_once_the_servers_are_our_own(
    monkeypatch: pytest.MonkeyPatch, homes: Path
) -> None:
    from oee_daemon.embedded import Servers

    monkeypatch.setenv("PGSERVICE", "prod")
    monkeypatch.setenv("PGREQUIREAUTH", "scram-sha-256")
    Servers(homes / "h", postgres=False, valkey=True)
    assert os.environ["PGSERVICE"] == "prod"
    Servers(homes / "h", postgres=True, valkey=True)
    assert not [name for name in os.environ if name.startswith("PG")]


def test_another_engine_on_the_queue_is_told(
    db: Engine, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with db.connect() as conn:
        ours = server_fact_sql.fingerprint(conn)
    for owner, database in (("one", ours), ("two", "unknown")):
        Roster(redis_url, owner=owner, threads=1, busy=int, more=partial(dict, database=database)).announce()
    engine_durability.require_queue(redis_url, ours)
    assert "another engine" not in caplog.text
    Roster(redis_url, owner="three", threads=1, busy=int, more=lambda: {"database": "theirs"}).announce()
    engine_durability.require_queue(redis_url, ours)
    assert "another engine" in caplog.text
