"""The one daemon of all tests of the command line, and its `oee`.

A file that has an `api` of its own uses that one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oee_daemon.embedded import Servers
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli, serving


@pytest.fixture(scope="session")
def bench(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    """Made by the first test that wants it, and there until the last one has run."""
    with serving(servers, template, tmp_path_factory.mktemp("cli") / "h") as running:
        yield running


@pytest.fixture
def cli(bench: tuple[Cli, Shared]) -> Cli:
    return bench[0]


@pytest.fixture
def api(bench: tuple[Cli, Shared]) -> Shared:
    return bench[1]
