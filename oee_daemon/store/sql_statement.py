"""One SQL statement, as text that can be pasted into psql, and how it is run.

Under ten threads one interpreter's CPU is the engine's limit, and SQLAlchemy's own execution costs as much of
it as the driver's. So a statement goes to psycopg itself: same connection, same pool, same errors. SQLAlchemy
stays for tables, pool and migrations. No statement stands here, and nothing here commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, Generic, TypeVar, overload

import psycopg
from psycopg.rows import RowFactory, TupleRow, namedtuple_row, tuple_row
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from oee_daemon.store.postgres_connection import Bounded

Row = TypeVar("Row")

#: Rows that are read by their columns' names.
named_row: RowFactory[Any] = namedtuple_row
_NONE: Mapping[str, Any] = {}


class Statement(Generic[Row]):
    """One statement. Its text is psycopg's, with `%(name)s` for a parameter and `%%` for a per cent sign; its
    first line is `-- name: what it does`. Conditions on orders are composed from `predicates`.

    Rows are tuples, or what a row factory of psycopg makes of them: `named_row`, or `class_row(AClass)`.
    JSON goes in as `Jsonb(value)`, base units as `Decimal`: some of them are larger than a bigint.
    """

    __slots__ = ("_rows", "text")

    @overload
    def __init__(self: Statement[TupleRow], text: str) -> None: ...
    @overload
    def __init__(self, text: str, rows: RowFactory[Row]) -> None: ...
    def __init__(self, text: str, rows: RowFactory[Any] = tuple_row) -> None:
        self.text = cleandoc(text)
        self._rows = rows

    def first(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Row | None:
        """Its first row, in a transaction of its own where the connection is in autocommit.

        Raises `DBAPIError` as SQLAlchemy would, and drops a connection that is lost.
        """
        try:
            return self.ask(driver(conn), values).fetchone()
        except psycopg.Error as e:
            raise fault(conn, e, self.text) from e

    def one(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Row:
        """Its first row, of a statement that always has one; otherwise as `first`."""
        row = self.first(conn, values)
        assert row is not None, self.text
        return row

    def all(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> list[Row]:
        """Its rows; otherwise as `first`."""
        try:
            return self.ask(driver(conn), values).fetchall()
        except psycopg.Error as e:
            raise fault(conn, e, self.text) from e

    def value(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> Any:
        """The first value of its first row; none where there is no row. Otherwise as `first`."""
        row: Any = self.first(conn, values)
        return None if row is None else row[0]

    def column(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> list[Any]:
        """The first value of each of its rows; otherwise as `first`."""
        rows: list[Any] = self.all(conn, values)
        return [row[0] for row in rows]

    def run(self, conn: Connection, values: Mapping[str, Any] = _NONE) -> int:
        """How many rows it wrote, where it returns none; otherwise as `first`."""
        try:
            return self.ask(driver(conn), values).rowcount
        except psycopg.Error as e:
            raise fault(conn, e, self.text) from e

    def ask(self, raw: psycopg.Connection[Any], values: Mapping[str, Any] = _NONE) -> psycopg.Cursor[Row]:
        """Runs it on the driver's connection, errors as they are."""
        return raw.cursor(row_factory=self._rows).execute(self.text, values)


def driver(conn: Connection) -> Bounded:
    """The driver's connection under SQLAlchemy's."""
    found: Bounded = conn.connection.driver_connection  # type: ignore[assignment]
    return found


def fault(conn: Connection, error: psycopg.Error, statement: str | None) -> DBAPIError:
    """The error as SQLAlchemy words it; the pool is told where the connection is lost.

    Without a statement it is a commit's, of which nothing can be said where its answer is lost.
    """
    raw = driver(conn)
    lost = raw.closed or raw.broken
    if lost:
        conn.invalidate(error)
    found = DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=lost)
    assert isinstance(found, DBAPIError)
    return found
