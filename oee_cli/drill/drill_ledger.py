"""The file in which a drill's chain keeps its ledger and takes its faults: one statement each."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

#: Seconds for which the chain may hold its file.
_BUSY_S = 30


def read_ledger(ledger: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=_BUSY_S)) as db:
        return db.execute(statement).fetchall()


def write_ledger(ledger: Path, statement: str, values: Sequence[Any] | Mapping[str, Any]) -> Any:
    """What the statement returns, if anything, once it is committed."""
    with closing(sqlite3.connect(ledger, timeout=_BUSY_S)) as db, db:
        return db.execute(statement, values).fetchone()
