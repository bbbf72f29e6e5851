"""The SQL of the engine as it is now. Each statement goes by an index: none costs more the more orders have
ended; `COUNT` looks at all that may run, `WAITS` at the index of those that wait. What is asked how often
is decided in `reads.reads_engine`.
"""

from __future__ import annotations

from typing import Any

from oee_daemon.contract.status import HOLDS_SLOT
from oee_daemon.store.answer_sql import ANSWERED, ANSWERS
from oee_daemon.store.order_rows import ORDER, order_row
from oee_daemon.store.predicates import HELD, RUNNABLE, WAITING, status_in
from oee_daemon.store.sql_statement import Statement, named_row

NOW = Statement("""
    -- now: Postgres's time
    SELECT clock_timestamp()
""")

# An order that waits for its condition is counted by its status and as nothing else.
COUNT = Statement(
    f"""
    -- count: where live orders stand, and `most` of those in flight that nobody holds
    SELECT status, count(*) AS orders,
        count(*) FILTER (WHERE {RUNNABLE} AND {HELD}) AS running,
        count(*) FILTER (WHERE {RUNNABLE} AND NOT {HELD} AND next_run_at > clock_timestamp()) AS delayed,
        count(*) FILTER (WHERE {RUNNABLE}
            AND updated_at < clock_timestamp() - make_interval(secs => %(stuck)s)) AS stuck,
        min(next_run_at) FILTER (WHERE {RUNNABLE} AND NOT {HELD}) AS first_due,
        count(*) FILTER (WHERE faults >= %(faulty)s) AS faulty,
        coalesce((array_agg(id) FILTER (WHERE {status_in(HOLDS_SLOT)} AND NOT {HELD}))[1:%(most)s::int],
            '{{}}') AS resting
    FROM orders WHERE {RUNNABLE} GROUP BY status
    """,  # noqa: S608  # constants of ours, here and below
    named_row,
)
WAITS = Statement(f"""
    -- waits: how many orders wait for their condition; reads one entry of an index for each
    SELECT count(*) FROM orders WHERE {WAITING}
""")  # noqa: S608


def _by_second(what: str, moment: str) -> Statement[Any]:
    return Statement(f"""
        -- {what} by second: orders since `since`, a time in seconds
        SELECT floor(extract(epoch FROM {moment}))::bigint AS second, count(*) FROM orders
        WHERE {moment} >= to_timestamp(%(since)s) GROUP BY second
    """)  # noqa: S608


ACCEPTED_BY_SECOND = _by_second("accepted", "created_at")
ENDED_BY_SECOND = _by_second("ended", "finished_at")

IN_FLIGHT = Statement(
    f"""
    -- in flight: orders that hold a slot, and those `resting`, the longest in its step first
    SELECT {ORDER} FROM orders
    WHERE id = ANY (ARRAY(SELECT order_id FROM execution_slots WHERE order_id IS NOT NULL)
            || %(resting)s::uuid[])
        AND {status_in(HOLDS_SLOT)}
    ORDER BY updated_at LIMIT %(most)s
    """,  # noqa: S608
    order_row,
)
ENDED = Statement(
    f"""
    -- ended: the orders that ended last
    SELECT {ORDER} FROM orders WHERE finished_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT %(most)s
    """,  # noqa: S608
    order_row,
)

# `OFFSET 0`: always by each order's own events, never by all events there are.
VENUES = Statement(
    f"""
    -- venues: what each said about the orders that ended last and about those in execution
    WITH asking AS (
        (SELECT id FROM orders WHERE finished_at > now() - make_interval(secs => %(age)s)
            ORDER BY finished_at DESC LIMIT %(orders)s)
        UNION
        SELECT order_id FROM execution_slots WHERE order_id IS NOT NULL
    ), recent AS (
        SELECT e.at, a.* FROM asking CROSS JOIN LATERAL (
            SELECT at, data FROM order_events
            WHERE order_id = asking.id AND status IN {ANSWERED} OFFSET 0
        ) AS e CROSS JOIN LATERAL ({ANSWERS}) AS a
        WHERE e.at > now() - make_interval(secs => %(age)s)
    )
    SELECT venue, count(*) AS asked, count(*) FILTER (WHERE error IS NULL) AS answered,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE error IS NULL) AS p50_ms,
        (array_agg(error ORDER BY at DESC) FILTER (WHERE error IS NOT NULL))[1] AS last_error
    FROM recent WHERE venue IS NOT NULL GROUP BY venue
    """,  # noqa: S608
    named_row,
)

ACCEPTED = Statement("""
    -- accepted: how many orders ever were; their numbers count them
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM order_numbers
""")
DATABASE = Statement(
    """
    -- database: its size, its server's version, its schema's revision, and its time
    SELECT pg_database_size(current_database()) AS bytes, current_setting('server_version') AS version,
        (SELECT version_num FROM alembic_version) AS revision, clock_timestamp() AS now
    """,
    named_row,
)
