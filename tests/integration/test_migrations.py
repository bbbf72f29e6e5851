"""The migrated database is what the code believes it is."""

from __future__ import annotations

import threading
from importlib import import_module

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Engine, LargeBinary, Numeric, text
from sqlalchemy.exc import IntegrityError

from oee_daemon.api import order_wire
from oee_daemon.contract.protocol import EXIT_OUTSIDE
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.start_errors import StartFailed
from oee_daemon.store import migrations, order_rows
from oee_daemon.store.database import transactions
from oee_daemon.store.migrations import migration_wait
from oee_daemon.store.order_rows import ORDER, order_row
from oee_daemon.store.sql_statement import Statement
from tests.kit.tables import orders


@pytest.mark.usefixtures("template")
def test_each_column_of_an_order_is_read_as_what_it_is() -> None:
    read = {
        Numeric: {*order_rows._PRICES, *order_rows._UNITS},
        DateTime: set(order_rows._TIMES),
        LargeBinary: set(order_rows._BYTES),
    }
    for kind, names in read.items():
        there = {c.name for c in orders.c if isinstance(c.type, kind) and c.name in order_rows._COLUMNS}
        assert there == names
    assert {str(orders.c[name].type) for name in order_rows._PRICES} == {"NUMERIC"}
    assert {str(orders.c[name].type) for name in order_rows._UNITS} == {"NUMERIC(20, 0)"}


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


def earlier(db: Engine, revision: str, rows: str) -> None:
    """The database as an earlier release left it, with these rows."""
    config = Config()
    config.set_main_option("script_location", "oee_daemon.store:migrations")
    start_over(db)
    with transactions(db).begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)
        for statement in rows.split(";\n"):
            conn.execute(text(statement))


def test_what_may_run_is_due_what_waits_is_not_and_who_runs_keeps_its_slot(db: Engine) -> None:
    """Rows that a release wrote, and rows that a hand did, before there was one notion of runnable."""
    rows = """
        INSERT INTO orders (id, network, type, side, pair, input_token, output_token, amount, swap_mode,
            slippage_bps, valid_for_s, expires_at, status, next_run_at, finished_at, error, fence,
            lease_owner, lease_until, rung_at)
        SELECT gen_random_uuid(), 'simulated', 'market', 'sell', 'SOL/USDC', 'SOL', 'USDC', 1, 'ExactIn',
            50, 300, now() + interval '300 s', status, due, finished, error::jsonb, fence, owner,
            now() + lease * interval '1 s', rung
        FROM (VALUES
            ('pending', now() - interval '9 s', NULL::timestamptz, NULL, 0, NULL, NULL::int, now()),
            ('pending', NULL, NULL, NULL, 1, NULL, NULL, NULL),
            ('submitted', now(), NULL, NULL, 2, 'a worker', 15, now()),
            ('waiting', now(), NULL, NULL, 3, 'a worker', 15, now()),
            ('failed', now(), now(), '{"code": "no_route"}', 4, NULL, NULL, NULL),
            ('cancelled', NULL, now(), NULL, 5, NULL, NULL, NULL)
        ) AS r (status, due, finished, error, fence, owner, lease, rung);
        INSERT INTO slots SELECT n, (SELECT id FROM orders WHERE fence = n), now()
        FROM generate_series(1, 3) n;
        UPDATE slots SET order_id = NULL WHERE slot = 1
    """
    earlier(db, "0004", rows)
    before = "SELECT fence, next_run_at FROM orders WHERE fence IN (0, 2) ORDER BY fence"
    with db.connect() as conn:
        due = conn.execute(text(before)).all()
    assert migrations.migrate(db) is True
    with db.connect() as conn:
        found = conn.execute(
            text("""
                SELECT status, next_run_at <= now(), finished_at IS NULL, lease_owner,
                    lease_until > now(), rung_at IS NULL FROM orders ORDER BY fence
            """)
        ).all()
        assert found == [
            ("pending", True, True, None, None, False),
            ("pending", True, True, None, None, True),
            ("submitted", True, True, "a worker", True, False),
            ("waiting", None, True, None, None, True),
            ("failed", None, False, None, None, True),
            ("cancelled", None, False, None, None, True),
        ]
        assert conn.execute(text(before)).all() == due, "what was due is due when it was"
        slots = """SELECT class, slot, status FROM execution_slots s LEFT JOIN orders o ON o.id = s.order_id
            ORDER BY slot"""
        held = [("market", 1, None), ("market", 2, "submitted"), ("market", 3, None)]
        assert conn.execute(text(slots)).all() == held
        for wrong in (
            "UPDATE orders SET next_run_at = NULL WHERE status = 'pending'",
            "UPDATE orders SET next_run_at = now() WHERE status = 'waiting'",
        ):
            with pytest.raises(IntegrityError, match="orders_runnable"):
                conn.execute(text(wrong))


def test_symbols_become_mints_and_what_nobody_knows_stays(db: Engine) -> None:
    """Of a market of the first release and of one that it never had, with an order for each side."""
    first = """INSERT INTO orders (id, network, type, side, pair, input_token, output_token, amount,
        swap_mode, slippage_bps, valid_for_s, status, expires_at) VALUES
        (gen_random_uuid(), 'simulated', 'market', 'sell', 'SOL/USDC', 'SOL', 'USDC', 1, 'ExactIn', 50, 300,
            'pending', now()),
        (gen_random_uuid(), 'simulated', 'market', 'buy', 'mSOL/FOO', 'FOO', 'mSOL', 1, 'ExactIn', 50, 300,
            'pending', now())"""
    earlier(db, "0004", first)
    assert migrations.migrate(db) is True
    sol, usdc, msol = (TOKENS[symbol].mint for symbol in ("SOL", "USDC", "mSOL"))
    with db.connect() as conn:
        found = Statement(f"SELECT {ORDER} FROM orders ORDER BY number", order_row).all(conn)  # noqa: S608
    assert [(o.pair, o.input_mint, o.output_mint) for o in found] == [
        (f"{sol}/{usdc}", sol, usdc),
        (f"{msol}/FOO", "FOO", msol),
    ]
    shown = [order_wire.order_json(order, TokenBook("simulated", TOKENS.values())) for order in found]
    assert [(o["pair"], o["inputToken"], o["outputToken"], o["amount"]) for o in shown] == [
        ("SOL/USDC", "SOL", "USDC", "0.000000001"),
        ("mSOL/FOO", "FOO", "mSOL", "1"),
    ]
    # The release's list is what this release lists, too.
    known = import_module("oee_daemon.store.migrations.versions.0007_mints")
    assert {t.symbol: t.mint for t in TOKENS.values()} == known.MINTS


def test_a_table_that_somebody_holds_is_told_with_who_holds_it_and_nothing_is_changed(
    db: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A report that was left open: the daemon stood still for an hour and said nothing."""
    monkeypatch.setattr(migration_wait, "PATIENCE_S", 3)
    earlier(db, "0001", "SELECT 1")
    with transactions(db).begin() as report:
        pid, _ = report.execute(text("SELECT pg_backend_pid(), count(*) FROM orders")).one()
        held = (
            rf"held by process {pid} of Postgres, .*, idle in transaction, for 0:00:.*SELECT pg_backend_pid"
        )
        with pytest.raises(StartFailed, match=held) as e:
            migrations.migrate(db)
        assert (e.value.code, e.value.exit_code) == ("schema_held", EXIT_OUTSIDE)
        assert migrations.current(db) == "0001"
    (told,) = (vars(record) for record in caplog.records if record.message == "the migration waits")
    assert f"process {pid} " in told["reason"]
    assert migrations.migrate(db) is True
