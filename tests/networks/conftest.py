"""What the conformance suites run on: a held clock, a wallet, and a ledger of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair
from sqlalchemy import Engine

from oee_daemon.networks.simulated import simulated_faults
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.networks.wallet import Wallet
from tests.kit.clock import FakeClock


@pytest.fixture(autouse=True)
def faults_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that a test orders holds for the very next call, however soon after the last one that is."""
    monkeypatch.setattr(simulated_faults, "MOMENT_S", 0.0)


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
