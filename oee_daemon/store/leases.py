"""The SQL of who holds what: claims, leases, the wallet's places, and what is due and held by nobody.

An order is executed by whoever holds its lease, and a lease takes a place: `slots` has as many as orders may
be in execution at once, over all workers. As in `store` every time is Postgres's, and nothing commits by
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, and_, case, func, literal, not_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from oee_daemon.contract.status import FINAL
from oee_daemon.orders.order import Order
from oee_daemon.store import moves
from oee_daemon.store.prepared import Prepared
from oee_daemon.store.tables import orders, slots

#: What recovery has handed to a thread, it hands to none again for this long.
RING_AGAIN = timedelta(seconds=10)
#: How far past its time an order has to be before recovery takes it up: its own bell comes first.
OVERDUE = timedelta(seconds=1)

#: A lease or a due time further ahead than this comes from a clock that jumped.
ABSURD = timedelta(seconds=120)
#: The bell and the clock are two: what is due this soon is due.
TOLERANCE = timedelta(milliseconds=20)

NOW = func.clock_timestamp()


class Where(NamedTuple):
    """A Postgres server, its timeline, the bytes of its log that are on disk, and since when it runs."""

    server: str
    timeline: str
    flushed: int
    started: datetime


class NoPlace(Exception):
    """As many orders as may be are in execution: another can be claimed when one of them lets go."""


#: Not final, in other words than those of the index on what is due: with those Postgres may take that index
#: for the way to one order, and read every live one.
_LIVE = f"status NOT IN ({', '.join(repr(str(status)) for status in sorted(FINAL))})"

#: Somebody holds it, and not by a clock that jumped.
_HELD = "(lease_until BETWEEN clock_timestamp() AND clock_timestamp() + %(absurd)s) IS TRUE"

# The place first, then the order, then both are taken. What was just taken is told by the slot's own column,
# which Postgres reads again after waiting for a lock.
_CLAIM = f"""
    WITH place AS (
        SELECT slot FROM slots
        WHERE slot <= %(places)s AND (order_id IS NULL OR order_id = %(id)s)
        ORDER BY order_id = %(id)s DESC NULLS LAST, slot
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ), found AS (
        SELECT id, status = 'pending' AND expires_at > clock_timestamp() AS begins FROM orders
        WHERE EXISTS (SELECT FROM place) AND id = %(id)s AND {_LIVE} AND network = %(network)s
            AND (next_run_at IS NULL OR next_run_at <= clock_timestamp() + %(tolerance)s
                OR next_run_at > clock_timestamp() + %(absurd)s)
            AND (lease_until IS NULL OR lease_until <= clock_timestamp() OR lease_owner = %(owner)s
                OR lease_until > clock_timestamp() + %(absurd)s)
            AND true
        FOR UPDATE
    ), claimed AS (
        UPDATE orders SET
            fence = fence + 1, lease_owner = %(owner)s, lease_until = clock_timestamp() + %(lease)s,
            status = CASE WHEN begins THEN 'routing' ELSE status END,
            event_seq = event_seq + begins::int,
            updated_at = CASE WHEN begins THEN clock_timestamp() ELSE updated_at END
        FROM found WHERE orders.id = found.id
        RETURNING {moves.RETURNED}, begins
    ), taken AS (
        UPDATE slots SET order_id = claimed.id, taken_at = clock_timestamp()
        FROM claimed, place WHERE slots.slot = place.slot
    ), said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq, status, attempt, updated_at, '{{}}' FROM claimed WHERE begins
    )
    SELECT EXISTS (SELECT FROM place), claimed.*
    FROM (VALUES (1)) one LEFT JOIN claimed ON true
