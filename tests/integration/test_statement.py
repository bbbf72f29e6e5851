"""A statement is text that psql takes, has a name, and fails as everything else on the pool does."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import oee_daemon
from oee_daemon.store.database import transactions
from oee_daemon.store.sql_statement import Statement, named_row

BOTH = Statement("""
    -- both: two rows
    SELECT n AS number, %(word)s::text AS word FROM generate_series(1, 2) n ORDER BY n
""")
NAMED = Statement(BOTH.text, named_row)


def test_rows_are_tuples_or_have_names(db: Engine) -> None:
    with db.connect() as conn:
        assert BOTH.first(conn, {"word": "so"}) == (1, "so")
        assert BOTH.all(conn, {"word": "so"}) == [(1, "so"), (2, "so")]
        assert [(row.number, row.word) for row in NAMED.all(conn, {"word": "so"})] == [(1, "so"), (2, "so")]


def test_it_is_part_of_the_connections_transaction(db: Engine) -> None:
    made = Statement("-- made: a table\nCREATE TABLE made (n int)")
    with pytest.raises(ZeroDivisionError), transactions(db).begin() as conn:
        made.run(conn)
        raise ZeroDivisionError
    with db.connect() as conn:
        assert conn.execute(text("SELECT to_regclass('made')")).scalar() is None


def test_its_errors_are_those_of_the_pool(db: Engine) -> None:
    with db.connect() as conn, pytest.raises(IntegrityError):
        Statement("-- twice: one key twice\nINSERT INTO engine SELECT e.* FROM generate_series(1, 2),"
                  " (SELECT 1, gen_random_uuid(), 'n', 'c', 'w') e").run(conn)  # fmt: skip
    with db.connect() as conn, pytest.raises(DBAPIError) as lost:
        Statement("-- end: this connection\nSELECT pg_terminate_backend(pg_backend_pid())").first(conn)
    assert lost.value.connection_invalidated
    with db.connect() as conn:
        assert BOTH.first(conn, {"word": "again"}) == (1, "again")


def statements() -> dict[str, Statement[object]]:
    """Every one that a module of the daemon has, by where it stands."""
    found = {}
    for module in pkgutil.walk_packages(oee_daemon.__path__, "oee_daemon."):
        if module.name.startswith(("oee_daemon.store.migrations.", "oee_daemon.__main__")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                found[f"{module.name}.{name}"] = value
    return found


def test_each_has_a_first_line_that_names_it() -> None:
    unnamed = [where for where, one in statements().items() if not one.text.startswith("-- ")]
    assert unnamed == []
