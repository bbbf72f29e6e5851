"""The SQL of who holds what: claims, leases, execution slots, and what is due and held by nobody.

An order is executed by whoever holds its lease, and a lease takes a slot: `execution_slots` has as many of a
class as orders of it may be in execution at once, over all workers. Every time is Postgres's, because leases
and due times are compared between processes whose clocks may differ. Nothing commits by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.orders.order import Order
from oee_daemon.store.engine_row import Where, place
from oee_daemon.store.order_rows import ORDER, order_row, order_told, said
from oee_daemon.store.postgres_line import Batch, Line, Row, answered, asked
from oee_daemon.store.predicates import (
    ABSURD,
    EXPIRED,
    HELD,
    IS_DUE,
    IS_LIVE,
    IS_RUNNABLE,
    IS_THERE,
    IS_URGENT,
    MAY_RUN,
    NEEDS_KEY,
    OVERDUE,
    RUNNABLE,
    TOLERANCE,
    there,
)
from oee_daemon.store.sql_statement import Statement
from oee_daemon.timing import USUAL

#: The classes of slots: those that every order takes, and those beyond them for what can't wait for one.
MARKET, URGENT = "market", "urgent"


class NoSlot(Exception):
    """As many orders as may be are in execution: another can be claimed when one of them lets go. `urgent`:
    this one may take an urgent slot."""

    def __init__(self, *, urgent: bool = False) -> None:
        super().__init__()
        self.urgent = urgent


# The orders first, in the order of their ids, then as many slots as there are. Whether a slot was just taken
# is told by its own column, which Postgres reads again once it has the lock. A slot of one of these orders,
# which nobody holds, is as good as a free one. Each order is looked for by itself: a join that was planned
# while there were no orders would read all of them.
@cache
def _claim(slot_class: str) -> Batch:
    return Batch(f"""
    -- claim: takes orders and a slot for each, and begins the attempts of those that are pending in time
    WITH {asked(_CLAIMS, "id")}, found AS (
        SELECT n, found_id, owner, lease, begins, urgent FROM asked CROSS JOIN LATERAL (
            SELECT orders.id AS found_id, status = 'pending' AND NOT {EXPIRED} AS begins,
                {IS_URGENT} AS urgent FROM orders
            WHERE orders.id = asked.id AND {IS_RUNNABLE} AND orders.network = asked.network AND {IS_DUE}
                AND (lease_owner = owner OR NOT {HELD}) AND {there("timeline", "started")}
                AND (locked IS NOT TRUE OR NOT {NEEDS_KEY}) AND {MAY_RUN}
            LIMIT 1 FOR UPDATE
        ) runnable
    ), free AS (
        SELECT slot FROM execution_slots
        WHERE class = '{slot_class}' AND slot <= (SELECT max(slots) FROM asked)
            AND (order_id IS NULL OR order_id IN (SELECT found_id FROM found))
        ORDER BY order_id NULLS LAST, slot LIMIT (SELECT count(*) FROM found) FOR UPDATE SKIP LOCKED
    ), taken AS (
        SELECT * FROM (SELECT *, row_number() OVER (ORDER BY n) AS turn FROM found) f
        JOIN (SELECT slot, row_number() OVER (ORDER BY slot) AS turn FROM free) s USING (turn)
    ), claimed AS (
        UPDATE orders SET
            fence = fence + 1, lease_owner = owner, lease_until = clock_timestamp() + lease,
            status = CASE WHEN begins THEN 'routing' ELSE status END,
            event_seq = event_seq + begins::int,
            updated_at = CASE WHEN begins THEN clock_timestamp() ELSE updated_at END
        FROM taken WHERE orders.id = found_id
        RETURNING {ORDER}, begins, n AS claim
    ), seated AS (
        UPDATE execution_slots s SET order_id = found_id, taken_at = clock_timestamp()
        FROM taken WHERE s.class = '{slot_class}' AND s.slot = taken.slot
    ), {said("'{}'", "claimed", "WHERE begins")}
    {answered("SELECT n, found.urgent, claimed.* FROM found LEFT JOIN claimed ON claim = n")}
    """)  # noqa: S608  # the names are our own


_CLAIMS = (
    "id uuid, owner text, network text, slots int, lease interval, timeline text, started timestamptz,"
    " locked boolean"
)


async def claim(
    line: Line,
    order_id: UUID,
    *,
    owner: str,
    network: str,
    slots: int,
    where: Where | None = None,
    lease: timedelta = USUAL.lease,
    slot_class: str = MARKET,
    locked: bool = False,
    seen: Callable[[Order], None] = lambda _: None,
) -> tuple[Order, bool] | None:
    """Takes the order for `owner`, who must not be working on it already, and one of the `slots` of a class;
    raises its fence. A pending one whose time is not over goes to `routing` with it: the second value says
    so. `seen`: is called with the order while that waits for the disk, see `Line.ask`.

    None: it is not runnable, not due, of another network, or held by somebody else; or the database is not
    `where` it was; or a swap of it has to be signed, and `owner` is `locked`. Raises `NoSlot`.
    """
    values: dict[str, Any] = {"id": order_id, "owner": owner, "network": network, "slots": slots}
    values |= {"lease": lease}
    if where is not None:
        values |= place(where)
    if locked:
        values["locked"] = True

    def read(row: Row) -> None:
        if row["id"] is not None:
            row["order"] = order_told(row)
            seen(row["order"])

    row = await line.ask(_claim(slot_class), values, read)
    if row is None:
        return None
    if row["id"] is None:
        raise NoSlot(urgent=row["urgent"] and slot_class != URGENT)
    return row["order"], row["begins"]


# A slot is taken from a holder whose lease is over together with the order itself: the fence is raised, so
# that a holder who was only frozen can neither renew the lease nor move the order, and never runs beside
# whoever gets the slot. The lease is looked at again once its row is locked; a row that is locked is one that
# moves.
_OLD = f"(taken_at <= clock_timestamp() - %(lease)s OR taken_at > clock_timestamp() + {ABSURD})"
_REAP = Statement(f"""
    -- reap_slots: takes slots and orders from holders whose leases are over
    WITH dead AS (
        SELECT id FROM orders
        WHERE id IN (SELECT order_id FROM execution_slots WHERE {_OLD})
            AND {IS_LIVE} AND NOT {HELD}
        FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE orders SET fence = fence + 1, lease_owner = NULL, lease_until = NULL, rung_at = NULL
        FROM dead WHERE orders.id = dead.id AND NOT {HELD}
        RETURNING orders.id
    )
    UPDATE execution_slots SET order_id = NULL
    WHERE order_id IN (SELECT id FROM taken)
        OR order_id IS NOT NULL AND {_OLD} AND NOT EXISTS (SELECT FROM
        orders WHERE orders.id = execution_slots.order_id AND {IS_LIVE})
    RETURNING slot
