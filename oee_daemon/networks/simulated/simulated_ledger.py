"""The simulated chain's own durable ledger: one row for each signature that landed, or will.

The primary key is why the same bytes land once. How far the chain is known to be is a row as well, and past
its last valid height no swap is taken, whatever a process that was frozen, or a clock that was set back,
believes. Its table and where it lives are in `simulated_schema`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, exists, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from oee_daemon.networks.simulated.simulated_faults import ORDERED
from oee_daemon.networks.simulated.simulated_schema import LANDED, sim_chain, sim_ledger
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Batch, Line, answered, asked

_NAMES = tuple(column.name for column in sim_ledger.columns)
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


class AtOnce(NamedTuple):
    """Whether any fault was ordered, whether somebody watches any pair, and whether the fate was sealed by
    this call."""

    ordered: bool
    watched: bool
    sealed: bool


_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]
_COLUMNS = ", ".join(f"{column.name} {column.type.compile(_POSTGRES)}" for column in sim_ledger.columns)
_SEALING = f"""
    WITH {asked(f"{_COLUMNS}, last bigint", "signature")}, appended AS (
        INSERT INTO sim_ledger ({", ".join(_NAMES)}) SELECT {", ".join(_NAMES)} FROM asked
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


class Ledger:
    """Reads and appends; nothing is ever changed or removed. `line`: by which Postgres is asked what every
    order asks; none where the ledger is a file."""

    def __init__(self, db: Engine, line: Line | None = None) -> None:
        self._db = db
        self._line = line
        self._insert: Any = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert

    async def genesis_ms(self, now_ms: int) -> int:
        """When the chain began: the first call on a new ledger decides."""
        begin = self._insert(sim_chain).values(id=1, genesis_ms=now_ms).on_conflict_do_nothing()

        def begun(conn: Connection) -> int:
            conn.execute(begin)
            return int(conn.execute(select(sim_chain.c.genesis_ms)).scalar_one())

        return await aside(self._db, begun)

    async def append(self, row: dict[str, Any], last: int) -> bool:
        """Seals a signature's fate, durably. False: it was sealed before, or the chain is known to be
        past the block after `last`; nothing was done."""
        if self._line is not None:
            return await self._line.ask(_APPEND, row | {"last": last}) is not None
        tip = sim_ledger.alias("tip")
        over = exists(select(tip.c.slot).where(tip.c.signature == TIP, tip.c.slot > last + 1))
        given = select(*(literal(row.get(name), column.type) for name, column in sim_ledger.c.items()))
        insert = self._insert(sim_ledger).from_select(_NAMES, given.where(~over))
        sealed = insert.on_conflict_do_nothing().returning(sim_ledger.c.signature)
        return await aside(self._db, lambda conn: conn.execute(sealed).first() is not None)

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
        insert = self._insert(sim_ledger).values(signature=TIP, state=TIP, slot=height, visible_ms=0)
        higher = insert.on_conflict_do_update(
            index_elements=[sim_ledger.c.signature],
            set_={"slot": height},
            where=sim_ledger.c.slot < height,
        )
        await aside(self._db, lambda conn: conn.execute(higher))

    async def find(self, signature: str) -> tuple[LedgerRow | None, bool]:
        """The row of that signature, and whether any fault was ordered."""
        if self._line is not None:
            row = await self._line.ask(_FIND, {"signature": signature})
            assert row is not None
        else:
            one = select(literal(1).label("one")).subquery()
            there = one.outerjoin(sim_ledger, sim_ledger.c.signature == signature)
            found = select(sim_ledger, ORDERED.label("ordered")).select_from(there)
            row = dict(await aside(self._db, lambda conn: conn.execute(found).mappings().one()))
        ordered = bool(row.pop("ordered"))
        return None if row["signature"] is None else LedgerRow(**row), ordered

    async def landed(self, *, now_ms: int, limit: int, before: tuple[int, str] | None) -> list[LedgerRow]:
        """Landed rows that are visible at `now_ms`, newest first, after the place `before`."""
        c = sim_ledger.c
        # One row value, what is visible and what comes after `before` in one: it is a place in the index,
        # from where the page is read.
        place = min((now_ms + 1, ""), before or (now_ms + 1, ""))
        found = select(sim_ledger).where(
            LANDED, tuple_(c.visible_ms, c.signature) < tuple_(*map(literal, place))
        )
        page = found.order_by(c.visible_ms.desc(), c.signature.desc()).limit(limit)
        return await aside(self._db, lambda conn: [LedgerRow(*row) for row in conn.execute(page)])


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
