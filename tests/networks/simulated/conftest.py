"""The bench of the simulated chain, on each ledger that it can have."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from oee_daemon.networks.wallet import Wallet
from tests.kit.clock import FakeClock
from tests.networks.simulated.chain_bench import Bench


@pytest.fixture(params=["postgres", "sqlite"])
def ledger(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("empty_db" if request.param == "postgres" else "ledger_file")
    return found


@pytest.fixture
def bench(ledger: Engine, clock: FakeClock, wallet: Wallet) -> Bench:
    return Bench(ledger, clock, wallet)
