"""The bench that the proofs share."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from oee_daemon.settings import Settings
from tests.faults.bench import Bench


@pytest.fixture
def bench(settings: Settings, db: Engine) -> Bench:
    return Bench(settings, db)
