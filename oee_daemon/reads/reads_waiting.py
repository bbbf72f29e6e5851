"""What waits, for whoever asks: each order's market, the nearest ones, who watches; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.orders.order import Order
from oee_daemon.store import listing_sql, waiting_sql


class WaitingOrders:
    """Reads what waits."""

    def __init__(self, db: Engine) -> None:
        self._db = db

    def markets(self, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        """The rows of `waiting_sql.MARKETS`, by order: of those that wait, and whose pair has a price."""
        if not ids:
            return {}
        with self._db.connect() as conn:
            return {row.id: row for row in waiting_sql.MARKETS.all(conn, {"ids": [*ids]})}

    def held_back(self, ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
        """Of those among `ids` that wait, and of whose group another is being executed: by which."""
        if not ids:
            return {}
        with self._db.connect() as conn:
            return dict(waiting_sql.HELD_BACK.all(conn, {"ids": [*ids]}))

    def nearest(self, wanted: Mapping[str, str], limit: int) -> list[Order]:
        """The orders nearest to their price first. `wanted`: pair, side, type, where they are given."""
        names = tuple(name for name in ("pair", "side", "type") if name in wanted)
        with self._db.connect() as conn:
            ids = waiting_sql.nearest(names).column(conn, {**wanted, "most": limit})
            orders = {order.id: order for order in listing_sql.among(conn, ids, [], ended=False)}
        # What has fired between the two looks waits no more.
        return [order for i in ids if (order := orders.get(i)) is not None and order.status == "waiting"]

    def watch(self) -> tuple[Any, list[Any]]:
        """The row of `waiting_sql.LEADER` and those of `FEEDS`."""
        with self._db.connect() as conn:
            feeds = waiting_sql.FEEDS.all(conn)
            return waiting_sql.LEADER.one(conn), feeds

    def prices(self, pairs: Sequence[str]) -> Mapping[str, Any]:
        """The rows of `waiting_sql.PRICES`, by pair: of those that somebody sees a fresh price of."""
        with self._db.connect() as conn:
            return {row.pair: row for row in waiting_sql.PRICES.all(conn, {"pairs": [*pairs]})}

    def gaps(self, order_id: UUID) -> list[tuple[Any, ...]]:
        """When nobody saw a fresh price while it waited: begun, ended, why; the newest first."""
        with self._db.connect() as conn:
            return waiting_sql.GAPS.all(conn, {"id": order_id})

    def legs(self, order_id: UUID) -> list[tuple[Any, ...]]:
        """The other orders of its group: id, type, status."""
        with self._db.connect() as conn:
            return waiting_sql.LEGS.all(conn, {"id": order_id})
