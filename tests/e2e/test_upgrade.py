"""Releases that meet: a home of an older one, a backup of an older one, and workers of another one."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url
from sqlalchemy.engine import Connection as AlchemyConnection

from oee_daemon import failpoints
from oee_daemon.backups import archive_dump, archive_file
from oee_daemon.backups.archive_restore import restore
from oee_daemon.backups.archive_take import take
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.contract.status import Status
from oee_daemon.embedded import Servers, embedded_binaries
from oee_daemon.embedded.embedded_account import Account
from oee_daemon.engine.engine_worker import Worker
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from oee_daemon.start_errors import OtherRelease
from oee_daemon.store import lease_sql, migrations, move_sql
from oee_daemon.store.database import open_database, transactions
from tests.kit.accounts import ROOT, become
from tests.kit.api_daemon import queue_of_its_own
from tests.kit.commands import Cli, serving
from tests.kit.databases import Connection, connect
from tests.kit.engine import Bench
from tests.kit.homes import open_folder

FIRST = "0001"
#: In that release the engine's migrations made the simulated network's tables, too.
ITS_NETWORK = """
CREATE TABLE sim_chain (id SERIAL NOT NULL, genesis_ms BIGINT NOT NULL, PRIMARY KEY (id));
CREATE TABLE sim_faults (id SERIAL NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL, remaining INTEGER,
    number INTEGER, percent INTEGER DEFAULT '100' NOT NULL, ms INTEGER, PRIMARY KEY (id));
CREATE TABLE sim_ledger (signature TEXT NOT NULL, state TEXT NOT NULL, error TEXT, order_id UUID,
    input_token TEXT, output_token TEXT, amount_in TEXT, amount_out TEXT, fee TEXT, slot BIGINT NOT NULL,
    visible_ms BIGINT NOT NULL, PRIMARY KEY (signature));
CREATE INDEX sim_ledger_order ON sim_ledger (order_id);
CREATE INDEX sim_ledger_place ON sim_ledger (visible_ms, signature);
"""


#: Orders that had not ended: one that nobody holds, and those that were held when that release was killed,
#: right after which step. And the ends beside a fill.
HELD = {"stored": "after_submitted", "building": "after_building", "routing": "after_routing"}
LIVE, ENDED = (*HELD, "pending"), ("failed", "cancelled", "expired")
ORDERS = 1 + len(LIVE) + len(ENDED)


@dataclass
class Older:
    """A database as the first release left it, with an order in each of its statuses."""

    settings: Settings
    url: str
    orders: dict[str, uuid.UUID]
    backup: Path


@contextmanager
def made(servers: Servers, template: str | None) -> Iterator[str]:
    name = f"u_{uuid.uuid4().hex[:12]}"
    own = make_url(servers.database_url)
    with connect(own.set(database="postgres").render_as_string(hide_password=False)) as admin:
        admin.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        yield own.set(database=name).render_as_string(hide_password=False)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def older(servers: Servers, template: str) -> Iterator[Older]:
    base = open_folder()
    settings = Settings(
        home=base / "a",
        redis_url=queue_of_its_own(servers),
        sim_latency_ms=0,
        sim_confirm_ms=0,
        sim_failure_rate=Decimal(0),
    )
    with made(servers, template) as now, made(servers, None) as url:
        orders = traded(replace(settings, database_url=now))
        db = open_database(url, pool_size=1)
        with transactions(db).begin() as conn:
            upgrade(conn, FIRST)
        db.dispose()
        with connect(now) as source, connect(url) as target:
            target.execute(ITS_NETWORK)
            copy_rows(source, target)
            for name in HELD:
                leave_held(target, orders[name])
            taken = base / "older.oee"
            back_up(url, target, taken)
        yield Older(replace(settings, database_url=url), url, orders, taken)
    shutil.rmtree(base, ignore_errors=True)


def traded(settings: Settings) -> dict[str, uuid.UUID]:
    """An order in each status, by the engine's own hands."""
    worker = Worker(settings, owner="older")
    # Nothing is sent by a worker that has not looked for a halt.
    worker.recovery.beat()
    assert settings.redis_url is not None
    bench = Bench(worker.db, settings.redis_url, worker.db)
    orders = {name: bench.place(key=f"key of {name}").id for name in ("done", *LIVE, *ENDED)}
    worker.execution.run(orders["done"])
    for name, place in HELD.items():
        # A fault right after that step: it goes on from there.
        failpoints.arm(f"{place}=lose", settings.home)
        worker.execution.run(orders[name])
    failpoints.arm("", settings.home)
    with worker.db.connect() as conn:
        assert move_sql.cancel(conn, orders["cancelled"])
    for name in ("failed", "expired"):
        assert bench.advance(bench.held(orders[name]), Status(name))
    bench.close()
    worker.close()
    return orders


