"""What a restart of Postgres costs those who ask it: nothing, once it is back."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from oee_daemon.store.database import open_database
from tests.kit.engine import Bench

BACKENDS = "SELECT pg_backend_pid()"
THROWN_OUT = "SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS int[])) AS pid"


@pytest.fixture
def pool(empty_url: str) -> Iterator[Engine]:
    """Three connections, made and given back."""
    engine = open_database(empty_url, pool_size=3)
    yield engine
    engine.dispose()


def backends(pool: Engine) -> list[int]:
    held = [pool.connect() for _ in range(3)]
    pids = [conn.execute(text(BACKENDS)).scalar_one() for conn in held]
    for conn in held:
        conn.close()
    return pids


def test_connections_that_the_server_closed_are_replaced_before_anything_is_sent(
    pool: Engine, shared_db: Engine
) -> None:
    before = backends(pool)
    with shared_db.connect() as admin:
        assert admin.execute(text(THROWN_OUT), {"pids": before}).scalars().all() == [True] * 3
    assert not set(backends(pool)) & set(before)


def test_a_connection_that_its_user_lost_is_replaced_too(pool: Engine) -> None:
    with pool.connect() as conn:
        raw = conn.connection.driver_connection
        assert raw is not None
        raw.close()
    assert len(set(backends(pool))) == 3


def test_an_order_is_stored_at_once_after_it(bench: Bench) -> None:
    bench.place()
    with bench.db.connect() as admin:
        others = text("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :name")
        pids = admin.execute(others, {"name": bench.db.url.database}).scalars().all()
        assert all(admin.execute(text(THROWN_OUT), {"pids": pids}).scalars().all())
    assert bench.place().number == 2


def test_descriptors_above_1023_are_looked_at_as_well(empty_url: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    taken = [socket.socket() for _ in range(1040)]
    try:
        engine = open_database(empty_url, pool_size=1)
        for _ in range(2):
            with engine.connect() as conn:
                assert conn.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
    finally:
        for one in taken:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
