"""Places orders of which at most one is filled, with their group or into one that there is: all of them in
one transaction, or none.

The orders are stored by the statements of `creating_sql`. A group is joined only while none of it is beyond
waiting: its row, or that of the order that is joined, is locked until the new member is stored. Nothing here
commits: the caller's transaction does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Connection

from oee_daemon.contract.protocol import GROUP_SIZE
from oee_daemon.contract.status import Status
from oee_daemon.errors import Conflict, InvalidInput, Refused
from oee_daemon.orders.order import Order
from oee_daemon.store import creating_sql, order_rows
from oee_daemon.store.creating_sql import New
from oee_daemon.store.order_rows import ORDER, order_row
from oee_daemon.store.postgres_line import Row, encode
from oee_daemon.store.predicates import IS_LIVE, IS_SENT
from oee_daemon.store.spending_sql import NoRoom
from oee_daemon.store.sql_statement import Statement, driver, fault, named_row

#: As `creating_sql` does, which does not wait.
_LOCK_KEY = Statement("""
    -- lock a key until the transaction ends
    SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))
""")
_FIND = Statement("""
    -- find a group by its key
    SELECT id, request_hash FROM order_groups WHERE idempotency_key = %(key)s
""")
_MAKE = Statement("""
    -- make a group
    INSERT INTO order_groups (id, rule, idempotency_key, request_hash)
    VALUES (%(id)s, 'oco', %(key)s, %(hash)s)
""")
_MEMBERS = Statement(
    f"-- members: of a group\nSELECT {ORDER} FROM orders WHERE group_id = %(id)s ORDER BY number",
    order_row,
)
_IS_GROUP = Statement("-- is_group\nSELECT id FROM order_groups WHERE id = %(id)s")
_LOCK_ALONE = Statement("""
    -- lock an order that waits in no group
    SELECT id FROM orders WHERE id = %(id)s AND status = 'waiting' AND group_id IS NULL FOR UPDATE
""")
_ENTER = Statement("-- enter: the first of a group\nUPDATE orders SET group_id = %(group)s WHERE id = %(id)s")
# Who is in doubt may have been filled, though it has no turn: its end does not see who joins at that moment.
_LOCK_FREE = Statement(f"""
    -- lock a group of which none is beyond waiting
    SELECT id FROM order_groups g WHERE id = %(id)s AND turn IS NULL AND filled IS NULL
        AND NOT EXISTS (SELECT FROM orders WHERE group_id = g.id AND {IS_SENT}) FOR UPDATE
""")  # noqa: S608  # a predicate of ours
_COUNT = Statement(
    f"""
    -- count those of a group that have not ended, and those that wait
    SELECT count(*) AS live, count(*) FILTER (WHERE status = 'waiting') AS waiting,
        bool_and(network = %(network)s) AS here
    FROM orders WHERE group_id = %(id)s AND {IS_LIVE}
    """,  # noqa: S608  # a predicate of ours
    named_row,
)


class NotStored(Exception):
    """The order of that number, from 0, was refused by what `cause` says; or its key is known."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def lock_key(conn: Connection, key: str | None) -> None:
    """Whoever comes with the same key waits until this transaction has ended."""
    if key is not None:
        _LOCK_KEY.first(conn, {"key": key})


def lock_limits(conn: Connection, *, limited: bool) -> None:
    """What the order is stored behind, before any row is locked: an edit takes the same in this order."""
    first, _ = creating_sql.batch_of(True, limited=limited).texts
    Statement(first).first(conn)


def find_group(conn: Connection, key: str) -> tuple[UUID, bytes] | None:
    """The group that was placed with the key, and the hash of its request."""
    found = _FIND.first(conn, {"key": key})
    return None if found is None else (found[0], bytes(found[1]))


def members(conn: Connection, group: UUID) -> list[Order]:
    """Its orders that are kept, the oldest first."""
    return _MEMBERS.all(conn, {"id": group})


