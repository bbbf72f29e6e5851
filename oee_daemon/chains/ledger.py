"""The simulated chain's own durable ledger: one row for each signature whose fate is sealed.

The primary key is what makes the chain's promises true: the same bytes land once, and a swap that was
called lapsed can never land afterwards, because its row says so. It lives in Postgres beside the engine's
tables, which never touch it, or in an SQLite file of its own, so that a proof does not share the engine's
disk writes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

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
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from oee_daemon.swap import Fill

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
    # landed, rejected or lapsed
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
Index("sim_ledger_order", sim_ledger.c.order_id)
Index("sim_ledger_place", sim_ledger.c.visible_ms, sim_ledger.c.signature)


def open_file(path: Path) -> Engine:
    """An SQLite ledger, flushed at each commit, that any number of processes may share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, isolation_level="AUTOCOMMIT")

    @event.listens_for(db, "connect")
    def _flush_always(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    simulation.create_all(db)
    return db


class Ledger:
    """Reads and appends; nothing is ever changed or removed."""

    def __init__(self, db: Engine) -> None:
        self._db = db
        self._insert: Any = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert

    def genesis_ms(self, now_ms: int) -> int:
        """When the chain began: the first call on a new ledger decides."""
        with self._db.connect() as conn:
            conn.execute(self._insert(sim_chain).values(id=1, genesis_ms=now_ms).on_conflict_do_nothing())
            return int(conn.execute(select(sim_chain.c.genesis_ms)).scalar_one())

    def append(self, row: dict[str, Any]) -> bool:
        """Seals a signature's fate, durably. False: it was sealed before, and stays as it was."""
        statement = (
            self._insert(sim_ledger).values(row).on_conflict_do_nothing().returning(sim_ledger.c.signature)
        )
        with self._db.connect() as conn:
            return conn.execute(statement).first() is not None

    def find(self, signature: str) -> Any | None:
        with self._db.connect() as conn:
            return conn.execute(select(sim_ledger).where(sim_ledger.c.signature == signature)).first()

    def landed(
        self, *, now_ms: int, limit: int, before: tuple[int, str] | None, order_id: UUID | None
    ) -> list[Any]:
        """Landed rows that are visible at `now_ms`, newest first, after the place `before`."""
        c = sim_ledger.c
        found = select(sim_ledger).where(c.state == "landed", c.visible_ms <= now_ms)
        if order_id is not None:
            found = found.where(c.order_id == order_id)
        if before is not None:
            when, signature = before
            found = found.where((c.visible_ms < when) | ((c.visible_ms == when) & (c.signature < signature)))
        with self._db.connect() as conn:
            return list(conn.execute(found.order_by(c.visible_ms.desc(), c.signature.desc()).limit(limit)))


def fill_of(row: Any) -> Fill:
    """The fill that a landed row stands for."""
    return Fill(
        signature=row.signature,
        order_id=row.order_id,
        input_token=row.input_token,
        output_token=row.output_token,
        amount_in=int(row.amount_in),
        amount_out=int(row.amount_out),
        fee=int(row.fee),
        slot=row.slot,
        at=datetime.fromtimestamp(row.visible_ms / 1000, UTC),
    )
