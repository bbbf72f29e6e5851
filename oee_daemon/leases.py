"""The SQL of who holds what: which orders are due and held by nobody, and what a dead worker held.

Nothing here moves an order; as in `store` every time is Postgres's, and nothing commits by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, and_, case, func, not_, or_, select, update

from oee_daemon import store
from oee_daemon.tables import orders

#: What was rung is not rung again by recovery for this long.
RING_AGAIN = timedelta(seconds=10)
#: How far past its time an order has to be before recovery rings it: its own bell comes first.
OVERDUE = timedelta(seconds=1)

NOW = func.clock_timestamp()


def due(conn: Connection, *, network: str, owner: str, busy: Sequence[UUID], limit: int) -> list[UUID]:
    """Orders that nobody works on although they are due, oldest first, marked as rung.

    `busy`: what `owner` is working on.
    """
    o = orders.c
    rung = or_(o.rung_at.is_(None), o.rung_at <= NOW - RING_AGAIN, o.rung_at > NOW + store.TOLERANCE)
    unheld = or_(store.free(), and_(o.lease_owner == owner, not_(o.id.in_(busy))))
    overdue = or_(o.next_run_at <= NOW - OVERDUE, o.next_run_at > NOW + store.ABSURD)
    found = (
        select(o.id)
        .where(store.LIVE_ROWS, o.network == network, overdue, unheld, rung)
        .order_by(o.next_run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    marked = (
        update(orders).where(o.id.in_(found)).values(rung_at=NOW).returning(o.id, o.next_run_at).cte("marked")
    )
    return list(conn.execute(select(marked.c.id).order_by(marked.c.next_run_at)).scalars())


def forget_rings(conn: Connection, network: str) -> None:
    """The queue may have lost everything: what was rung counts as not rung."""
    o = orders.c
    conn.execute(
        update(orders)
        .where(store.LIVE_ROWS, o.network == network, o.rung_at.is_not(None))
        .values(rung_at=None)
    )


def clear_leases(conn: Connection, owner_prefix: str) -> int:
    """Frees what a worker that is known to be dead held; how many."""
    o = orders.c
    statement = (
        update(orders)
        .where(o.lease_owner.startswith(owner_prefix, autoescape=True), store.LIVE_ROWS)
        .values(lease_owner=None, lease_until=None, rung_at=None)
    )
    return conn.execute(statement).rowcount


def stuck(conn: Connection, network: str, since: timedelta) -> int:
    """How many live orders have not moved for longer than `since`."""
    o = orders.c
    found = select(func.count()).where(store.LIVE_ROWS, o.network == network, o.updated_at < NOW - since)
    return int(conn.execute(found).scalar_one())


def held(conn: Connection) -> int:
    """Leases that hold now."""
    o = orders.c
    valid = case((o.lease_until > NOW, 1))
    return int(conn.execute(select(func.count(valid)).where(store.LIVE_ROWS)).scalar_one())