def upgrade(conn: AlchemyConnection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def copy_rows(source: Connection, target: Connection) -> None:
    """What the older schema has columns for."""
    columns = target.execute("""
        SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'alembic_version'
        GROUP BY 1 ORDER BY table_name != 'orders'
    """).fetchall()
    for table, names in columns:
        with (
            source.cursor().copy(f"COPY (SELECT {as_older(names)} FROM {table}) TO STDOUT") as reading,  # noqa: S608
            target.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as writing,
        ):
            for chunk in reading:
                writing.write(chunk)
    target.execute("SELECT setval('order_numbers', (SELECT max(number) FROM orders))")


def as_older(names: str) -> str:
    """That release named tokens by their symbols, and so did its ledger."""
    symbols = json.dumps({token.mint: token.symbol for token in TOKENS.values()})
    for name in ("input_token", "output_token"):
        column = name if "visible_ms" in names else name.replace("token", "mint")
        names = names.replace(name, f"'{symbols}'::jsonb ->> {column}")
    base, quote = (f"('{symbols}'::jsonb ->> split_part(pair, '/', {n}))" for n in (1, 2))
    return names.replace(" pair,", f" {base} || '/' || {quote},")


def leave_held(sql: Connection, order_id: uuid.UUID) -> None:
    """As that release left an order when it was killed."""
    held = sql.execute(
        """
        UPDATE orders
        SET lease_owner = 'older', lease_until = now() + interval '30 seconds', next_run_at = now()
        WHERE id = %s
        """,
        (order_id,),
    )
    assert held.rowcount == 1


def back_up(url: str, sql: Connection, target: Path) -> None:
    """What that release's `oee backup` wrote."""
    about = {
        "format": 1,
        "version": "0.1.0",
        "revision": FIRST,
        "takenAt": "2026-11-23T10:00:00Z",
        "orders": ORDERS,
    }
    with atomic_file(target, replace=False) as out, sql.transaction():
        sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = sql.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        archive = archive_file.Archive(out)
        archive.add(archive_file.ABOUT, [json.dumps(about).encode()])
        archive.add(archive_file.DUMP, archive_dump.read(url, row[0]))
        archive.end()
    target.chmod(0o644)


def test_a_database_of_an_older_release_is_upgraded_and_its_orders_go_on(older: Older) -> None:
    worker = Worker(older.settings, owner="newer")
    try:
        with pytest.raises(OtherRelease, match=f"revision {FIRST}.*start the daemon first"):
            migrations.require(worker.db)
        assert migrations.migrate(worker.db) is True
        migrations.require(worker.db)
        with worker.db.connect() as conn:
            assert lease_sql.clear_leases(conn, "older") == len(HELD)
        worker.recovery.beat()
        for name in LIVE:
            worker.execution.run(older.orders[name])
    finally:
        worker.close()
    with connect(older.url) as sql:
        found: dict[str, int] = dict(sql.execute("SELECT status, count(*) FROM orders GROUP BY 1").fetchall())
        assert found == {"confirmed": 1 + len(LIVE)} | dict.fromkeys(ENDED, 1)
        assert sql.execute("SELECT count(*) FROM sim_ledger WHERE state = 'landed'").fetchone() == (5,)
        sol, usdc = (TOKENS[symbol].mint for symbol in ("SOL", "USDC"))
        named = sql.execute("SELECT DISTINCT pair, input_mint, output_mint FROM orders").fetchall()
        assert named == [(f"{sol}/{usdc}", sol, usdc)]


def test_an_ordinary_account_restores_a_backup_of_an_older_release(older: Older) -> None:
    """And takes one of its own."""
    program, folder = embedded_binaries.client("pg_dump"), older.backup.parent / "ordinary"
    folder.mkdir()
    if ROOT:
        nobody = pwd.getpwnam("nobody")
        if program is None or Account("nobody", nobody.pw_uid, nobody.pw_gid, "root").barrier(program):
            pytest.skip("an ordinary account can't reach this installation")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    settings = Settings(home=folder / "home")

    def act() -> bool:
        said = restore(settings, older.backup, print)
        live = {"building": 1, "pending": 1, "routing": 1, "submitted": 1}
        assert (said["orders"], said["revision"], said["live"]) == (ORDERS, FIRST, live)
        servers = Servers(settings.home, postgres=True, valkey=False)
        servers.start()
        try:
            with connect(servers.database_url) as sql:
                assert_over(sql)
            again = take(settings, folder / "again.oee", replace=False, wallets=False, say=print)
        finally:
            servers.stop()
        assert (again["orders"], again["revision"]) == (ORDERS, migrations.HEAD)
        return True

    assert become("nobody", act) if ROOT else act()


def assert_over(sql: Connection) -> None:
    """Of this release's schema, and nothing of it can be sent, whatever the clock says."""
    assert sql.execute("SELECT version_num FROM alembic_version").fetchone() == (migrations.HEAD,)
    live = sql.execute("""
        SELECT expires_at, lease_owner, lease_until, next_run_at <= now() FROM orders
        WHERE finished_at IS NULL
    """).fetchall()
    assert len(live) == len(LIVE)
    for expires, owner, until_, due in live:
        assert (expires.year, owner, until_, due) == (1970, None, None, True)


@pytest.mark.parametrize(
    ("change", "worker", "daemon"),
    [
        (
            "UPDATE alembic_version SET version_num = '9999'",
            "The database is at revision 9999",
            "Another release of oee has taken over the database",
        ),
        (
            f"UPDATE alembic_version SET version_num = '{FIRST}'",  # noqa: S608  # a revision of ours
            f"The database is at revision {FIRST}",
            f"The database was put back to an older release's tables (revision {FIRST})",
        ),
        (
            "ALTER TABLE alembic_version RENAME TO gone",
            "The database has no schema of oee yet, or none that its search_path leads to",
            "The engine's tables are gone from the database",
        ),
    ],
    ids=["newer", "older", "gone"],
)
def test_a_daemon_and_its_workers_leave_a_database_that_is_not_of_their_release(
    servers: Servers, template: str, tmp_path: Path, change: str, worker: str, daemon: str
) -> None:
    with serving(servers, template, tmp_path / "h") as (_, api):
        assert api.end(api.place())["status"] == "confirmed"
        api.sql.execute(change.encode())
        assert api.daemon.process is not None
        assert api.daemon.process.wait(60) == 6
        log = api.daemon.log.read_text()
        assert f"x  {worker}" in log
        assert f"x  {daemon}" in log.splitlines()[-1]
        outside = {name: api.daemon.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL")}
        late = Cli(tmp_path / "elsewhere", **outside).run("worker")
        assert (late.returncode, late.stdout) == (6, "")
        assert "tart the daemon first" in late.stderr


def test_a_worker_waits_for_nobody_where_there_is_no_schema(servers: Servers) -> None:
    with made(servers, None) as url:
        db = open_database(url, pool_size=1)
        with pytest.raises(OtherRelease, match=r"no schema of oee yet.*Start the daemon first"):
            migrations.require(db)
        db.dispose()


def test_a_revision_is_what_its_file_is_named_by() -> None:
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    assert migrations.known() == {script.revision for script in revisions}
