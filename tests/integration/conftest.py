"""The bench that the engine's own tests work at, on the database that tests share. The API's and the daemon's
tests don't need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.store.postgres_line import Line
from tests.kit.databases import connect
from tests.kit.engine import Bench
from tests.kit.now import now


@pytest.fixture
def sql(empty_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Of its own, beside the bench's."""
    with connect(empty_url) as conn:
        yield conn


@pytest.fixture(scope="session")
def _lines() -> Iterator[list[Line]]:
    """The line that the tests share, if there is one by now."""
    lines: list[Line] = []
    yield lines
    for line in lines:
        now(line.close())


@pytest.fixture
def bench(
    shared_db: Engine,
    empty_url: str,
    redis_url: str,
    ledger_file: Engine,
    tmp_path: Path,
    _lines: list[Line],
) -> Iterator[Bench]:
    """The chain's ledger is a file of its own, so that the engine's tables and the chain's can't agree
    by sharing a transaction."""
    line = _lines.pop() if _lines else Line(shared_db.url)
    made = Bench(shared_db, redis_url, ledger_file, line)
    yield made
    failpoints.arm("", tmp_path)
    made.close()
    if line._busy or line._closed:
        # What is still in the air is of this test.
        now(line.close())
    else:
        _lines.append(line)
