"""The SQL of the orders that may have been executed without a trace here; `engine.recall` asks the chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from oee_daemon.contract.status import STEPS, Status
from oee_daemon.store.group_sql import DISARMED
from oee_daemon.store.lease_sql import FREED
from oee_daemon.store.predicates import ABSURD, LIVE, TOLERANCE
from oee_daemon.store.sql_statement import Statement


class Doubt(NamedTuple):
    """Why an order is in doubt: it may be on `chain`, where another engine may sign for it `until` then."""

    chain: str
    until: datetime | None
    #: The last height at which what was signed can land; none until the chain could be asked.
    last_height: int | None
    #: How long it is until `until`.
    left: timedelta | None


# The fence is raised past all that it may have been before that was forgotten: whoever holds it by a claim of
# then is told, too. The steps that an order has not been seen to take are told as well: its events stay in
# the order that the moves allow.
_WAY = (Status.WAITING, *STEPS[: STEPS.index(Status.SUBMITTED) + 1])
_STEPS = ", ".join(
    f"('{began.value}', {n}, '{step.value}')"
    for began in _WAY
    for n, step in enumerate(_WAY[_WAY.index(began) + 1 :], 1)
)
# Until when another engine may sign for it. What waits for a price does so until its time to wait is over,
# and if it has fired here, it may wait again there; where it has no end, that is for ever.
_UNTIL = """CASE WHEN type = 'market'
            THEN coalesce(expires_at, launch_at + make_interval(secs => valid_for_s)) ELSE good_until END"""
_UNTIL = f"coalesce({_UNTIL}, '9999-01-01T00:00:00Z')"
#: Longer than any order waits that has an end.
FOR_EVER = timedelta(days=36500)
#: Orders that one statement puts in doubt: a hundred thousand at once would take longer than any may.
AT_ONCE = 2000
_DOUBT = f"""
    -- {{name}}: they may be on a chain
    WITH live AS (
        SELECT id, status, event_seq, attempt, type, expires_at, good_until, launch_at, valid_for_s
        FROM orders WHERE {{which}} FOR UPDATE
    ), noted AS (
        INSERT INTO doubts (order_id, chain, until)
        SELECT id, %(chain)s, CASE WHEN %(elsewhere)s THEN {_UNTIL} END FROM live
        ON CONFLICT (order_id) DO UPDATE
            SET last_height = NULL, until = GREATEST(doubts.until, EXCLUDED.until)
    ), steps (began, n, status) AS (
        VALUES {_STEPS}
    ), said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq + n, steps.status, attempt, statement_timestamp(), '{{{{"assumed": true}}}}'
        FROM live JOIN steps ON began = live.status
    ), freed AS ({FREED.format(moved="live")})
    UPDATE orders SET
        status = 'submitted', fence = fence + 1000000, asks = 0,
        event_seq = orders.event_seq + (SELECT count(*) FROM steps WHERE began = live.status),
        updated_at = CASE WHEN live.status = 'submitted' THEN updated_at ELSE statement_timestamp() END,
        lease_owner = NULL, lease_until = NULL, rung_at = NULL, next_run_at = statement_timestamp(),
        expires_at = coalesce(orders.expires_at, statement_timestamp()), {DISARMED}
    FROM live WHERE orders.id = live.id
    RETURNING live.status
"""  # noqa: S608  # the names are our own columns
# In the order in which whoever moves them locks them.
_LOCK_LIVE = Statement(f"""
    -- lock the live: orders that may have been executed
    SELECT id FROM orders WHERE {LIVE} ORDER BY id FOR UPDATE
""")  # noqa: S608  # a predicate of ours
_THESE = Statement(_DOUBT.format(name="doubt: these orders, which are locked", which="id = ANY (%(ids)s)"))
# Who joins a group holds its row, and a statement does not see what is stored after it has begun.
_LOCK_GROUPS = Statement("""
    -- lock the groups of what is in doubt
    SELECT id FROM order_groups
    WHERE id IN (SELECT o.group_id FROM doubts d JOIN orders o ON o.id = d.order_id) ORDER BY id FOR UPDATE
""")
_JOINED = Statement(
    _DOUBT.format(
        name="doubt_joined: those that have joined a group of theirs meanwhile",
        which="""status = 'waiting' AND group_id IN (
            SELECT o.group_id FROM doubts d JOIN orders o ON o.id = d.order_id)""",
    )
)
_OF = Statement(
    "-- doubt_of: one order\n"
    "SELECT chain, until, last_height, until - clock_timestamp() AS left FROM doubts WHERE order_id = %(id)s",
    class_row(Doubt),
)
_GROUP = Statement(
    "-- group_of: since when there are its orders\nSELECT id, created_at FROM orders WHERE group_id = %(id)s"
)
_UNBOUND = Statement(f"""
    -- unbound: orders that may be on this chain alone, until a height that nobody has asked for yet
    SELECT id, fence FROM doubts JOIN orders ON id = order_id
    WHERE last_height IS NULL AND until IS NULL AND chain = %(chain)s AND status = 'submitted'
    LIMIT {AT_ONCE}
