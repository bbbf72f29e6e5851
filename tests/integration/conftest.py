"""The bench that the engine's own tests work at. The API's and the daemon's tests don't need it.

They share one database, which is emptied before each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.store.database import open_database
from tests.kit.databases import EMPTY, Databases, connect
from tests.kit.engine import Bench


@pytest.fixture(scope="session")
def shared_url(databases: Databases) -> str:
    """One more copy of the migrated template; it goes with the servers."""
    return databases.take()


@pytest.fixture(scope="session")
def shared_db(shared_url: str) -> Iterator[Engine]:
    engine = open_database(shared_url, pool_size=24)
    yield engine
    engine.dispose()


@pytest.fixture
def empty_url(shared_url: str, shared_db: Engine) -> str:
    """The address of the shared database, with nothing in it."""
    with shared_db.connect() as conn:
        conn.exec_driver_sql(EMPTY)
    return shared_url


@pytest.fixture
def sql(empty_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Of its own, beside the bench's."""
    with connect(empty_url) as conn:
        yield conn


@pytest.fixture
def bench(shared_db: Engine, empty_url: str, redis_url: str, tmp_path: Path) -> Iterator[Bench]:
    """The chain's ledger is a file of its own, so that the engine's tables and the chain's can't agree
    by sharing a transaction."""
    ledger = open_file(tmp_path / "chain.db")
    made = Bench(shared_db, redis_url, ledger)
    yield made
    failpoints.arm("", tmp_path)
    made.close()
    ledger.dispose()
