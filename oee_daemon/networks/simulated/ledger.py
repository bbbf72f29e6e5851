"""The simulated chain's own durable ledger: one row for each signature that landed, or will.

The primary key is why the same bytes land once. How far the chain is known to be is a row as well, and past
its last valid height no swap is taken, whatever a process that was frozen, or a clock that was set back,
believes. Its table and where it lives are in `schema`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Engine, Text, bindparam, exists, literal, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from oee_daemon.networks.simulated.schema import LANDED, sim_chain, sim_ledger
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.prepared import Prepared

_NAMES = tuple(column.name for column in sim_ledger.columns)
#: Stands for a signature in the row that says how far the chain is.
TIP = "tip"


class LedgerRow(NamedTuple):
    """A row of `sim_ledger`."""

    signature: str
    state: str
    error: str | None
    order_id: UUID
    input_token: str
    output_token: str
    amount_in: str
    amount_out: str
    fee: str
    slot: int
    visible_ms: int


class Ledger:
    """Reads and appends; nothing is ever changed or removed."""

    def __init__(self, db: Engine, ordered: ColumnElement[bool]) -> None:
        """`ordered`: whether a fault was, as SQL."""
        self._db = db
        self._insert: Any = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
        c = sim_ledger.c
        tip = sim_ledger.alias("tip")
        over = exists(
            select(tip.c.slot).where(
                tip.c.signature == TIP, tip.c.slot > bindparam("last", type_=c.slot.type) + 1
            )
        )
        given = select(*(bindparam(name, type_=c[name].type) for name in _NAMES)).where(~over)
        self._appended, self._appended_if = (
            Prepared(
                self._insert(sim_ledger)
                .from_select(_NAMES, values)
                .on_conflict_do_nothing()
                .returning(c.signature)
            )
            for values in (given, given.where(~ordered))
        )
        one = select(literal(1).label("one")).subquery()
        there = one.outerjoin(sim_ledger, c.signature == bindparam("the_signature", type_=Text))
        self._found = Prepared(select(sim_ledger, ordered).select_from(there))

    def genesis_ms(self, now_ms: int) -> int:
        """When the chain began: the first call on a new ledger decides."""
        with self._db.connect() as conn:
            conn.execute(self._insert(sim_chain).values(id=1, genesis_ms=now_ms).on_conflict_do_nothing())
            return int(conn.execute(select(sim_chain.c.genesis_ms)).scalar_one())

    def append(self, row: dict[str, Any], last: int) -> bool:
        """Seals a signature's fate, durably. False: it was sealed before, or the chain is known to be
        past the block after `last`; nothing was done."""
        return self._append(self._appended, row, last)

    def append_if(self, row: dict[str, Any], last: int) -> bool:
        """The same, where no fault was ordered."""
        return self._append(self._appended_if, row, last)

    def _append(self, statement: Prepared, row: dict[str, Any], last: int) -> bool:
        with self._db.connect() as conn:
            return statement.first(conn, dict.fromkeys(_NAMES) | row | {"last": last}) is not None

    def reached(self, height: int) -> None:
        """The chain is at least that far, for good."""
        insert = self._insert(sim_ledger).values(signature=TIP, state=TIP, slot=height, visible_ms=0)
        higher = insert.on_conflict_do_update(
            index_elements=[sim_ledger.c.signature],
            set_={"slot": height},
            where=sim_ledger.c.slot < height,
        )
        with self._db.connect() as conn:
            conn.execute(higher)

    def find(self, signature: str) -> tuple[LedgerRow | None, bool]:
        """The row of that signature, and whether any fault was ordered."""
        with self._db.connect() as conn:
            found = self._found.first(conn, {"the_signature": signature})
        assert found is not None
        *row, ordered = found
        return None if row[0] is None else LedgerRow(*row), bool(ordered)

    def landed(self, *, now_ms: int, limit: int, before: tuple[int, str] | None) -> list[LedgerRow]:
        """Landed rows that are visible at `now_ms`, newest first, after the place `before`."""
        c = sim_ledger.c
        # One row value, what is visible and what comes after `before` in one: it is a place in the index,
        # from where the page is read.
        place = min((now_ms + 1, ""), before or (now_ms + 1, ""))
        found = select(sim_ledger).where(
            LANDED, tuple_(c.visible_ms, c.signature) < tuple_(*map(literal, place))
        )
        with self._db.connect() as conn:
            rows = conn.execute(found.order_by(c.visible_ms.desc(), c.signature.desc()).limit(limit))
            return [LedgerRow(*row) for row in rows]


def _mint(text: str) -> str:
    """Up to release 0.1.0 a row held the symbol."""
    token = TOKENS.get(text)
    return text if token is None else token.mint


def fill_of(row: LedgerRow) -> Fill:
    """The fill that a landed row stands for."""
    return Fill(
        signature=row.signature,
        order_id=row.order_id,
        input_mint=_mint(row.input_token),
        output_mint=_mint(row.output_token),
        amount_in=int(row.amount_in),
        amount_out=int(row.amount_out),
        fee=int(row.fee) if row.fee else None,
        slot=row.slot,
        at=datetime.fromtimestamp(row.visible_ms / 1000, UTC),
    )
