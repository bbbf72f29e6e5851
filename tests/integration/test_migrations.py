"""The migrated database is what the code believes it is."""

from __future__ import annotations

import threading
from importlib import import_module

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from oee_daemon.api import wire
from oee_daemon.errors import StartFailed
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import migrations
from oee_daemon.store.database import transactions
from oee_daemon.store.order_rows import ORDER, order_row
from oee_daemon.store.statement import Statement
from oee_daemon.store.tables import Xid8, metadata


def test_the_migrations_make_the_tables_that_the_code_names(db: Engine) -> None:
    """And no other: a network's tables are its own."""
    # SQLAlchemy does not know it by itself.
    PGDialect.ischema_names["xid8"] = Xid8
    start_over(db)
    migrations.migrate(db)
    with db.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []


def start_over(db: Engine) -> None:
    with db.connect() as conn:
        conn.execute(text("DROP SCHEMA public CASCADE"))
        conn.execute(text("CREATE SCHEMA public"))


def test_head_is_the_newest_file() -> None:
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_nothing_is_done_where_nothing_is_new(db: Engine) -> None:
    assert migrations.migrate(db) is False


def test_many_starts_at_once_migrate_once(db: Engine) -> None:
    start_over(db)
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


def test_symbols_become_mints_and_what_nobody_knows_stays(db: Engine) -> None:
    """Of a market of the first release and of one that it never had, with an order for each side."""
    first = """INSERT INTO orders (id, network, type, side, pair, input_token, output_token, amount,
        swap_mode, slippage_bps, valid_for_s, status, expires_at) VALUES
        (gen_random_uuid(), 'simulated', 'market', 'sell', 'SOL/USDC', 'SOL', 'USDC', 1, 'ExactIn', 50, 300,
            'pending', now()),
        (gen_random_uuid(), 'simulated', 'market', 'buy', 'mSOL/FOO', 'FOO', 'mSOL', 1, 'ExactIn', 50, 300,
            'pending', now())"""
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    start_over(db)
    with transactions(db).begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0004")
        conn.execute(text(first))
    assert migrations.migrate(db) is True
    sol, usdc, msol = (TOKENS[symbol].mint for symbol in ("SOL", "USDC", "mSOL"))
    with db.connect() as conn:
        found = Statement(f"SELECT {ORDER} FROM orders ORDER BY number", order_row).all(conn)  # noqa: S608
    assert [(o.pair, o.input_mint, o.output_mint) for o in found] == [
        (f"{sol}/{usdc}", sol, usdc),
        (f"{msol}/FOO", "FOO", msol),
    ]
    shown = [wire.order_json(order, TokenBook("simulated", TOKENS.values())) for order in found]
    assert [(o["pair"], o["inputToken"], o["outputToken"], o["amount"]) for o in shown] == [
        ("SOL/USDC", "SOL", "USDC", "0.000000001"),
        ("mSOL/FOO", "FOO", "mSOL", "1"),
    ]
    # The release's list is what this release lists, too.
    known = import_module("oee_daemon.store.migrations.versions.0007_mints")
    assert {t.symbol: t.mint for t in TOKENS.values()} == known.MINTS
