"""What the conformance suites run on: a held clock, a wallet, and a ledger of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair
from sqlalchemy import Engine

from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.networks.wallet import Wallet
from tests.kit.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wallet() -> Wallet:
    return Wallet(Keypair.from_seed(bytes(32)))


@pytest.fixture
def ledger_file(tmp_path: Path) -> Iterator[Engine]:
    """The simulated network's tables in an SQLite file of this test's own."""
    engine = open_file(tmp_path / "ledger" / "sim.db")
    yield engine
    engine.dispose()
