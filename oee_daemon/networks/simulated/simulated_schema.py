"""The simulated network's own tables, and the two places that they can be in.

They are in the engine's Postgres, on connections of their own and out of reach of the engine's statements, or
in an SQLite file, so that a proof does not share the engine's disk writes. Whoever opens either finds the
tables: they are made where they are missing, and left as they are where an older release made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from oee_daemon.networks.network_own_ledger import open_tables
from oee_daemon.start_errors import BadSetting

#: What a row of `sim_faults` means says `oee_daemon.contract.planned_faults`. A row of `sim_ledger` has
#: landed, was rejected, or is orphaned: in a block that is lost; its amounts are base units as text, for
#: SQLite has no integer that holds a u64. The chain shows it from `visible_ms` on: a swap needs its time to
#: be confirmed. `sim_paths`: since which height somebody watches a pair, by the name of its path; what has no
#: row stands still.
_TABLES = """
    CREATE TABLE IF NOT EXISTS sim_chain (id {serial} PRIMARY KEY, genesis_ms BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS sim_ledger (
        signature TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        error TEXT,
        order_id {uuid},
        input_token TEXT,
        output_token TEXT,
        amount_in TEXT,
        amount_out TEXT,
        fee TEXT,
        slot BIGINT NOT NULL,
        visible_ms BIGINT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS sim_ledger_place ON sim_ledger (visible_ms, signature) WHERE state = 'landed';
    CREATE TABLE IF NOT EXISTS sim_faults (
        id {serial} PRIMARY KEY,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        remaining INTEGER,
        number INTEGER,
        percent INTEGER NOT NULL DEFAULT 100,
        ms INTEGER
    );
    CREATE TABLE IF NOT EXISTS sim_paths (pair TEXT PRIMARY KEY, begun_height BIGINT NOT NULL)
"""
_OF_POSTGRES = _TABLES.format(serial="SERIAL", uuid="UUID")
#: An id as 32 hexadecimal digits.
_OF_FILE = _TABLES.format(serial="INTEGER", uuid="CHAR(32)").split(";")

#: Any number that is ours.
_LOCK = 0x0EE_51333


def open_schema(url: str) -> Engine:
    """The tables in the Postgres at `url`; connects on first use."""
    return open_tables(url, _OF_POSTGRES, "sim_paths", _LOCK)


def open_file(path: Path) -> Engine:
    """The tables in an SQLite file, flushed at each commit, that any number of processes may share. Raises
    `BadSetting`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_file(path)
    except (OSError, DatabaseError) as e:
        why = e.strerror if isinstance(e, OSError) else e.orig
        raise BadSetting(
            f"OEE_SIM_LEDGER_FILE can't be {str(path)!r}: {why}. It takes a file of its own, or a new one."
        ) from None


def _open_file(path: Path) -> Engine:
    db = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, isolation_level="AUTOCOMMIT")

    @event.listens_for(db, "connect")
    def _flush_always(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    with db.connect() as conn:
        # The daemon and its worker come here at once: who is second has to find the tables.
        conn.exec_driver_sql("BEGIN IMMEDIATE")
        for statement in _OF_FILE:
            conn.exec_driver_sql(statement)
        conn.exec_driver_sql("COMMIT")
    return db
