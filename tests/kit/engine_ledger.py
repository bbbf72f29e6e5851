"""The simulated network under the engine's bench: what goes wrong there, and what it has taken."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from solders.transaction import VersionedTransaction
from sqlalchemy import Engine, insert, select

from oee_daemon.contract.planned_faults import FEED
from oee_daemon.networks.simulated.simulated_instruction import read_instruction
from tests.kit.simulated_tables import sim_faults, sim_ledger
from tests.kit.tables import swaps


class OnLedger:
    """With the engine's database and the chain's ledger."""

    db: Engine
    ledger: Engine

    def fault(self, target: str, kind: str, **what: int) -> None:
        with self.ledger.connect() as conn:
            conn.execute(insert(sim_faults).values(target=target, kind=kind, **what))

    def feed_fault(self, kind: str | None, ms: int | None = None) -> None:
        """What goes wrong with the prices of watched pairs from now on; nothing where none is given."""
        with self.ledger.connect() as conn:
            conn.execute(sim_faults.delete().where(sim_faults.c.target == FEED))
            if kind is not None:
                conn.execute(insert(sim_faults).values(target=FEED, kind=kind, ms=ms))

    def move_market(self, bps: int, *, venue: str = "market") -> None:
        """The price of all venues, or of one, is that much above where it stands still; for good."""
        kind = "gap" if venue == "market" else "spike"
        with self.ledger.connect() as conn:
            conn.execute(sim_faults.delete().where(sim_faults.c.target == venue, sim_faults.c.kind == kind))
            conn.execute(insert(sim_faults).values(target=venue, kind=kind, ms=bps))

    def ledgered(self, order_id: UUID, state: str = "landed") -> list[str]:
        """The chain's own word: signatures of this order in that state."""
        found = select(sim_ledger.c.signature).where(
            sim_ledger.c.order_id == order_id, sim_ledger.c.state == state
        )
        with self.ledger.connect() as conn:
            return list(conn.execute(found).scalars())

    def instruction(self, order_id: UUID, attempt: int) -> dict[str, Any]:
        """What the signed bytes of an attempt say."""
        found = select(swaps.c.raw).where(swaps.c.order_id == order_id, swaps.c.attempt == attempt)
        with self.db.connect() as conn:
            raw = conn.execute(found).scalar_one()
        (swap,) = VersionedTransaction.from_bytes(raw).message.instructions
        content: dict[str, Any] = json.loads(bytes(swap.data))
        return content

    def limit_of(self, order_id: UUID) -> int:
        """The bound that the swap of the order carries, which the chain enforces."""
        with self.db.connect() as conn:
            raw = conn.execute(select(swaps.c.raw).where(swaps.c.order_id == order_id)).scalar_one()
        said = read_instruction(bytes(VersionedTransaction.from_bytes(raw).message.instructions[0].data))
        return int(said["limit"])