def make(conn: Connection, key: str | None, request_hash: bytes | None) -> UUID:
    """A new group."""
    group = uuid4()
    _MAKE.run(conn, {"id": group, "key": key, "hash": request_hash})
    return group


def join(conn: Connection, wanted: UUID, network: str) -> UUID:
    """The group of a waiting order, which is made where there is none, or the group of that id; locked.

    Raises `InvalidInput` where there is neither, and `Conflict` where one of them is being executed, was
    filled, or where all have ended.
    """
    order = order_rows.find(conn, wanted)
    if order is None:
        if _IS_GROUP.first(conn, {"id": wanted}) is None:
            raise InvalidInput(
                f"There is no order and no group {wanted}.",
                code="unknown_order",
                field="oco",
                hint="Name an order that waits: oee waiting",
            )
        return _lock_group(conn, wanted, network)
    if order.network != network:
        raise _elsewhere(order.network)
    if order.status is not Status.WAITING:
        raise _fired_error(f"Order {wanted} is {order.status}", order.status)
    if order.group_id is not None:
        return _lock_group(conn, order.group_id, network)
    if _LOCK_ALONE.first(conn, {"id": wanted}) is None:
        # Between the two looks it fired, ended or joined another.
        return join(conn, wanted, network)
    group = make(conn, None, None)
    _ENTER.run(conn, {"id": wanted, "group": group})
    return group


def _lock_group(conn: Connection, group: UUID, network: str) -> UUID:
    if _LOCK_FREE.first(conn, {"id": group}) is None:
        raise _fired_error(f"An order of group {group} is being executed or was filled", Status.PENDING)
    found = _COUNT.one(conn, {"id": group, "network": network})
    if not found.waiting:
        raise _fired_error(f"No order of group {group} waits any more", Status.CANCELLED)
    if not found.here:
        raise _elsewhere("another network")
    if found.live >= GROUP_SIZE[1]:
        raise Conflict(f"Group {group} has {found.live} orders, and takes no more.", code="group_full")
    return group


def _fired_error(what: str, status: Status) -> Conflict:
    code = "order_pending" if status not in (Status.CANCELLED, Status.EXPIRED) else f"order_{status}"
    return Conflict(
        f"{what}: only what waits can be joined. Nothing was placed.",
        code=code,
        hint="Leave oco out to place the order by itself.",
    )


def _elsewhere(network: str) -> Conflict:
    return Conflict(f"It is of {network}: orders of one group are of one network.", code="other_network")


def place(conn: Connection, network: str, group: UUID, asked: Sequence[New]) -> list[Order]:
    """Stores the orders, which wait, in the group. Raises `NotStored`, from what the storing raises."""
    limited = asked[0].reserving is not None
    asked = [replace(new, armed=new.armed and replace(new.armed, group=group)) for new in asked]
    rows = [creating_sql.row_of(uuid4(), network, new) for new in asked]
    # One statement for all: limits are asked of their sum.
    told = _run(conn, creating_sql.batch_of(True, limited=limited).texts, encode(rows))
    return [
        _placed_order(n, told.get(n + 1), *placed) for n, placed in enumerate(zip(rows, asked, strict=True))
    ]


def _placed_order(number: int, stored: Row | None, row: Row, new: New) -> Order:
    if stored is None:
        raise NotStored(number)
    try:
        return creating_sql.read_stored(stored, row, new)
    except (Refused, NoRoom) as e:
        raise NotStored(number) from e


def _run(conn: Connection, texts: Sequence[str], rows: str) -> dict[int, Row]:
    """What the statements of a `Batch` answer in this transaction, by the numbers of the rows, from 1."""
    cursor, answer = psycopg.RawCursor(driver(conn)), None
    try:
        for text in texts:
            cursor.execute(text, [rows] if text is texts[-1] else None)
            answer = cursor.fetchone()
    except psycopg.Error as e:
        raise fault(conn, e, texts[-1]) from e
    return {row.pop("n"): row for row in (answer or [None])[0] or []}