""")  # noqa: S608  # the names are our own columns


def reap(conn: Connection, lease: timedelta = USUAL.lease) -> bool:
    """Gives back the slots of those whose leases are over, and the orders with them. False: none was."""
    return _REAP.first(conn, {"lease": lease}) is not None


_ENSURE_SLOTS = Statement("""
    -- ensure_slots: makes the rows of a class that are missing
    INSERT INTO execution_slots (class, slot) SELECT %(class)s, generate_series(1, %(slots)s)
    ON CONFLICT DO NOTHING RETURNING slot
""")


def ensure_slots(conn: Connection, slots: int, slot_class: str = MARKET) -> bool:
    """Makes the slots of the class up to `slots`. False: they were all there."""
    return _ENSURE_SLOTS.first(conn, {"class": slot_class, "slots": slots}) is not None


_EXTEND = Statement(
    f"""
    -- extend_lease: a sign of life of whoever holds the order
    UPDATE orders SET lease_until = clock_timestamp() + %(lease)s
    WHERE id = %(id)s AND fence = %(fence)s AND status = %(status)s
    RETURNING {ORDER}
    """,  # noqa: S608  # the names are our own columns
    order_row,
)


def extend(conn: Connection, order: Order, lease: timedelta = USUAL.lease) -> Order | None:
    """A sign of life: the lease runs anew. None: somebody else holds the order now."""
    return _EXTEND.first(conn, _held_values(order) | {"lease": lease})


#: Whoever is no longer executed gives its slot back, in the statement that says so.
FREED = "UPDATE execution_slots SET order_id = NULL FROM {moved} m WHERE execution_slots.order_id = m.id"

_LET_GO = Statement(f"""
    -- let_go: gives an order back as it is, due again after a pause
    WITH moved AS (
        UPDATE orders SET
            lease_owner = NULL, lease_until = NULL, rung_at = NULL, asks = asks + 1,
            next_run_at = clock_timestamp() + %(pause)s
        WHERE id = %(id)s AND fence = %(fence)s AND status = %(status)s
        RETURNING id
    ), freed AS ({FREED.format(moved="moved")})
    SELECT id FROM moved
""")  # noqa: S608  # the names are our own columns


def let_go(conn: Connection, order: Order, pause: timedelta) -> None:
    """Gives the order back as it is, due again after `pause`."""
    _LET_GO.first(conn, _held_values(order) | {"pause": pause})


def _held_values(order: Order) -> dict[str, Any]:
    return {"id": order.id, "fence": order.fence, "status": order.status.value}


# By the owner, not by the fence: the claim itself may be what ended in the fault. Of what may still expire
# the pause ends with its time.
_GIVE_BACK = Statement(f"""
    -- give_back: gives back an order whose run ended in a fault of ours
    WITH given AS (
        SELECT id, make_interval(secs => least(%(most)s, %(first)s * 2 ^ least(faults, 20))) AS pause
        FROM orders WHERE id = %(id)s AND lease_owner = %(owner)s AND {IS_RUNNABLE}
        FOR UPDATE
    ), moved AS (
        UPDATE orders SET
            lease_owner = NULL, lease_until = NULL, rung_at = NULL, faults = faults + 1, fault = %(reason)s,
            next_run_at = clock_timestamp() + CASE WHEN status = 'submitted' THEN pause
                ELSE least(pause, greatest(expires_at - clock_timestamp(), make_interval(secs => %(first)s)))
            END
        FROM given WHERE orders.id = given.id
        RETURNING orders.id, faults, next_run_at - clock_timestamp() AS pause
    ), freed AS ({FREED.format(moved="moved")})
    SELECT faults, pause FROM moved
