"""The SQL of launch times: which are near, what time it is there, and the firing of those that have come.

All by Postgres's clock: no order fires a moment before it. Nothing commits by itself.
"""

from __future__ import annotations

from oee_daemon.store.group_sql import SUSPENDED, TURNS
from oee_daemon.store.order_rows import ORDER
from oee_daemon.store.postgres_line import Batch, answered, asked
from oee_daemon.store.predicates import HALTED, UNMET
from oee_daemon.store.sql_statement import Statement, named_row
from oee_daemon.store.watch_sql import FIRED, MOST, SAID

NEAR = Statement(
    f"""
    -- near: orders whose launch time comes within so many seconds, the first of them first, then snipers
    SELECT {ORDER}, extract(epoch FROM launch_at - clock_timestamp())::float8 AS away_s FROM orders
    WHERE arm_rule = 4 AND launch_at > clock_timestamp()
        AND launch_at < clock_timestamp() + make_interval(secs => %(ahead)s) AND NOT {HALTED}
    ORDER BY launch_at, type <> 'sniper', number LIMIT {MOST}
    """,  # noqa: S608  # names of our own
    named_row,
)
CLOCK = Batch(f"""
    -- clock: what time it is, seconds
    WITH {asked("id uuid", "id")}
    {answered("SELECT n, extract(epoch FROM clock_timestamp())::float8 AS now FROM asked")}
""")  # noqa: S608
_LAUNCHED = f"""due AS (
        SELECT id, type, number, group_id AS oco, turn IS NOT NULL AS holds,
            type = 'market' OR type = 'sniper' AND token_address IS NULL AS fires
        FROM orders WHERE arm_rule = 4 AND launch_at <= clock_timestamp()
            AND (expires_at IS NULL OR expires_at > clock_timestamp()) AND NOT {HALTED} AND NOT {SUSPENDED}
        ORDER BY launch_at, type <> 'sniper', number LIMIT {MOST} FOR UPDATE SKIP LOCKED
    ), armed AS (
        UPDATE orders o SET fence = o.fence + 1, arm_price = coalesce(target_price,
                peak * (10000 + CASE side WHEN 'buy' THEN trail_bps ELSE -trail_bps END) / 10000,
                CASE WHEN trail_bps IS NOT NULL THEN {UNMET} END), arm_rule =
            CASE WHEN o.type = 'sniper' THEN 5
                WHEN o.type = 'limit' THEN CASE side WHEN 'buy' THEN 0 ELSE 1 END
                ELSE CASE side WHEN 'buy' THEN 3 ELSE 2 END END
        FROM due WHERE o.id = due.id AND NOT due.fires
    ), locked AS (
        SELECT id, type, number, oco, holds FROM due WHERE fires
    ), {TURNS}, moved AS (
        UPDATE orders o SET {FIRED}, turn = free.oco
        FROM free WHERE o.id = free.id
        RETURNING o.id, o.type, event_seq, status, attempt, updated_at, firings,
            jsonb_build_object('rule', 'time', 'at', launch_at) AS trigger
    ), {SAID}"""  # noqa: S608
#: Statements by which all that has come at one moment launches, at most: each is short.
BATCHES = 10
LAUNCH = Statement(f"""
    -- launch: orders whose time has come fire, which tell their type, or are compared with their price
    WITH {_LAUNCHED}
    SELECT id, moved.type FROM due LEFT JOIN moved USING (id)
""")  # noqa: S608
LAUNCH_NOW = Batch(f"""
    -- launch_now: as launch, in the millisecond itself; `early` where the next moment is only just ahead
    WITH {asked("id uuid", "id")}, {_LAUNCHED}
    {
    answered('''
        SELECT n, (SELECT json_agg(json_build_object('id', id, 'type', type)) FROM moved) AS fired,
            (SELECT count(*) FROM due) AS due,
            EXISTS (SELECT FROM orders WHERE arm_rule = 4 AND launch_at > clock_timestamp()
                AND launch_at < clock_timestamp() + interval '20 milliseconds') AS early
        FROM asked
    ''')
}
""")  # noqa: S608