"""  # noqa: S608  # the names are our own columns
_ANYWHERE = Prepared(_CLAIM)
# On the server that was looked at, by when it was started, and on its timeline: one that took over, or was
# put back, may have forgotten what was sent. (To ask each time for its identifier would read a file.)
_THERE = Prepared(
    _CLAIM.replace(
        "AND true",
        """AND left(pg_walfile_name(pg_current_wal_lsn()), 8) = %(timeline)s
            AND pg_postmaster_start_time() = %(started)s""",
    )
)


def claim(
    conn: Connection, order_id: UUID, owner: str, network: str, places: int, where: Where | None = None
) -> tuple[Order, bool] | None:
    """Takes the order for `owner`, who must not be working on it already, and one of `places` for it; raises
    its fence. A pending one whose time is not over goes to `routing` with it: the second value says so.

    None: it is final, not due, of another network, or held by somebody else; or the database is not
    `where` it was. Raises `NoPlace`, whatever the order is.
    """
    values = {"id": order_id, "owner": owner, "network": network, "places": places}
    values |= {"lease": moves.LEASE, "absurd": ABSURD, "tolerance": TOLERANCE}
    row = _ANYWHERE.first(conn, values) if where is None else _THERE.first(conn, values | where._asdict())
    assert row is not None
    place, *order, begins = row
    if not place:
        raise NoPlace
    return (moves.order_of(order), begins) if begins is not None else None


# A place is taken from a holder whose lease is over together with the order itself: the fence is raised, so
# that a holder who was only frozen can neither renew the lease nor move the order, and never runs beside
# whoever gets the place. The lease is looked at again once its row is locked; a row that is locked is one
# that moves.
_REAP = Prepared(f"""
    WITH dead AS (
        SELECT id FROM orders
        WHERE id IN (SELECT order_id FROM slots WHERE taken_at <= clock_timestamp() - %(lease)s)
            AND finished_at IS NULL AND NOT {_HELD}
        FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE orders SET fence = fence + 1, lease_owner = NULL, lease_until = NULL, rung_at = NULL
        FROM dead WHERE orders.id = dead.id AND NOT {_HELD}
        RETURNING orders.id
    )
    UPDATE slots SET order_id = NULL
    WHERE order_id IN (SELECT id FROM taken)
        OR order_id IS NOT NULL AND taken_at <= clock_timestamp() - %(lease)s AND NOT EXISTS (SELECT FROM
        orders WHERE orders.id = slots.order_id AND finished_at IS NULL)
    RETURNING slot
""")  # noqa: S608  # the names are our own columns


def reap(conn: Connection) -> bool:
    """Gives back the places of those whose leases are over, and the orders with them. False: none was."""
    return _REAP.first(conn, {"lease": moves.LEASE, "absurd": ABSURD}) is not None


def furnish(conn: Connection, places: int) -> bool:
    """Makes the rows of `slots` up to `places`. False: they were all there."""
    wanted = select(func.generate_series(1, literal(places)))
    made = insert(slots).from_select(["slot"], wanted).on_conflict_do_nothing().returning(slots.c.slot)
    return conn.execute(made).first() is not None


def free() -> ColumnElement[bool]:
    """Nobody holds it, or not any more, or by a clock that jumped."""
    until = orders.c.lease_until
    return or_(until.is_(None), until <= NOW, until > NOW + ABSURD)


def extend(conn: Connection, order: Order) -> Order | None:
    """A sign of life: the lease runs anew. None: somebody else holds the order now."""
    o = orders.c
    statement = (
        update(orders)
        .where(o.id == order.id, o.fence == order.fence, o.status == order.status)
        .values(lease_until=NOW + moves.LEASE)
        .returning(*moves.COLUMNS, (o.expires_at <= NOW).label("stale"))
    )
    row = conn.execute(statement).first()
    return None if row is None else moves.order_of(row)


def let_go(conn: Connection, order: Order, pause: timedelta) -> None:
    """Gives the order back as it is, due again after `pause`."""
    o = orders.c
    left = (
        update(orders)
        .where(o.id == order.id, o.fence == order.fence, o.status == order.status)
        .values(lease_owner=None, lease_until=None, rung_at=None, next_run_at=NOW + pause, asks=o.asks + 1)
        .returning(o.id)
        .cte("left_alone")
    )
    conn.execute(select(left).add_cte(moves.freed(left)))


# By the owner, not by the fence: the claim itself may be what ended in the fault. Of what may still expire
# the pause ends with its time.
_FAULT = Prepared("""
    WITH given AS (
        SELECT id, make_interval(secs => least(%(most)s, %(first)s * 2 ^ least(faults, 20))) AS pause
        FROM orders WHERE id = %(id)s AND lease_owner = %(owner)s AND finished_at IS NULL
        FOR UPDATE
    ), left_alone AS (
        UPDATE orders SET
            lease_owner = NULL, lease_until = NULL, rung_at = NULL, faults = faults + 1, fault = %(reason)s,
            next_run_at = clock_timestamp() + CASE WHEN status = 'submitted' THEN pause
                ELSE least(pause, greatest(expires_at - clock_timestamp(), make_interval(secs => %(first)s)))
            END
        FROM given WHERE orders.id = given.id
        RETURNING orders.id, faults, next_run_at - clock_timestamp() AS pause
    ), freed AS (
        UPDATE slots SET order_id = NULL FROM left_alone WHERE slots.order_id = left_alone.id
    )
    SELECT faults, pause FROM left_alone