""")  # noqa: S608  # the names are our own columns


def give_back(
    conn: Connection, order_id: UUID, owner: str, reason: str, pauses: tuple[float, float]
) -> tuple[int, timedelta] | None:
    """Gives back, as it is, an order whose run ended in a fault, and its slot; due again after a pause that
    doubles from the first to the second of `pauses`, seconds, with each fault of the order.

    How many faults it has had, and the pause. None: `owner` does not hold it.
    """
    values = {"id": order_id, "owner": owner, "reason": reason, "first": pauses[0], "most": pauses[1]}
    row = _GIVE_BACK.first(conn, values)
    return None if row is None else (row[0], row[1])


_DUE = f"""
    -- {{name}}: hands out what is due and nobody works on, oldest first
    WITH found AS (
        SELECT id FROM orders
        WHERE {RUNNABLE} AND {{only}} AND network = %(network)s AND {OVERDUE} AND {MAY_RUN}
            AND (NOT {HELD} OR lease_owner = %(owner)s) AND id <> ALL (%(busy)s::uuid[])
            AND (rung_at BETWEEN clock_timestamp() - %(ring_again)s AND clock_timestamp() + {TOLERANCE})
                IS NOT TRUE
            AND (NOT %(locked)s OR NOT {NEEDS_KEY}) AND (SELECT {IS_THERE})
        ORDER BY next_run_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE orders SET rung_at = clock_timestamp() FROM found WHERE orders.id = found.id
        RETURNING orders.id, next_run_at
    )
    SELECT id FROM marked ORDER BY next_run_at
"""  # noqa: S608  # the names are our own columns
_DUE_ANY = Statement(_DUE.format(name="due", only="true"))
_DUE_URGENT = Statement(_DUE.format(name="due_urgent", only=IS_URGENT))


def due(
    conn: Connection,
    *,
    network: str,
    owner: str,
    busy: Sequence[UUID],
    limit: int,
    overdue: timedelta = USUAL.overdue,
    ring_again: timedelta = USUAL.ring_again,
    locked: bool = False,
    urgent: bool = False,
    where: Where | None = None,
) -> list[UUID]:
    """Orders that nobody works on although they are due, oldest first, marked as handed to a thread.

    `busy`: what `owner` is working on. `locked`: without those of which a swap has to be signed; `urgent`:
    only those that can't wait. None where the database is not `where` it was: no claim would take one.
    """
    values: dict[str, Any] = {"network": network, "owner": owner, "busy": [*busy], "limit": limit}
    values |= {"locked": locked} | place(where)
    statement = _DUE_URGENT if urgent else _DUE_ANY
    return statement.column(conn, values | {"overdue": overdue, "ring_again": ring_again})


_FORGET_RINGS = Statement(f"""
    -- forget_rings: what is due counts as handed to nobody
    UPDATE orders SET rung_at = NULL
    WHERE {RUNNABLE} AND network = %(network)s AND rung_at IS NOT NULL
""")  # noqa: S608  # the names are our own columns


def forget_rings(conn: Connection, network: str) -> None:
    """Whoever was handed what is due may be dead: it counts as handed to nobody."""
    _FORGET_RINGS.run(conn, {"network": network})


_CLEAR_LEASES = Statement(f"""
    -- clear_leases: frees what a dead worker held
    WITH moved AS (
        UPDATE orders SET lease_owner = NULL, lease_until = NULL, rung_at = NULL
        WHERE {RUNNABLE} AND starts_with(lease_owner, %(prefix)s) AND lease_owner <> %(but)s
        RETURNING id
    ), freed AS ({FREED.format(moved="moved")})
    SELECT count(*) FROM moved
""")  # noqa: S608  # the names are our own columns


def clear_leases(conn: Connection, owner_prefix: str, *, but: str = "") -> int:
    """Frees what a worker that is known to be dead held, and not what `but` holds; how many."""
    return int(_CLEAR_LEASES.value(conn, {"prefix": owner_prefix, "but": but}))


_STUCK = Statement(f"""
    -- stuck: how many runnable orders have not moved for long
    SELECT count(*) FROM orders
    WHERE {RUNNABLE} AND network = %(network)s AND updated_at < clock_timestamp() - %(since)s
""")  # noqa: S608  # the names are our own columns


def stuck(conn: Connection, network: str, since: timedelta) -> int:
    """How many runnable orders have not moved for longer than `since`."""
    return int(_STUCK.value(conn, {"network": network, "since": since}))
