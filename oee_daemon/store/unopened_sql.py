"""What a database says of itself before the engine opens it: whose it is, and whether it has been used.

A home asks this while it decides whether it may begin on that database, before anything heavy is imported: so
the driver alone is used, only once there is something to ask. Nothing is written here.
"""

from __future__ import annotations

from typing import Any, LiteralString

#: Seconds to connect.
_CONNECT_S = 3

# Each is text that can be pasted into psql, as a `Statement` is.

_KNOWN = """
    -- known: whether an engine's row can be there, and whether its other tables are, perhaps out of sight
    SELECT to_regclass('engine')::text, EXISTS (SELECT FROM pg_class WHERE relname = 'order_numbers')
"""
_ENGINE = """
    -- engine: the id of the engine that works here
    SELECT id::text FROM engine
"""
_USED = """
    -- used: whether there is a table of orders
    SELECT to_regclass('orders') IS NOT NULL
"""


def engine_in(url: str) -> str | None:
    """The id that an engine stored in the database; empty where none has ever worked there, `None` where it
    can't be told."""
    known = _ask(url, _KNOWN)
    if known is None or not known[0]:
        return None if known is None or known[1] else ""
    found = _ask(url, _ENGINE)
    return str(found[0]) if found else None


def used_before(url: str) -> bool:
    """Whether the database has a table of orders already. False where it can't be asked."""
    found = _ask(url, _USED)
    return found is not None and bool(found[0])


def _ask(url: str, question: LiteralString) -> tuple[Any, ...] | None:
    """The first row; `None` where there is none, or the database can't be asked."""
    import psycopg

    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=_CONNECT_S) as connection:
            return connection.execute(question).fetchone()
    except psycopg.Error:
        return None
