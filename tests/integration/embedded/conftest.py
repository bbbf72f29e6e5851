"""Homes whose servers a test starts itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from tests.kit.homes import furnished, open_folder
from tests.kit.own_servers import queue, sql


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account can pass: a socket's path is limited, pytest's folders are closed."""
    path = open_folder()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / "home"


@pytest.fixture
def make(home: Path) -> Iterator[Callable[..., Servers]]:
    """Makes `Servers` of the home; stopped at the end, whatever came between."""
    made: list[Servers] = []

    def one(at: Path = home) -> Servers:
        made.append(Servers(at, postgres=True, valkey=True))
        return made[-1]

    yield one
    for servers in made:
        servers.stop()


@pytest.fixture(scope="package")
def template() -> Iterator[Path]:
    """A home with a row and a key in it, made once. Its database is that of all prepared homes: initdb would
    be the slow part of these tests."""
    path = open_folder()
    path.chmod(0o755)
    servers = Servers(furnished(path / "home"), postgres=True, valkey=True)
    try:
        servers.start()
        sql(servers, "CREATE TABLE kept AS SELECT 42 AS n")
        queue(servers).set("kept", 42)
        servers.stop()
        yield path / "home"
    finally:
        servers.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def used(template: Path, home: Path, make: Callable[..., Servers]) -> Servers:
    """The servers of a copy of that home, not started."""
    subprocess.run(["cp", "-Rp", str(template), str(home)], check=True)
    return make()
