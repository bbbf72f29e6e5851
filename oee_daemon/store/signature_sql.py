"""The SQL of whose a signature is: an order's swaps, and the orders of swaps."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.store.sql_statement import Statement

_OF_ORDER = Statement("""
    -- signatures_of: every signature that an order has had
    SELECT signature FROM swaps WHERE order_id = %(order_id)s
    UNION SELECT signature FROM orders WHERE id = %(order_id)s AND signature IS NOT NULL
""")
_ORDERS = Statement("""
    -- orders_of: the order of each of these swaps
    SELECT signature, order_id FROM swaps WHERE signature = ANY(%(signatures)s)
""")


def signatures_of(conn: Connection, order_id: UUID) -> list[str]:
    return _OF_ORDER.column(conn, {"order_id": order_id})


def orders_of(conn: Connection, signatures: Sequence[str]) -> dict[str, UUID]:
    """By signature; those that no stored swap has are left out."""
    return dict(_ORDERS.all(conn, {"signatures": list(signatures)}))
