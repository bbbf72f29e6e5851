"""The paper network's own durable ledger and its balances: what was handed in, and what became of it.

A row is `sent` until its landing is decided, once: from then on it is `landed` or `rejected`, and what moved
has moved in the balances by the same transaction. Every change holds the lock on the chain's one row, which
also says how far the chain is, for good: past its last height no swap is taken, and none lands, whatever a
process that was frozen, or a clock that was set back, believes. Nobody is asked anything under that lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, text

from oee_daemon.networks.paper.paper_swap import PaperSwap
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.orders.swap import Fill
from oee_daemon.store.database import aside, transactions

_BEGIN = text(
    "INSERT INTO paper_chain (id, genesis_ms) VALUES (1, :now) ON CONFLICT DO NOTHING RETURNING genesis_ms"
)
_GENESIS = text("SELECT genesis_ms FROM paper_chain")
#: The lock: whoever is next reads what was committed before.
_TIP = text("UPDATE paper_chain SET tip = greatest(tip, :height) RETURNING tip")
_TAKE = text("""
    INSERT INTO paper_ledger (signature, state, due_ms, last_height, order_id, input_mint, output_mint)
    VALUES (:signature, 'sent', :due, :last, :order, :input, :output) ON CONFLICT DO NOTHING
""")
_ROW = """
    SELECT signature, state, due_ms, last_height, order_id, input_mint, output_mint, error, amount_in,
        amount_out, height, decided_ms, network_fee FROM paper_ledger
"""
_FIND = text(_ROW + "WHERE signature = :signature")
_DECIDE = text("""
    UPDATE paper_ledger SET state = :state, error = :error, amount_in = :amount_in, amount_out = :amount_out,
        network_fee = :fee, height = :height, decided_ms = :now WHERE signature = :signature
""")
_LANDED = text(
    _ROW
    + """WHERE state = 'landed' AND (decided_ms, signature) < (:at, :before)
    ORDER BY decided_ms DESC, signature DESC LIMIT :limit"""
)
_HELD = text("SELECT mint, units FROM paper_balance")
_ADD = text("""
    INSERT INTO paper_balance (mint, units) VALUES (:mint, :units)
    ON CONFLICT (mint) DO UPDATE SET units = paper_balance.units + excluded.units
""")
_SPEND = text("UPDATE paper_balance SET units = units - :units WHERE mint = :mint")


class LedgerRow(NamedTuple):
    """A row of `paper_ledger`. What was moved is none until it was decided."""

    signature: str
    state: str
    due_ms: int
    last_height: int
    order_id: UUID
    input_mint: str
    output_mint: str
    error: str | None
    amount_in: int | None
    amount_out: int | None
    height: int | None
    decided_ms: int | None
    network_fee: int | None = None


@dataclass(frozen=True, slots=True)
class Landing:
    """What a swap comes to at its landing. `error`: it lands and moves nothing but the network's fee."""

    amount_in: int
    amount_out: int
    error: str | None = None


