"""The SQL of tokens that are not pinned: those that the user added, and those that an order named by a mint.

A row is never deleted: by its decimals alone the amounts of past orders can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from oee_daemon.store.sql_statement import Statement, named_row

_COLUMNS = "mint, symbol, decimals, facts, accepted, added"
_ALL = Statement(
    f"-- all: tokens that are not pinned\nSELECT {_COLUMNS} FROM tokens ORDER BY made_at", named_row
)
_SOME = Statement(
    f"-- some: by their mints\nSELECT {_COLUMNS} FROM tokens WHERE mint = ANY(%(mints)s)", named_row
)
_NAMED = Statement(
    f"""
    -- named: by their symbols, in small letters, and by their mints
    SELECT {_COLUMNS} FROM tokens WHERE lower(symbol) = ANY(%(symbols)s) OR mint = ANY(%(mints)s)
    """,  # noqa: S608  # our own columns
    named_row,
)
_SEE = Statement("""
    -- see: a token that an order names; what is known of it already stays
    INSERT INTO tokens (mint, decimals, facts) VALUES (%(mint)s, %(decimals)s, %(facts)s)
    ON CONFLICT (mint) DO NOTHING
""")
_ADD = Statement("""
    -- add: what the user says of a token, and what the chain says of it now
    INSERT INTO tokens (mint, symbol, decimals, facts, accepted, added)
    VALUES (%(mint)s, %(symbol)s, %(decimals)s, %(facts)s, %(accepted)s, true)
    ON CONFLICT (mint) DO UPDATE SET symbol = EXCLUDED.symbol, decimals = EXCLUDED.decimals,
        facts = EXCLUDED.facts, accepted = EXCLUDED.accepted, added = true
""")
_REMOVE = Statement("""
    -- remove: nothing that the user said of it holds any more
    UPDATE tokens SET symbol = NULL, accepted = '{}', added = false WHERE mint = %(mint)s AND added
""")


def every(conn: Connection) -> Sequence[Any]:
    return _ALL.all(conn)


def some(conn: Connection, mints: Sequence[str]) -> Sequence[Any]:
    return _SOME.all(conn, {"mints": list(mints)})


def named(conn: Connection, symbols: Sequence[str], mints: Sequence[str]) -> Sequence[Any]:
    return _NAMED.all(conn, {"symbols": list(symbols), "mints": list(mints)})


def see(conn: Connection, mint: str, decimals: int, facts: Mapping[str, Any]) -> None:
    _SEE.run(conn, {"mint": mint, "decimals": decimals, "facts": Jsonb(dict(facts))})


def add(
    conn: Connection,
    mint: str,
    decimals: int,
    facts: Mapping[str, Any],
    *,
    symbol: str | None,
    accepted: Sequence[str],
) -> None:
    """Raises `IntegrityError` where another token has the symbol."""
    values = {"mint": mint, "decimals": decimals, "facts": Jsonb(dict(facts))}
    _ADD.run(conn, values | {"symbol": symbol, "accepted": list(accepted)})


def remove(conn: Connection, mint: str) -> bool:
    """False: nobody had added it."""
    return _REMOVE.run(conn, {"mint": mint}) > 0
