"""Which database a home works on, written down once it has answered, so that the home never begins on
another one unasked: what was placed on the one is not known on the other, and would be bought again.

The file says `own`, or where the database is, without account and password.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from oee_daemon.contract.addresses import OWN, place_of
from oee_daemon.contract.atomic_file import atomic_write
from oee_daemon.errors import OtherDatabase

#: Seconds to connect to a database that is asked who it is.
_ASK_S = 3
#: Whether an engine's row can be there, and whether its other tables are, perhaps out of sight.
_KNOWN = "SELECT to_regclass('engine')::text, EXISTS (SELECT FROM pg_class WHERE relname = 'order_numbers')"


@dataclass(frozen=True, slots=True)
class Database:
    """`place` is `own` or `host:port/name`; `engine` the id that is stored in the database, once known."""

    place: str
    engine: str | None = None


def require(
    home: Path,
    url: str | None,
    *,
    switch: bool,
    engine: Callable[[str], str | None] | None = None,
    used: Callable[[str], bool] | None = None,
) -> None:
    """Raises `OtherDatabase` where this home has worked on another one. `switch`: that is meant.

    `engine` asks a database for the id stored in it, as `engine_in` does: the same one by another name is no
    other, and another one in the same place is. `used` asks whether it has orders, as `used_before` does: a
    home of 0.1.0 did not say which it was.
    """
    before, now = _before(home), place_of(url)
    if switch or before is None:
        return
    if url is not None and not before.place and (used or used_before)(url):
        return
    same = before.place == now
    if url is None:
        if same and not _gone(home):
            return
    elif before.engine is None:
        if same:
            return
    elif (found := (engine or engine_in)(url)) == before.engine or (same and found is None):
        return
    begins = "another one in its place" if same else _named(now, home)
    why = "OEE_DATABASE_URL is not set here. " if url is None else "OEE_DATABASE_URL says so. "
    if same:
        why = "Put back the one that is gone. " if url is None else ""
    raise OtherDatabase(
        f"{home} has worked on {_named(before.place, home)}, and would begin on {begins}: "
        "orders and idempotency keys of the one are unknown to the other, which could place them again. "
        f"{why}If it is meant: oee daemon restart --switch-database"
    )


def engine_in(url: str) -> str | None:
    """The id that an engine stored in its database; empty where none has ever worked there, `None` where it
    can't be told."""
    known = _asked(url, _KNOWN)
    if known is None or not known[0]:
        return None if known is None or known[1] else ""
    found = _asked(url, "SELECT id::text FROM engine")
    return str(found[0]) if found else None


def used_before(url: str) -> bool:
    """Whether it has a place for orders already. False where it can't be asked."""
    found = _asked(url, "SELECT to_regclass('orders') IS NOT NULL")
    return found is not None and bool(found[0])


def _asked(url: str, question: LiteralString) -> tuple[Any, ...] | None:
    """The first row; `None` where there is none, or the database can't be asked."""
    import psycopg

    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=_ASK_S) as connection:
            return connection.execute(question).fetchone()
    except psycopg.Error:
        return None


def note(home: Path, url: str | None, engine: str | None = None) -> None:
    """The database has answered: from now on it is this home's."""
    found = Database(place_of(url), engine or None)
    if _read(home) != found:
        atomic_write(_file(home), json.dumps({"database": found.place, "engine": found.engine}) + "\n")


def _file(home: Path) -> Path:
    return home / "database.json"


def _read(home: Path) -> Database | None:
    try:
        told = json.loads(_file(home).read_text())
        return Database(str(told["database"]), told.get("engine"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _before(home: Path) -> Database | None:
    """What is written; before 0.2.0 nothing was, but a home that has its own database shows it, and one that
    has worked without (its token is made last) had another."""
    found = _read(home)
    if found is not None:
        return found
    if (home / "postgres").exists():
        return Database(OWN)
    return Database("") if (home / "token").exists() else None


def _gone(home: Path) -> bool:
    """Its own database had answered, and there is none any more."""
    data = home / "postgres"
    return _read(home) is not None and not (data.is_dir() and any(data.iterdir()))


def _named(place: str, home: Path) -> str:
    if place == OWN:
        return f"its own database ({home / 'postgres'})"
    return f"the database at {place}" if place else "a database outside, or one that was moved away"
