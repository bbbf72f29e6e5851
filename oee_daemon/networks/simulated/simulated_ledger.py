"""The simulated chain's own durable ledger: one row for each signature that landed, or will.

The primary key is why the same bytes land once. How far the chain is known to be is a row as well, and past
its last valid height no swap is taken, whatever a process that was frozen, or a clock that was set back,
believes. Its table and where it lives are in `simulated_schema`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Batch, Line, answered, asked

#: Stands for a signature in the row that says how far the chain is.
TIP = "tip"


class LedgerRow(NamedTuple):
    """A row of `sim_ledger`."""

    signature: str
    state: str
    error: str | None
    order_id: UUID | str | None
    input_token: str
    output_token: str
    amount_in: str
    amount_out: str
    fee: str
    slot: int
    visible_ms: int


_NAMES = ", ".join(LedgerRow._fields)


class AtOnce(NamedTuple):
    """Whether any fault was ordered, whether somebody watches any pair, and whether the fate was sealed by
    this call."""

    ordered: bool
    watched: bool
    sealed: bool


_COLUMNS = """signature text, state text, error text, order_id uuid, input_token text, output_token text,
    amount_in text, amount_out text, fee text, slot bigint, visible_ms bigint, last bigint"""
_SEALING = f"""
    WITH {asked(_COLUMNS, "signature")}, appended AS (
        INSERT INTO sim_ledger ({_NAMES}) SELECT {_NAMES} FROM asked
        WHERE NOT EXISTS (SELECT FROM sim_ledger tip WHERE tip.signature = '{TIP}' AND tip.slot > last + 1)%s
        ON CONFLICT DO NOTHING RETURNING signature
    )"""  # noqa: S608  # the names are our own
_APPEND = Batch(f"""
    -- append: seals fates, each where none was sealed and the chain is not past the block that could take it
    {_SEALING % ""}
    {answered("SELECT n FROM asked JOIN appended USING (signature)")}
""")  # noqa: S608
_AT_ONCE = """SELECT n, EXISTS (SELECT FROM sim_faults) AS ordered, EXISTS (SELECT FROM sim_paths) AS watched,
        appended.signature IS NOT NULL AS sealed
    FROM asked LEFT JOIN appended USING (signature)"""
_APPEND_AT_ONCE = Batch(f"""
    -- append_at_once: as append, and nothing where any fault was ordered; says whether one was
    {_SEALING % " AND NOT EXISTS (SELECT FROM sim_faults)"}
    {answered(_AT_ONCE)}
""")
_FOUND = """SELECT n, EXISTS (SELECT FROM sim_faults) AS ordered, found.*
    FROM asked LEFT JOIN sim_ledger found ON found.signature = asked.signature"""
_FIND = Batch(f"""
    -- find: what became of signatures, and whether any fault was ordered
    WITH {asked("signature text", "signature")}
    {answered(_FOUND)}
""")  # the names are our own
# What is the same in Postgres and in a file, and what only a file is asked.
_BEGIN = text("INSERT INTO sim_chain (id, genesis_ms) VALUES (1, :now_ms) ON CONFLICT DO NOTHING")
_GENESIS = text("SELECT genesis_ms FROM sim_chain")
_REACHED = text(f"""
    INSERT INTO sim_ledger (signature, state, slot, visible_ms) VALUES ('{TIP}', '{TIP}', :height, 0)
    ON CONFLICT (signature) DO UPDATE SET slot = excluded.slot WHERE sim_ledger.slot < excluded.slot
""")  # noqa: S608
# One row value, what is visible and what comes after `before` in one: it is a place in the index, from where
# the page is read.
_LANDED = text(f"""
    SELECT {_NAMES} FROM sim_ledger WHERE state = 'landed' AND (visible_ms, signature) < (:ms, :signature)
    ORDER BY visible_ms DESC, signature DESC LIMIT :limit
