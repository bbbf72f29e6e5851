"""The home folder as one process holds it: its lock, its place, and where its socket goes."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from oee_cli.doctor.doctor_paths import socket_path
from oee_cli.settings.settings_load import Settings as CliSettings
from oee_daemon.home.home_folder import Home
from oee_daemon.settings import Settings
from oee_daemon.start_errors import AlreadyRunning, HomeLost, StartFailed


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(Settings(home=tmp_path / "h"))
    made.prepare()
    return made


def test_whatever_is_cleaned_away_nobody_else_gets_the_home(home: Home) -> None:
    home.hold()
    for name in ("daemon.lock", "start.lock", "worker.lock"):
        (home.run / name).unlink(missing_ok=True)
    with pytest.raises(AlreadyRunning):
        Home(Settings(home=home.path)).hold()
    home.mend()
    assert (home.run / "daemon.lock").read_text() == f"{os.getpid()}\n"
    home.must_be_held()


def test_who_came_in_by_the_files_lock_alone_is_made_room_for(home: Home) -> None:
    """An older release's daemon, after somebody removed the file."""
    home.hold()
    (home.run / "daemon.lock").unlink()
    with (home.run / "daemon.lock").open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(HomeLost):
            home.mend()


def test_a_file_system_that_locks_no_folders_leaves_the_files_lock(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def on_files(lock: int, how: int) -> None:
        if os.path.samestat(os.fstat(lock), home.path.stat()):
            raise OSError(9, "Bad file descriptor")
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", on_files)
    home.hold()
    with pytest.raises(AlreadyRunning, match=f"as process {os.getpid()}"):
        Home(Settings(home=home.path)).hold()


def test_a_home_without_locks_is_refused_in_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", never)
    with pytest.raises(StartFailed, match="can't be locked: Operation not supported"):
        home.hold()


def test_a_home_that_is_elsewhere_is_lost_and_nothing_is_written_by_its_path(home: Home) -> None:
    home.hold()
    home.identity()
    home.announce({"pid": 1})
    home.path.rename(home.path.with_name("aside"))
    for touch in (
        home.must_be_held,
        lambda: home.announce(None),
        lambda: home.announce({"pid": 2}),
        lambda: home.phase("ready"),
    ):
        with pytest.raises(HomeLost):
            touch()
        assert not home.path.exists()
    home.path.with_name("aside").rename(home.path)
    home.must_be_held()
    assert json.loads((home.run / "daemon.json").read_text()) == {"pid": 1}


def test_a_file_of_the_home_that_has_to_stay_is_missed_when_it_goes(home: Home) -> None:
    home.hold()
    (home.path / "kept").write_text("")
    home.keep("kept")
    home.must_be_held()
    (home.path / "kept").rename(home.path / "moved")
    (home.path / "kept").write_text("")
    with pytest.raises(HomeLost, match="kept was moved, removed or replaced"):
        home.must_be_held()


def test_a_home_that_can_not_be_looked_at_is_not_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.hold()

    def closed(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)
    home.must_be_held()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("oee_daemon.contract.socket_paths.TEMPORARY", tmp_path / "t")
    return tmp_path / "t"


LONG = Path("/x") / ("long" * 25) / "h"


def test_a_long_home_has_one_socket_whatever_the_session_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for runtime in ("", "/run/user/4242", "/tmp"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setenv("TMPDIR", "/nowhere")
        path = Home(Settings(home=LONG)).socket_path()
        assert path == socket_path(CliSettings(home=LONG))
        assert path.parent.is_dir() and path.parent.parent == Path("/tmp")
        path.parent.rmdir()
        found.add(path)
    assert len(found) == 1


def test_a_place_for_the_socket_that_can_not_be_had_is_told(temporary: Path) -> None:
    with pytest.raises(StartFailed, match="can't be made: No such file or directory"):
        Home(Settings(home=LONG)).socket_path()
    temporary.write_text("no folder")
    with pytest.raises(StartFailed, match="can't be made: Not a directory"):
        Home(Settings(home=LONG)).socket_path()
    temporary.unlink()
    temporary.mkdir()
    path = Home(Settings(home=LONG)).socket_path()
    path.parent.chmod(0o755)
    with pytest.raises(StartFailed, match="is not ours alone"):
        Home(Settings(home=LONG)).socket_path()
