"""The simulated network's own tables, and the two places that they can be in.

They are in the engine's Postgres, on connections of their own and out of reach of the engine's statements, or
in an SQLite file, so that a proof does not share the engine's disk writes. Whoever opens either finds the
tables: they are made where they are missing, and left as they are where an older release made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    event,
    literal_column,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from oee_daemon.settings import LEDGER_CONNECTIONS
from oee_daemon.store.database import open_database

simulation = MetaData()

sim_chain = Table(
    "sim_chain",
    simulation,
    Column("id", Integer, primary_key=True),
    Column("genesis_ms", BigInteger, nullable=False),
)

sim_ledger = Table(
    "sim_ledger",
    simulation,
    Column("signature", Text, primary_key=True),
    # landed, rejected, or orphaned: in a block that is lost
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("order_id", Uuid),
    Column("input_token", Text),
    Column("output_token", Text),
    # Base units as text: SQLite has no integer that holds a u64.
    Column("amount_in", Text),
    Column("amount_out", Text),
    Column("fee", Text),
    Column("slot", BigInteger, nullable=False),
    # From when on the chain shows it: a swap needs its time to be confirmed.
    Column("visible_ms", BigInteger, nullable=False),
)
LANDED = sim_ledger.c.state == literal_column("'landed'")
Index(
    "sim_ledger_place",
    sim_ledger.c.visible_ms,
    sim_ledger.c.signature,
    postgresql_where=LANDED,
    sqlite_where=LANDED,
)

#: What a row means says `oee_daemon.contract.planned_faults`.
sim_faults = Table(
    "sim_faults",
    simulation,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("remaining", Integer),
    Column("number", Integer),
    Column("percent", Integer, nullable=False, server_default="100"),
    Column("ms", Integer),
)

#: Since which height somebody watches a pair, by the name of its path. What has no row stands still.
sim_paths = Table(
    "sim_paths",
    simulation,
    Column("pair", Text, primary_key=True),
    Column("begun_height", BigInteger, nullable=False),
)

#: Any number that is ours: of those who come at once one makes the tables. With `IF NOT EXISTS` alone the
#: second of them fails, on the unique indexes of Postgres's own catalogue.
_LOCK = 0x0EE_51333


def open_schema(url: str) -> Engine:
    """The tables in the Postgres at `url`; connects on first use."""
    db = open_database(url, pool_size=LEDGER_CONNECTIONS)
    event.listen(db, "connect", _make_tables)
    return db


def _make_tables(connection: Any, _record: Any) -> None:
    """Before anything is asked on a new connection, so that nobody who finds Postgres misses a table."""
    if connection.execute("SELECT to_regclass('sim_paths')").fetchone() != (None,):
        return
    postgres = PGDialect()  # type: ignore[no-untyped-call]
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        for table in simulation.sorted_tables:
            made: list[DDLElement] = [CreateTable(table, if_not_exists=True)]
            made += [CreateIndex(index, if_not_exists=True) for index in table.indexes]
            for one in made:
                connection.execute(str(one.compile(dialect=postgres)), prepare=False)


def open_file(path: Path) -> Engine:
    """The tables in an SQLite file, flushed at each commit, that any number of processes may share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, isolation_level="AUTOCOMMIT")

    @event.listens_for(db, "connect")
    def _flush_always(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    with db.connect() as conn:
        # The daemon and its worker come here at once: who is second has to find the tables.
        conn.exec_driver_sql("BEGIN IMMEDIATE")
        simulation.create_all(conn)
        conn.exec_driver_sql("COMMIT")
    return db