""")  # noqa: S608
_APPEND_TO_FILE = text(f"""
    INSERT INTO sim_ledger ({_NAMES}) SELECT {", ".join(f":{name}" for name in LedgerRow._fields)}
    WHERE NOT EXISTS (SELECT 1 FROM sim_ledger WHERE signature = '{TIP}' AND slot > :last + 1)
    ON CONFLICT DO NOTHING RETURNING signature
""")  # noqa: S608
_FIND_IN_FILE = text("""
    SELECT EXISTS (SELECT 1 FROM sim_faults) AS ordered, found.*
    FROM (SELECT 1) LEFT JOIN sim_ledger found ON signature = :signature
""")


class Ledger:
    """Reads and appends; nothing is ever changed or removed. `line`: by which Postgres is asked what every
    order asks; none where the ledger is a file."""

    def __init__(self, db: Engine, line: Line | None = None) -> None:
        self._db = db
        self._line = line

    async def genesis_ms(self, now_ms: int) -> int:
        """When the chain began: the first call on a new ledger decides."""

        def begun(conn: Connection) -> int:
            conn.execute(_BEGIN, {"now_ms": now_ms})
            return int(conn.execute(_GENESIS).scalar_one())

        return await aside(self._db, begun)

    async def append(self, row: dict[str, Any], last: int) -> bool:
        """Seals a signature's fate, durably. False: it was sealed before, or the chain is known to be
        past the block after `last`; nothing was done."""
        if self._line is not None:
            return await self._line.ask(_APPEND, row | {"last": last}) is not None
        values = dict.fromkeys(LedgerRow._fields) | row | {"last": last}
        if isinstance(order_id := values["order_id"], UUID):
            values["order_id"] = order_id.hex
        return await aside(self._db, lambda conn: conn.execute(_APPEND_TO_FILE, values).first() is not None)

    async def append_at_once(self, row: dict[str, Any], last: int) -> AtOnce | None:
        """As `append` where no fault was ordered; otherwise nothing was done. None: the ledger is a file, and
        nothing was done either."""
        if self._line is None:
            return None
        told = await self._line.ask(_APPEND_AT_ONCE, row | {"last": last})
        assert told is not None
        return AtOnce(**told)

    async def reached(self, height: int) -> None:
        """The chain is at least that far, for good."""
        await aside(self._db, lambda conn: conn.execute(_REACHED, {"height": height}))

    async def find(self, signature: str) -> tuple[LedgerRow | None, bool]:
        """The row of that signature, and whether any fault was ordered."""
        if self._line is not None:
            row = await self._line.ask(_FIND, {"signature": signature})
            assert row is not None
        else:
            asked_for = {"signature": signature}
            row = dict(await aside(self._db, lambda c: c.execute(_FIND_IN_FILE, asked_for).mappings().one()))
        ordered = bool(row.pop("ordered"))
        return None if row["signature"] is None else LedgerRow(**row), ordered

    async def landed(self, *, now_ms: int, limit: int, before: tuple[int, str] | None) -> list[LedgerRow]:
        """Landed rows that are visible at `now_ms`, newest first, after the place `before`."""
        ms, signature = min((now_ms + 1, ""), before or (now_ms + 1, ""))
        page = {"ms": ms, "signature": signature, "limit": limit}
        return await aside(self._db, lambda conn: [LedgerRow(*row) for row in conn.execute(_LANDED, page)])


def _mint(text: str) -> str:
    """Up to release 0.1.0 a row held the symbol."""
    token = TOKENS.get(text)
    return text if token is None else token.mint


def fill_of(row: LedgerRow) -> Fill:
    """The fill that a landed row stands for."""
    return Fill(
        signature=row.signature,
        order_id=None if row.order_id is None else UUID(str(row.order_id)),
        input_mint=_mint(row.input_token),
        output_mint=_mint(row.output_token),
        amount_in=int(row.amount_in),
        amount_out=int(row.amount_out),
        fee=int(row.fee) if row.fee else None,
        slot=row.slot,
        at=datetime.fromtimestamp(row.visible_ms / 1000, UTC),
    )
