"""Real servers for every test: one Postgres and one Valkey a session, one database a test.

A database is a copy of a migrated template; Valkey is emptied instead. Nothing here is a fake.
`tests/kit/README.md` says what to use when.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis
from hypothesis.strategies import none
from sqlalchemy import Engine

from oee_daemon.embedded import Servers
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.settings import Settings
from oee_daemon.store.database import open_database
from tests.kit.databases import EMPTY, Databases
from tests.kit.homes import furnished, open_folder, open_run
from tests.kit.simulated_tables import simulation
from tests.kit.tables import read_columns
from tests.kit.xdist_workers import fork_workers

# Started in the background of a shell, a test run ignores SIGINT, and so would every process that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes import what this run has compiled, and the next run finds its own modules rewritten.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


#: The files that take more than 12 s, longest first, so that none is left over at a run's end.
LONGEST = (
    "e2e/test_found_daemon.py",
    "faults/test_drill.py",
    "faults/test_failpoints.py",
    "e2e/test_cli_homes.py",
    "faults/test_daemon.py",
    "e2e/test_wallet.py",
    "e2e/test_halt.py",
    "e2e/test_found.py",
    "e2e/test_paper.py",
    "faults/test_silence.py",
    "e2e/test_localnet_sniping.py",
    "e2e/test_localnet_waiting.py",
    "faults/test_drill_localnet.py",
    "e2e/test_backup.py",
    "e2e/test_localnet.py",
    "e2e/test_inherited.py",
    "e2e/test_readme.py",
    "e2e/test_cli_daemon.py",
    "e2e/test_cli_lists.py",
    "e2e/test_cli_help.py",
    "e2e/test_mainnet.py",
    "e2e/test_cli_frozen.py",
    "e2e/test_cli_submit.py",
    "e2e/test_queue_fails.py",
    "e2e/test_restore.py",
    "faults/test_mutants.py",
    "e2e/test_cli_exit_codes.py",
    "e2e/test_devnet.py",
    "e2e/test_cli_edit.py",
    "e2e/test_engine.py",
    "e2e/test_listeners.py",
    "e2e/test_cli_repeat.py",
    "e2e/test_cli_chart.py",
    "faults/test_home_lost.py",
    "e2e/test_cli_waiting.py",
    "embedded/test_embedded.py",
    "solana/test_local_faults.py",
    "unit/test_docs.py",
)


def pytest_configure(config: pytest.Config) -> None:
    open_run(config)
    fork_workers(config)
    # All that is imported and collected stays: to look through it for garbage took a tenth of the run.
    gc.disable()


def pytest_collection_finish() -> None:
    # At its first example Hypothesis looks for those who hold its dice, and finds nobody who is frozen.
    hypothesis.settings(max_examples=1, database=None)(hypothesis.given(none())(lambda nothing: nothing))()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The longest mostly wait and the others compute: side by side they leave no processor idle.
    rank = {name: n / len(LONGEST) for n, name in enumerate(LONGEST)}
    for n, item in enumerate(items):
        rank.setdefault(_file_of(item), n / len(items))
    items.sort(key=lambda item: rank[_file_of(item)])


def _file_of(item: pytest.Item) -> str:
    return f"{item.path.parent.name}/{item.path.name}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file runs in one process: what its tests share, a daemon often, is made once."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Postgres and Valkey as the daemon runs them, in a home that goes with the session."""
    # A short path: a socket's name has to stay under 108 bytes. Open to pass, for the servers' account.
    home = open_folder()
    running = Servers(furnished(home), postgres=True, valkey=True)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """Databases of that Postgres, all of one migrated template."""
    migrated = open_database(servers.database_url, pool_size=1)
    read_columns(migrated)
    migrated.dispose()
    made = Databases(servers.database_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def template(databases: Databases) -> str:
    """A migrated database that nobody is connected to, to copy from."""
    return databases.TEMPLATE


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A database of this test's own."""
    url = databases.take()
    yield url
    databases.give(url)


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
def empty_db(shared_db: Engine) -> Engine:
    """The shared database, with nothing in it: for whoever changes neither its schema nor its settings."""
    with shared_db.connect() as conn:
        conn.exec_driver_sql(EMPTY)
    return shared_db


@pytest.fixture
def empty_url(shared_url: str, empty_db: Engine) -> str:
    """The address of that one."""
    return shared_url


@pytest.fixture(scope="session")
def _valkey(servers: Servers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers.redis_url) as client:
        yield client


@pytest.fixture
def redis_url(servers: Servers, _valkey: redis.Redis) -> Iterator[str]:
    """A Valkey with nothing in it."""
    _valkey.flushall()
    yield servers.redis_url
    _valkey.flushall()


@pytest.fixture(scope="session")
def _shared_file() -> Iterator[Engine]:
    folder = open_folder()
    engine = open_file(folder / "chain.db")
    yield engine
    engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture
def ledger_file(_shared_file: Engine) -> Engine:
    """The simulated network's tables in an SQLite file, with nothing in them: to make them takes ten times as
    long as all else that a bench is made of."""
    with _shared_file.connect() as conn:
        for table in simulation.sorted_tables:
            conn.execute(table.delete())
    return _shared_file


@pytest.fixture
def db(database_url: str) -> Iterator[Engine]:
    """The engine's own kind of connection to this test's database."""
    engine = open_database(database_url, pool_size=24)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str) -> Settings:
    """Quick waits and no failures; a test that wants others replaces them."""
    from decimal import Decimal

    return Settings(
        home=tmp_path / "home",
        database_url=database_url,
        redis_url=redis_url,
        port=0,
        sim_latency_ms=0,
        sim_confirm_ms=0,
        sim_failure_rate=Decimal(0),
    )


@pytest.fixture
def homes() -> Iterator[Path]:
    """A folder to make homes in: short enough for sockets, and open to pass for the servers' account,
    which pytest's own temporary folders are not."""
    base = open_folder()
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="module")
def file_homes() -> Iterator[Path]:
    """As `homes`, for those that all tests of a file share."""
    base = open_folder()
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not reach a test, nor the width that a runner gives its processes."""
    for name in [n for n in os.environ if n.startswith("OEE_") or n in ("COLUMNS", "LINES", "NO_COLOR")]:
        monkeypatch.delenv(name)
