"""The simulated network's tables as SQLAlchemy knows them, for tests that look behind it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import MetaData

from oee_daemon.networks.simulated.simulated_schema import open_file

simulation = MetaData()
with tempfile.TemporaryDirectory() as _folder:
    _db = open_file(Path(_folder) / "ledger.sqlite")
    simulation.reflect(_db)
    _db.dispose()
sim_faults, sim_ledger = simulation.tables["sim_faults"], simulation.tables["sim_ledger"]
