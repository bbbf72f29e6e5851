"""The one daemon of all tests of the command line, and its `oee`.

A file that has an `api` of its own uses that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers
from tests.kit.api_daemon import Shared, queue_of_its_own
from tests.kit.commands import QUICK, Cli, serving, stopping
from tests.kit.homes import furnished

#: The command line of the daemon that most tests share, once it runs.
RUNNING: list[Cli] = []


@pytest.fixture(scope="session")
def bench(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    """Made by the first test that wants it, and there until the last one has run."""
    with serving(servers, template, tmp_path_factory.mktemp("cli") / "h") as running:
        RUNNING.append(running[0])
        yield running
        RUNNING.clear()


@pytest.fixture(scope="module", autouse=True)
def nothing_waits() -> Iterator[None]:
    """What the tests of one file leave waiting is no order of the next."""
    yield
    for cli in RUNNING:
        cli.run("cancel", "--all", "--yes")


@pytest.fixture
def cli(bench: tuple[Cli, Shared]) -> Cli:
    return bench[0]


@pytest.fixture
def api(bench: tuple[Cli, Shared]) -> Shared:
    return bench[1]


@pytest.fixture
def own(homes: Path) -> Iterator[Cli]:
    """A home with servers of its own, in which nothing runs yet."""
    made = Cli(furnished(homes / "h"), **QUICK)
    with stopping(made):
        yield made


@pytest.fixture
def outside(servers: Servers, database_url: str, homes: Path) -> Iterator[Cli]:
    """A home on servers outside, which start sooner."""
    made = Cli(homes / "h", OEE_DATABASE_URL=database_url, OEE_REDIS_URL=queue_of_its_own(servers), **QUICK)
    with stopping(made):
        yield made
