"""The bench that the proofs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from oee_daemon.settings import Settings
from tests.kit.killing import Bench


@pytest.fixture
def bench(settings: Settings, db: Engine) -> Iterator[Bench]:
    made = Bench(settings, db)
    yield made
    made.close()