""")


def give_back(
    conn: Connection, order_id: UUID, owner: str, reason: str, pauses: tuple[float, float]
) -> tuple[int, timedelta] | None:
    """Gives back, as it is, an order whose run ended in a fault, and its place; due again after a pause that
    doubles from the first to the second of `pauses`, seconds, with each fault of the order.

    How many faults it has had, and the pause. None: `owner` does not hold it.
    """
    values = {"id": order_id, "owner": owner, "reason": reason, "first": pauses[0], "most": pauses[1]}
    row = _FAULT.first(conn, values)
    return None if row is None else (row[0], row[1])


def due(conn: Connection, *, network: str, owner: str, busy: Sequence[UUID], limit: int) -> list[UUID]:
    """Orders that nobody works on although they are due, oldest first, marked as handed to a thread.

    `busy`: what `owner` is working on.
    """
    o = orders.c
    rung = or_(o.rung_at.is_(None), o.rung_at <= NOW - RING_AGAIN, o.rung_at > NOW + TOLERANCE)
    unheld = or_(free(), and_(o.lease_owner == owner, not_(o.id.in_(busy))))
    overdue = or_(o.next_run_at <= NOW - OVERDUE, o.next_run_at > NOW + ABSURD)
    found = (
        select(o.id)
        .where(moves.LIVE_ROWS, o.network == network, overdue, unheld, rung)
        .order_by(o.next_run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    marked = (
        update(orders).where(o.id.in_(found)).values(rung_at=NOW).returning(o.id, o.next_run_at).cte("marked")
    )
    return list(conn.execute(select(marked.c.id).order_by(marked.c.next_run_at)).scalars())


def forget_rings(conn: Connection, network: str) -> None:
    """Whoever was handed what is due may be dead: it counts as handed to nobody."""
    o = orders.c
    conn.execute(
        update(orders)
        .where(moves.LIVE_ROWS, o.network == network, o.rung_at.is_not(None))
        .values(rung_at=None)
    )


def clear_leases(conn: Connection, owner_prefix: str, *, but: str = "") -> int:
    """Frees what a worker that is known to be dead held, and not what `but` holds; how many."""
    o = orders.c
    mine = o.lease_owner.startswith(owner_prefix, autoescape=True)
    cleared = (
        update(orders)
        .where(mine, o.lease_owner != but, moves.LIVE_ROWS)
        .values(lease_owner=None, lease_until=None, rung_at=None)
        .returning(o.id)
        .cte("cleared")
    )
    return len(conn.execute(select(cleared).add_cte(moves.freed(cleared))).all())


def stuck(conn: Connection, network: str, since: timedelta) -> int:
    """How many live orders have not moved for longer than `since`."""
    o = orders.c
    found = select(func.count()).where(moves.LIVE_ROWS, o.network == network, o.updated_at < NOW - since)
    return int(conn.execute(found).scalar_one())


def held(conn: Connection) -> int:
    """Leases that hold now."""
    o = orders.c
    valid = case((o.lease_until > NOW, 1))
    return int(conn.execute(select(func.count(valid)).where(moves.LIVE_ROWS)).scalar_one())
