"""The SQL of stopping many orders at once: the move of `move_sql.cancel`, over those that are chosen.

Each call is one statement and one transaction over a bounded number of orders, and waits for no lock: an
order that a worker is moving at this moment is left to the next call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.contract.status import Status
from oee_daemon.store.engine_row import Where, place
from oee_daemon.store.move_sql import cancelling
from oee_daemon.store.predicates import IS_LIVE, LIVE, MAY_CANCEL
from oee_daemon.store.sql_statement import Statement

_NEWEST = Statement("-- newest: the number of the newest order\nSELECT max(number) FROM orders")
_NUMBER = Statement("-- number_of: one order's\nSELECT number FROM orders WHERE id = %(id)s")
#: The most orders that are named as not ended.
NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which orders are to be cancelled: those of `ids`, of a group, or all that have not ended; narrowed by
    the rest. `up_to`: the number of the last one that is meant."""

    ids: Sequence[UUID] | None = None
    group: UUID | None = None
    pair: str | None = None
    side: str | None = None
    type: str | None = None
    up_to: int | None = None

    @property
    def condition(self) -> str:
        names = [name for name in ("pair", "side", "type") if getattr(self, name) is not None]
        found = LIVE if self.ids is None else "id = ANY (%(ids)s::uuid[])"
        if self.group is not None:
            found = "group_id = %(group)s"
        meant = [] if self.up_to is None else ["number <= %(up_to)s"]
        return " AND ".join([found, *meant, *(f"{name} = %({name})s" for name in names)])

    @property
    def values(self) -> dict[str, Any]:
        names = {"group": self.group, "pair": self.pair, "side": self.side, "type": self.type}
        return {"ids": self.ids and [*self.ids], "up_to": self.up_to} | names


def cancel_some(conn: Connection, chosen: Chosen, most: int, seen: Where | None) -> list[UUID]:
    """Cancels up to `most` of them that nobody is moving at this moment, and says which: none where the
    database is not where it was `seen`."""
    # Chosen by their locks: one that a worker is just moving is met again at the next call.
    which = f"""id = ANY (ARRAY(
            SELECT id FROM orders WHERE {chosen.condition} AND {MAY_CANCEL}
            LIMIT %(most)s FOR UPDATE SKIP LOCKED))"""  # noqa: S608  # the names are our own columns
    told = "orders.id, event_seq, status, attempt, updated_at, group_id, turn"
    values = chosen.values | {"most": most} | place(seen)
    return Statement(cancelling("cancel_some", which, told)).column(conn, values)


def number_of(conn: Connection, order_id: UUID | None) -> int | None:
    """The number of that order, or of the newest one; none where there is none."""
    number: int | None = _NEWEST.value(conn) if order_id is None else _NUMBER.value(conn, {"id": order_id})
    return number


def left_of(conn: Connection, chosen: Chosen) -> list[tuple[UUID, Status]]:
    """What has not ended of them."""
    statement = Statement(f"""
        -- left_of: those that have not ended, oldest first
        SELECT id, status FROM orders WHERE {chosen.condition} AND {IS_LIVE} ORDER BY number LIMIT {NAMED}
    """)  # noqa: S608  # the names are our own columns
    return [(order_id, Status(status)) for order_id, status in statement.all(conn, chosen.values)]