class Ledger:
    """`begun_with`: base units by mint that a new ledger begins with."""

    def __init__(self, db: Engine, begun_with: Mapping[str, int]) -> None:
        self._db = transactions(db)
        self._begun_with = begun_with

    async def genesis_ms(self, now_ms: int) -> int:
        """When the chain began: the first call on a new ledger decides, and puts in the balances."""

        def begun(conn: Connection) -> int:
            with conn.begin():
                if conn.execute(_BEGIN, {"now": now_ms}).first() is not None:
                    for mint, units in self._begun_with.items():
                        conn.execute(_ADD, {"mint": mint, "units": units})
                return int(conn.execute(_GENESIS).scalar_one())

        return await aside(self._db, begun)

    async def take(self, signature: str, swap: PaperSwap, *, height: int, due_ms: int) -> bool:
        """Takes it in, durably, where it was not before. False: the chain is past its last height."""
        row = {
            "signature": signature, "due": due_ms, "last": swap.last_height, "order": swap.order_id,
            "input": swap.input_mint, "output": swap.output_mint,
        }  # fmt: skip

        def taken(conn: Connection) -> bool:
            with _hold_chain(conn, height) as tip:
                if tip > swap.last_height:
                    return False
                conn.execute(_TAKE, row)
                return True

        return await aside(self._db, taken)

    async def reached(self, signature: str, height: int) -> LedgerRow | None:
        """The row of that signature when the chain was at least that far, as it is from then on."""

        def found(conn: Connection) -> LedgerRow | None:
            with _hold_chain(conn, height):
                return _find(conn, signature)

        return await aside(self._db, found)

    async def find(self, signature: str) -> LedgerRow | None:
        return await aside(self._db, _find, signature)

    async def decide(
        self, signature: str, landing: Landing, *, network_fee: int, height: int, now_ms: int
    ) -> None:
        """Lands it, once: nothing happens where that was decided before, or can't be any more."""

        def decided(conn: Connection) -> None:
            with _hold_chain(conn, height) as tip:
                row = _find(conn, signature)
                if row is None or row.state != "sent" or tip > row.last_height:
                    return
                error = landing.error or _unpaid(conn, row.input_mint, landing.amount_in, network_fee)
                fee = min(network_fee, _balances(conn).get(WSOL, 0))
                _spend(conn, WSOL, fee)
                if error is None:
                    _spend(conn, row.input_mint, landing.amount_in)
                    conn.execute(_ADD, {"mint": row.output_mint, "units": landing.amount_out})
                moved = error is None
                conn.execute(
                    _DECIDE,
                    {
                        "signature": signature,
                        "state": "landed" if moved else "rejected",
                        "error": error,
                        "amount_in": landing.amount_in if moved else None,
                        "amount_out": landing.amount_out if moved else None,
                        "fee": fee,
                        "height": tip,
                        "now": now_ms,
                    },
                )

        await aside(self._db, decided)

    async def landed(self, *, height: int, limit: int, before: LedgerRow | None) -> list[LedgerRow]:
        """What has landed when the chain was at least that far, newest first, older than the row `before`."""
        place = (before.decided_ms, before.signature) if before is not None else (2**62, "")

        def found(conn: Connection) -> list[LedgerRow]:
            with _hold_chain(conn, height):
                return _rows(conn, _LANDED, at=place[0], before=place[1], limit=limit)

        return await aside(self._db, found)

    async def balances(self) -> Mapping[str, int]:
        """Base units by mint."""
        return await aside(self._db, _balances)


@contextmanager
def _hold_chain(conn: Connection, height: int) -> Any:
    """A transaction that alone may change the ledger; how far the chain is by then."""
    with conn.begin():
        yield int(conn.execute(_TIP, {"height": height}).scalar_one())


def _find(conn: Connection, signature: str) -> LedgerRow | None:
    return next(iter(_rows(conn, _FIND, signature=signature)), None)


def _rows(conn: Connection, query: TextClause, **given: Any) -> list[LedgerRow]:
    return [
        LedgerRow(*row[:8], *(None if amount is None else int(amount) for amount in row[8:]))
        for row in conn.execute(query, given)
    ]


def _balances(conn: Connection) -> Mapping[str, int]:
    return {mint: int(units) for mint, units in conn.execute(_HELD)}


def _unpaid(conn: Connection, mint: str, amount: int, network_fee: int) -> str | None:
    """Whether the balances don't suffice, by the code of a chain that says so."""
    held = _balances(conn)
    needed = {WSOL: network_fee}
    needed[mint] = needed.get(mint, 0) + amount
    enough = all(held.get(each, 0) >= units for each, units in needed.items())
    return None if enough else "insufficient_funds"


def _spend(conn: Connection, mint: str, units: int) -> None:
    conn.execute(_SPEND, {"mint": mint, "units": units})


def fill_of(row: LedgerRow) -> Fill:
    """The fill that a landed row stands for."""
    assert row.amount_in is not None and row.amount_out is not None
    assert row.height is not None and row.decided_ms is not None
    return Fill(
        signature=row.signature,
        order_id=row.order_id,
        input_mint=row.input_mint,
        output_mint=row.output_mint,
        amount_in=row.amount_in,
        amount_out=row.amount_out,
        fee=None,
        slot=row.height,
        at=datetime.fromtimestamp(row.decided_ms / 1000, UTC),
        network_fee=row.network_fee,
    )
