"""The SQL of orders that wait for a token to be listed: which there are, and how those fire that may buy.

As every firing: by the fence of the leader, on the locked row, once. Where more wait than one look takes,
those are drawn: the oldest, of tokens that never come, would keep all others out. Nothing commits by itself.
"""

from __future__ import annotations

from oee_daemon.store.group_sql import SUSPENDED, TURNS
from oee_daemon.store.order_rows import ORDER
from oee_daemon.store.predicates import HALTED
from oee_daemon.store.sql_statement import Statement, named_row
from oee_daemon.store.watch_sql import FIRED, MOST, SAID

LISTED = Statement(
    f"""
    -- listed: some of the orders that wait for a token to be listed; `left_s` until their time is over
    SELECT {ORDER}, extract(epoch FROM orders.expires_at - clock_timestamp())::float8 AS left_s FROM orders
    WHERE arm_rule = 5 AND (look_at IS NULL OR look_at <= clock_timestamp())
        AND (expires_at IS NULL OR expires_at > clock_timestamp()) AND NOT {HALTED} AND NOT {SUSPENDED}
    ORDER BY random() LIMIT {MOST}
    """,  # noqa: S608  # names of our own
    named_row,
)
FIRE_LISTED = Statement(f"""
    -- fire_listed: orders whose token has been listed, each once, of a group one
    WITH leads AS (
        SELECT FROM watch WHERE one = 1 AND fence = %(fence)s AND lease_until > clock_timestamp()
            AND NOT {HALTED}
    ), told AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(triggers)s::jsonb[], %(fences)s::bigint[])
            AS t (id, trigger, seen)
    ), locked AS (
        SELECT o.id, o.type, o.number, o.group_id AS oco, o.turn IS NOT NULL AS holds FROM orders o
        WHERE EXISTS (SELECT FROM leads) AND o.id = ANY (%(ids)s::uuid[]) AND o.arm_rule = 5
            AND o.fence = (SELECT seen FROM told WHERE told.id = o.id)
            AND (o.expires_at IS NULL OR o.expires_at > clock_timestamp())
        ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
    ), {TURNS}, moved AS (
        UPDATE orders o SET {FIRED}, turn = free.oco
        FROM free JOIN told USING (id) WHERE o.id = free.id
        RETURNING o.id, event_seq, status, attempt, updated_at, firings, told.trigger
    ), {SAID}
    SELECT id FROM moved
""")  # noqa: S608
