"""What the conformance suites run on: a held clock and a wallet."""

from __future__ import annotations

import pytest
from solders.keypair import Keypair

from oee_daemon.networks.simulated import simulated_faults
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