""")  # noqa: S608  # a number of ours
# Not where it was put in doubt again meanwhile: then more was signed than the height's anchor knows of.
_BOUND = Statement("""
    -- bound: the last height at which what was signed can land; who is not held is left until it can be told
    WITH these AS (
        SELECT id FROM unnest(%(ids)s::uuid[], %(fences)s::bigint[]) AS t (id, seen) JOIN orders USING (id)
        WHERE fence = seen ORDER BY id FOR UPDATE OF orders
    ), noted AS (
        UPDATE doubts SET last_height = %(height)s FROM these WHERE order_id = these.id
    )
    UPDATE orders SET next_run_at = clock_timestamp() + %(later)s
    FROM these WHERE orders.id = these.id AND status = 'submitted' AND lease_owner IS NULL
        AND NOT EXISTS (SELECT FROM swaps WHERE order_id = these.id AND state = 'signed')
""")
_CONCERNED = Statement("""
    -- concerned: those that may be in doubt, or of a group of which one is
    SELECT id FROM orders WHERE id = ANY (%(ids)s) AND (finished_at IS NULL OR group_id IS NOT NULL)
""")
_HASTEN = Statement(f"""
    -- hasten: those of which a landing was found are asked about at once
    UPDATE orders SET next_run_at = clock_timestamp()
    WHERE id IN (SELECT id FROM orders WHERE id = ANY (%(ids)s) ORDER BY id FOR UPDATE SKIP LOCKED)
        AND status = 'submitted' AND lease_owner IS NULL
        AND next_run_at BETWEEN clock_timestamp() + {TOLERANCE} AND clock_timestamp() + {ABSURD}
        AND EXISTS (SELECT FROM doubts WHERE order_id = id)
""")  # noqa: S608  # the names are our own
_FORGET_ENDED = Statement("""
    -- forget the ended
    DELETE FROM doubts USING orders WHERE orders.id = order_id AND orders.finished_at IS NOT NULL
""")


def doubt(
    conn: Connection, chain: str, *, elsewhere: bool, going_on: Callable[[], None] = lambda: None
) -> list[str]:
    """Puts every live order in doubt: it may be on `chain`. Returns the status that each had.

    `elsewhere`: this is a copy, and the engine that it was copied from may go on with them. Whoever holds one
    of them is told by the raised fence. In a transaction of the caller's it is all of them, or none;
    `going_on` is called after each part of them.
    """
    values: dict[str, Any] = {"chain": chain, "elsewhere": elsewhere}
    live, found = _LOCK_LIVE.column(conn), []
    for first in range(0, len(live), AT_ONCE):
        found += _THESE.all(conn, values | {"ids": live[first : first + AT_ONCE]})
        going_on()
    if _LOCK_GROUPS.all(conn):
        found += _JOINED.all(conn, values)
    return [row[0] for row in found]


def forget_the_ended(conn: Connection) -> None:
    """Removes what was in doubt and has ended."""
    _FORGET_ENDED.run(conn)


def doubt_of(conn: Connection, order_id: UUID) -> Doubt | None:
    return _OF.first(conn, {"id": order_id})


def group_of(conn: Connection, group_id: UUID | None) -> dict[UUID, datetime]:
    """The orders that exclude each other there, each with when it was placed; none of no group."""
    return {} if group_id is None else dict(_GROUP.all(conn, {"id": group_id}))


def unbound(conn: Connection, chain: str) -> list[tuple[UUID, int]]:
    """Orders of which it is not known until which height they can land, some of them, with their fences."""
    return [(row[0], row[1]) for row in _UNBOUND.all(conn, {"chain": chain})]


def bound(conn: Connection, orders: Sequence[tuple[UUID, int]], height: int, later: timedelta) -> None:
    """Notes the last height, of blocks, at which what was signed under these fences can land. Whoever is not
    held, and has no swap that is to be sent again, is due `later`."""
    ids, fences = [one[0] for one in orders], [one[1] for one in orders]
    _BOUND.run(conn, {"ids": ids, "fences": fences, "height": height, "later": later})


def concerned(conn: Connection, ids: Collection[UUID]) -> list[UUID]:
    """Which of them may be in doubt, or of a group of which one is. Who is in doubt is due at once."""
    found = _CONCERNED.column(conn, {"ids": [*ids]})
    if found:
        _HASTEN.run(conn, {"ids": found})
    return found
