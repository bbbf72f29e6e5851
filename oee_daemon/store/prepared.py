"""The few statements that every order passes through, compiled once and run by psycopg itself.

Under ten threads one interpreter's CPU is the engine's limit, and SQLAlchemy's own execution costs as much of
it as the driver's. So these skip it: same connection, same pool, same errors, tuples for rows. Everything
else stays with SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import JSON, Connection, Executable
from sqlalchemy.dialects.postgresql import psycopg as dialects
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from oee_daemon.store.statement import driver, fault

_DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]


class Prepared:
    """One statement with its named parameters. Text is psycopg's: `%(name)s`.

    What was built by SQLAlchemy also runs on SQLite, as SQLAlchemy runs it.
    """

    __slots__ = ("_json", "_sql", "_statement", "_values")

    def __init__(self, statement: Executable | str) -> None:
        self._statement = statement
        self._sql = statement if isinstance(statement, str) else ""
        self._values: dict[str, Any] = {}
        self._json: tuple[str, ...] = ()

    def _compile(self) -> None:
        compiled = cast(SQLCompiler, cast(ClauseElement, self._statement).compile(dialect=_DIALECT))
        self._json = tuple(name for name, bind in compiled.binds.items() if isinstance(bind.type, JSON))
        # What the statement itself says; the caller gives the rest.
        fixed = {name: bind for name, bind in compiled.binds.items() if not bind.required}
        self._values = {name: self._bound(name, bind.effective_value) for name, bind in fixed.items()}
        # Last: until this is set, another thread compiles it as well.
        self._sql = str(compiled)

    def _bound(self, name: str, value: Any) -> Any:
        return Jsonb(value) if name in self._json and value is not None else value

    def first(self, conn: Connection, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Its first row, in a transaction of its own where the connection is in autocommit.

        Raises `DBAPIError` as SQLAlchemy would, and drops a connection that is lost.
        """
        if conn.dialect.name != _DIALECT.name and not isinstance(self._statement, str):
            row = conn.execute(self._statement, dict(values)).first()
            return None if row is None else tuple(row)
        try:
            return self.ask(driver(conn), values).fetchone()
        except psycopg.Error as e:
            raise fault(conn, e, self._sql) from e

    def all(self, conn: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Its rows; otherwise as `first`."""
        try:
            return self.ask(driver(conn), values).fetchall()
        except psycopg.Error as e:
            raise fault(conn, e, self._sql) from e

    def ask(self, raw: psycopg.Connection[Any], values: Mapping[str, Any]) -> psycopg.Cursor[Any]:
        """Runs it on the driver's connection, errors as they are."""
        if not self._sql:
            self._compile()
        given = {**self._values, **values}
        for name in self._json:
            given[name] = self._bound(name, given[name])
        return raw.execute(self._sql, given)
