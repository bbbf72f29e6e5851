"""Writes down which database a home works on, once that has answered, so that the home never begins on
another one unasked: an order that was placed in the one is not known in the other, and would be bought again.

The file says `own`, or where the database is, without account and password.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.contract.addresses import OWN, place_of
from oee_daemon.contract.atomic_file import atomic_write
from oee_daemon.start_errors import OtherDatabase


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
    engine: Callable[[str], str | None],
    used: Callable[[str], bool],
) -> None:
    """Raises `OtherDatabase` where this home has worked on another one. `switch`: that is meant.

    `engine` asks a database for the id stored in it: the same database by another name is no other, and
    another one in the same place is. `used` asks whether it has orders: a home of 0.1.0 did not say which it
    was. Both are in `store.unopened_sql`.
    """
    before, now = _database_before(home), place_of(url)
    if switch or before is None:
        return
    if url is not None and not before.place and used(url):
        return
    same = before.place == now
    if url is None:
        if same and not _own_database_is_gone(home):
            return
    elif before.engine is None:
        if same:
            return
    elif (found := engine(url)) == before.engine or (same and found is None):
        return
    begins = "another one in its place" if same else _describe_database(now, home)
    why = "OEE_DATABASE_URL is not set here. " if url is None else "OEE_DATABASE_URL says so. "
    if same:
        why = "Put back the one that is gone. " if url is None else ""
    raise OtherDatabase(
        f"{home} has worked on {_describe_database(before.place, home)}, and would begin on {begins}: "
        "orders and idempotency keys of the one are unknown to the other, which could place them again. "
        f"{why}If it is meant: oee daemon restart --switch-database"
    )


def is_new(home: Path, url: str | None) -> bool:
    """It is to have a database of its own, and has none yet."""
    return url is None and not (home / home_files.POSTGRES).exists()


def note(home: Path, url: str | None, engine: str | None = None) -> None:
    """Writes down that the database has answered: from now on it is this home's."""
    found = Database(place_of(url), engine or None)
    if _read_note(home) != found:
        atomic_write(_note_file(home), json.dumps({"database": found.place, "engine": found.engine}) + "\n")


def _note_file(home: Path) -> Path:
    return home / home_files.DATABASE


def _read_note(home: Path) -> Database | None:
    try:
        told = json.loads(_note_file(home).read_text())
        return Database(str(told["database"]), told.get("engine"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _database_before(home: Path) -> Database | None:
    """What is written; before 0.2.0 nothing was, but a home that has its own database shows it, and one that
    has worked without (its token is made last) had another."""
    found = _read_note(home)
    if found is not None:
        return found
    if (home / home_files.POSTGRES).exists():
        return Database(OWN)
    return Database("") if (home / home_files.TOKEN).exists() else None


def _own_database_is_gone(home: Path) -> bool:
    """Its own database had answered, and there is none any more."""
    data = home / home_files.POSTGRES
    return _read_note(home) is not None and not (data.is_dir() and any(data.iterdir()))


def _describe_database(place: str, home: Path) -> str:
    if place == OWN:
        return f"its own database ({home / 'postgres'})"
    return f"the database at {place}" if place else "a database outside, or one that was moved away"
