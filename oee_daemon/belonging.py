"""Which database a home works on, written down once it has answered, so that the home never begins on
another one unasked: what was placed on the one is not known on the other, and would be bought again.

The file says `own`, or where the database is, without account and password.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oee_daemon.addresses import OWN, place_of
from oee_daemon.errors import OtherDatabase
from oee_daemon.home import write_whole

#: Seconds to connect to a database that is asked who it is.
_ASK_S = 3


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
    other. `used` asks whether it has orders, as `used_before` does: a home of 0.1.0 did not say which it was.
    """
    before, now = _before(home), place_of(url)
    if switch or before is None or before.place == now:
        return
    if url is not None and not before.place and (used or used_before)(url):
        return
    if url is not None and before.engine is not None and (engine or engine_in)(url) == before.engine:
        return
    raise OtherDatabase(
        f"{home} has worked on {_named(before.place, home)}, and would begin on {_named(now, home)}: "
        "orders and idempotency keys of the one are unknown to the other, which could place them again. "
        + ("OEE_DATABASE_URL is not set here. " if url is None else "OEE_DATABASE_URL says so. ")
        + "If it is meant: oee daemon restart --switch-database"
    )


def engine_in(url: str) -> str | None:
    """The id that an engine stored in its database; `None` where there is none, or it can't be asked."""
    found = _asked(url, "engine", "SELECT id::text FROM engine")
    return str(found[0]) if found else None


def used_before(url: str) -> bool:
    """Whether it has a place for orders already. False where it can't be asked."""
    return _asked(url, "orders", "SELECT true") is not None


def _asked(url: str, table: str, question: str) -> tuple[Any, ...] | None:
    """The first row; `None` where there is none, or no such table, or the database can't be asked."""
    import psycopg

    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=_ASK_S) as connection:
            known = connection.execute("SELECT to_regclass(%s)::text", (table,)).fetchone()
            return connection.execute(question.encode()).fetchone() if known and known[0] else None
    except psycopg.Error:
        return None


def note(home: Path, url: str | None, engine: str | None = None) -> None:
    """The database has answered: from now on it is this home's."""
    found = Database(place_of(url), engine)
    if _read(home) != found:
        write_whole(_file(home), json.dumps({"database": found.place, "engine": found.engine}) + "\n")


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


def _named(place: str, home: Path) -> str:
    if place == OWN:
        return f"its own database ({home / 'postgres'})"
    return f"the database at {place}" if place else "a database outside, or one that was moved away"
