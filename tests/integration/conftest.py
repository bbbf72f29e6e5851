"""The bench that the engine's own tests work at. The API's and the daemon's tests don't need it.

A database of each test's own takes a quarter of a second; these tests are many, so they share one, which
is emptied before each: its rows, its sequences and its chain.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from oee_daemon import failpoints
from oee_daemon.embedded import Servers
from oee_daemon.networks.simulated.ledger import open_file
from oee_daemon.store.database import open_database
from tests.kit.engine import Bench

EMPTY = """
TRUNCATE orders, order_events, swaps, slots, workers, engine, doubts,
    sim_chain, sim_faults, sim_ledger RESTART IDENTITY;
ALTER SEQUENCE order_numbers RESTART
"""


@pytest.fixture(scope="session")
def shared_url(servers: Servers, template: str) -> str:
    """One more copy of the migrated template; it goes with the servers."""
    name = f"shared_{uuid.uuid4().hex[:12]}"
    admin = create_engine(
        make_url(servers.database_url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    admin.dispose()
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def shared_db(shared_url: str) -> Iterator[Engine]:
    engine = open_database(shared_url, pool_size=24)
    yield engine
    engine.dispose()


@pytest.fixture
def empty_url(shared_url: str, shared_db: Engine) -> str:
    """The address of the shared database, with nothing in it."""
    with shared_db.connect() as conn:
        for statement in EMPTY.split(";"):
            conn.execute(text(statement))
    return shared_url


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
