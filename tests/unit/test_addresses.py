"""Where a server is, as it may be shown and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oee_daemon.contract.addresses import place_of
from oee_daemon.home import home_database
from oee_daemon.home.home_database import note
from oee_daemon.start_errors import OtherDatabase

PLACES = {
    None: "own",
    "postgresql://me:s:e@cret@db.Example:5433/oee": "db.example:5433/oee",
    "postgresql+psycopg://oee@/oee?host=/tmp/x&port=5432": "/tmp/x:5432/oee",
    "postgres://me@[::1]/x": "localhost:5432/x",
    "postgresql://127.0.0.1/x?sslmode=require": "localhost:5432/x",
    "postgresql://h1:1,h2:2/d": "h1:1,h2:2/d",
    "postgresql://a,b/d": "a:5432,b:5432/d",
    "postgresql://me@h": "h:5432/me",
    "postgresql:///?service=prod": "prod:5432/0",
    "postgresql://[broken/x": "nowhere",
    "redis://:s3cret@h:6380/2": "h:6380/2",
    "rediss://h": "h:6379/0",
    "unix:///tmp/v.sock?db=3": "/tmp/v.sock/3",
}


@pytest.mark.parametrize(("url", "place"), PLACES.items())
def test_a_place_is_told_without_account_and_password(url: str | None, place: str) -> None:
    assert place_of(url) == place


OUTSIDE = "postgresql://me:s3cret@db/oee"


def begin(
    home: Path,
    url: str | None,
    *,
    switch: bool = False,
    engine: Callable[[str], str | None] = lambda _: None,
    used: Callable[[str], bool] = lambda _: False,
) -> None:
    """As the daemon does; a database that is not said to answer can't be asked."""
    home_database.require(home, url, switch=switch, engine=engine, used=used)


@pytest.mark.parametrize(
    ("before", "url", "allowed"),
    [
        ("nothing", None, True),
        ("nothing", OUTSIDE, True),
        # Homes of 0.1.0 wrote nothing down; what they hold tells.
        ("postgres", None, True),
        ("postgres", OUTSIDE, False),
        ("token", None, False),
        ("own", None, True),
        ("gone", None, False),
        ("own", OUTSIDE, False),
        (OUTSIDE, None, False),
        (OUTSIDE, "postgresql://you@DB:5432/oee", True),
        (OUTSIDE, "postgresql://me@db/other", False),
        (OUTSIDE, "postgresql://me@replica/oee", False),
    ],
)
def test_a_home_begins_on_the_database_it_has_worked_on(
    tmp_path: Path, before: str, url: str | None, allowed: bool
) -> None:
    if before == "postgres":
        (tmp_path / "postgres").mkdir()
    elif before == "token":
        (tmp_path / "token").touch()
    elif before != "nothing":
        note(tmp_path, None if before in ("own", "gone") else before)
        (tmp_path / "postgres").mkdir()
        if before == "own":
            (tmp_path / "postgres" / "PG_VERSION").touch()
        assert "s3cret" not in (tmp_path / "database.json").read_text()
    begin(tmp_path, url, switch=True)
    if allowed:
        begin(tmp_path, url)
        return
    with pytest.raises(OtherDatabase, match="--switch-database") as refused:
        begin(tmp_path, url)
    assert "s3cret" not in refused.value.message


def test_the_same_database_by_another_name_is_no_other(tmp_path: Path) -> None:
    note(tmp_path, OUTSIDE, engine="e-1")
    moved = "postgresql://me@db.internal/oee"
    begin(tmp_path, moved, engine=lambda url: "e-1" if url == moved else None)
    with pytest.raises(OtherDatabase):
        begin(tmp_path, moved, engine=lambda url: "e-2")


@pytest.mark.parametrize(
    ("found", "allowed"), [("e-1", True), (None, True), ("", False), ("e-2", False)]
)  # `None`: it can't be asked, or is out of sight
def test_another_database_in_the_same_place_is_another(
    tmp_path: Path, found: str | None, allowed: bool
) -> None:
    note(tmp_path, OUTSIDE, engine="e-1")
    begin(tmp_path, OUTSIDE, switch=True, engine=lambda _: found)
    if allowed:
        begin(tmp_path, OUTSIDE, engine=lambda _: found)
        return
    with pytest.raises(OtherDatabase, match="another one in its place"):
        begin(tmp_path, OUTSIDE, engine=lambda _: found)


def test_a_home_of_0_1_0_goes_on_with_the_database_outside_that_has_its_orders(tmp_path: Path) -> None:
    """That release wrote down nowhere which one it was."""
    (tmp_path / "token").touch()
    begin(tmp_path, OUTSIDE, used=lambda url: url == OUTSIDE)
    with pytest.raises(OtherDatabase):
        begin(tmp_path, OUTSIDE, used=lambda url: url != OUTSIDE)
    with pytest.raises(OtherDatabase):
        begin(tmp_path, None, used=lambda _: True)
