"""The SQL of groups of which at most one order is filled: who has the turn, who is stopped by whose fill.

One order of a group at a time is beyond waiting: it has the turn, in `order_groups.turn` and in its own row.
The others wait on, suspended. The turn goes back in the statement by which its holder ends or waits again; a
stop that is latched keeps it. The statement that stores a fill marks the group and cancels those that wait.
Locks are taken orders first, then groups, then the others of a group. No statement stands here alone.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.store.order_rows import said
from oee_daemon.store.sql_statement import Statement

#: What waits no more is compared with nothing.
DISARMED = "arm_rule = NULL, arm_price = NULL, look_at = NULL"
# By scalar queries, which look one group up: `EXISTS` would be planned as a hash of all groups.
#: Of an update of `orders`: it is in no group, or has its group's turn.
HAS_TURN = """(group_id IS NULL OR (SELECT g.turn = orders.id AND g.filled IS NULL FROM order_groups g
            WHERE g.id = group_id) IS TRUE)"""
_HAS_TURN = Statement(f"""
    -- has_turn: whether an order is in no group, or has its group's turn
    SELECT {HAS_TURN} FROM orders WHERE id = %(id)s
""")  # noqa: S608  # a predicate of ours
#: No order of its group was filled.
UNFILLED = """(SELECT g.filled FROM order_groups g WHERE g.id = orders.group_id) IS NULL"""
#: Of `moved (id, group_id, turn)`: who has no turn any more gives it back.
TURN_GIVEN = """given AS (
        UPDATE order_groups SET turn = NULL FROM moved
        WHERE order_groups.id = moved.group_id AND order_groups.turn = moved.id AND moved.turn IS NULL
    )"""
#: Another order of its group has the turn, or was filled.
SUSPENDED = "EXISTS (SELECT FROM order_groups g WHERE g.id = group_id AND g.turn <> orders.id)"
#: Of `locked (id, type, number, oco, holds)`, orders whose rows are locked: `free`, those that may fire, of a
#: group one. Who has its turn already comes first, then stops, then the oldest.
TURNS = """chosen AS (
        SELECT DISTINCT ON (coalesce(oco, id)) id, oco FROM locked
        ORDER BY coalesce(oco, id), holds DESC, type = 'stop' DESC, number
    ), grp AS (
        SELECT g.id FROM order_groups g
        WHERE g.id = ANY (ARRAY(SELECT oco FROM chosen WHERE oco IS NOT NULL)) AND g.filled IS NULL
            AND (g.turn IS NULL OR g.turn = ANY (ARRAY(SELECT id FROM chosen)))
        ORDER BY g.id FOR UPDATE SKIP LOCKED
    ), free AS (
        SELECT c.* FROM chosen c LEFT JOIN grp ON grp.id = c.oco WHERE c.oco IS NULL OR grp.id IS NOT NULL
    ), turned AS (
        UPDATE order_groups g SET turn = free.id FROM free WHERE g.id = free.oco
    )"""
_STOP = f"""UPDATE orders s SET status = 'cancelled', fence = s.fence + 1, event_seq = s.event_seq + 1,
            updated_at = clock_timestamp(), finished_at = clock_timestamp(), {DISARMED}, turn = NULL"""  # noqa: S608
_STOPPED_SAID = said("jsonb_build_object('by', 'oco', 'order', filled)", "stopped")
#: Of `moved (id, group_id)`, filled orders: marks their groups and stops whoever waits there.
OTHERS_STOPPED = f"""marked AS (
        UPDATE order_groups SET filled = coalesce(filled, moved.id), turn = moved.id FROM moved
        WHERE order_groups.id = moved.group_id RETURNING order_groups.id, moved.id AS filled
    ), stopped AS (
        {_STOP}
        FROM marked WHERE s.group_id = marked.id AND s.id <> marked.filled AND s.status = 'waiting'
        RETURNING s.id, s.event_seq, s.status, s.attempt, s.updated_at, marked.filled
    ), {_STOPPED_SAID}"""  # noqa: S608

# Only doubt can leave one: two orders of a group that may both have been executed end at the same moment.
STOP_LEFT_OVER = Statement(f"""
    -- stop_left_over: stops who waits although another order of the group was filled
    WITH found AS (
        SELECT o.id, g.filled FROM doubts d
        JOIN orders o ON o.id = d.order_id JOIN order_groups g ON g.id = o.group_id
        WHERE o.arm_rule IS NOT NULL AND g.filled IS NOT NULL
    ), stopped AS (
        {_STOP}
        FROM found WHERE s.id = found.id AND s.status = 'waiting'
        RETURNING s.id, s.event_seq, s.status, s.attempt, s.updated_at, found.filled
    ), {_STOPPED_SAID}
    SELECT id FROM stopped
""")  # noqa: S608  # names of our own


def has_turn(conn: Connection, order_id: UUID) -> bool:
    """The order may be executed: it is in no group, or has its group's turn."""
    return bool(_HAS_TURN.value(conn, {"id": order_id}))
