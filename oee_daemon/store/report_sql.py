"""The SQL of execution quality: one statement for each kind of figure, all about the orders of one scope.

Everything is summed up in Postgres, in exact numerics and intervals; percentiles are values that really
occurred (nearest rank), so that no amount and no basis point passes through a float. A statement is kept
for each way to tell figures apart, and changes nothing. What the figures mean is written in
`reads.reads_quality`, which asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from oee_daemon.contract import status
from oee_daemon.contract.order_types import Side
from oee_daemon.store.answer_sql import ANSWERED, ANSWERS
from oee_daemon.store.sql_statement import Statement, named_row

#: The steps of an attempt, in their order; each ends where the next one begins, the last one confirmed.
STEPS = tuple(step.value for step in status.STEPS[:-1])


class By(StrEnum):
    """What the figures are told apart by. Days are days in UTC."""

    VENUE = "venue"
    PAIR = "pair"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The orders that a report is about; `None` is everything. Times with a time zone."""

    since: datetime | None = None
    until: datetime | None = None
    pair: str | None = None
    side: Side | None = None
    by: By | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What every statement here is given."""
        side = self.side and self.side.value
        return {"since": self.since, "until": self.until, "pair": self.pair, "side": side}


#: Of the statements that follow in the same transaction: the milliseconds that each may take. And a plan for
#: a day is none for a year: each period gets its own, in which a condition that is not asked for is none.
LIMIT = Statement("""
    -- limit: for how long, and by plans of their own, the statements that follow may work
    SELECT set_config('statement_timeout', %(ms)s::text, true),
        set_config('plan_cache_mode', 'force_custom_plan', true)
""")

# Found by the index on `created_at`.
_IN_SCOPE = """(%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
            AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
            AND (%(pair)s::text IS NULL OR pair = %(pair)s) AND (%(side)s::text IS NULL OR side = %(side)s)"""
# Every connection is in UTC, and so are the days.
_KEYS = {None: "NULL", By.VENUE: "venue", By.PAIR: "pair", By.DAY: "created_at::date"}

# From when the order could run: what it waited for its condition says nothing about its execution.
_EXECUTED = "finished_at - coalesce(fired_at, created_at)"

Kinds = Mapping[By | None, Statement[Any]]


def _kinds(text: str, *also: str) -> Kinds:
    """The statement for each way to tell figures apart. `{picked}`: the scope's orders with their `key`;
    `{of}` and `{groups}`: what a row is of, a total or a group's, by `also`."""
    found: dict[By | None, Statement[Any]] = {}
    for by, key in _KEYS.items():
        picked = f"picked AS (SELECT {key}::text AS key, * FROM orders WHERE {_IN_SCOPE})"  # noqa: S608
        total, group = (f"({', '.join(names)})" for names in (also, ("key", *also)))
        of = ", ".join(
            ("NULL AS key, 1 AS is_total" if by is None else "key, grouping(key) AS is_total", *also)
        )
        groups = f"GROUPING SETS ({total if by is None else f'{total}, {group}'})"
        found[by] = Statement(text.format(picked=picked, of=of, groups=groups), named_row)
    return found


def _spread(value: str, only: str = "true") -> str:
    """p50 and p95 as an array; null where there is nothing. Values that are null don't count."""
    return f"percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY {value}) FILTER (WHERE {only})"


BOUNDS = Statement(
    f"""
    -- bounds: the time now, and when the first order was placed
    SELECT now() AS now, min(created_at) AS first FROM orders WHERE {_IN_SCOPE}
    """,  # noqa: S608  # constants of ours, here and below
    named_row,
)

COUNTS = _kinds("""
    -- counts: orders by venue and status, those of more than one attempt, and all attempts past the first
    WITH {picked}
    SELECT key, venue, status, count(*) AS orders,
        count(*) FILTER (WHERE attempt > 1) AS retried, sum(attempt - 1) AS retries
    FROM picked GROUP BY key, venue, status
""")

AMOUNTS = _kinds("""
    -- amounts: what confirmed orders moved and paid, by side and tokens, in base units
    WITH {picked}
    SELECT key, side, input_mint, output_mint,
        sum(filled_in) AS moved_in, sum(filled_out) AS moved_out, coalesce(sum(fee), 0) AS fees
    FROM picked WHERE status = 'confirmed' GROUP BY key, side, input_mint, output_mint
""")

# An order's quote columns are those of its last attempt, which is the one that filled.
FILLS = _kinds(f"""
    -- fills: of confirmed orders, bps of slippage, above 0 is worse than quoted; and its execution
    WITH {{picked}}, filled AS (
        SELECT key, {_EXECUTED} AS took,
            CASE swap_mode
                WHEN 'ExactIn' THEN (quote_out - filled_out) * 10000 / nullif(quote_out, 0)
                ELSE (filled_in - quote_in) * 10000 / nullif(quote_in, 0)
            END AS slipped
        FROM picked WHERE status = 'confirmed'
    )
    SELECT {{of}}, {_spread("slipped")} AS slippage, {_spread("took")} AS total
    FROM filled GROUP BY {{groups}}
""")  # noqa: S608

_BEGUN = [f"max(at) FILTER (WHERE e.status = '{step}')" for step in status.STEPS]
_MOMENTS = ", ".join(
    f"CASE WHEN e.attempt = 1 THEN {begun} END AS {step}"
    if step is status.Status.PENDING
    else f"{begun} AS {step}"
    for step, begun in zip(status.STEPS, _BEGUN, strict=True)
)
_TOOK = ", ".join(
    f"{_spread(f'{following} - {step}')} AS {step}" for step, following in pairwise(status.STEPS)
)

# A crash resumes a step without a new event, so an attempt has one event of each status at most. The first
# step begins when the order could run: what it waited for its condition is no queue. The wait before a later
# attempt is not a step but a pause on purpose, and is left out.
STEPS_TAKEN = _kinds(f"""
    -- steps: how long each step took, in every attempt that got past it
    WITH {{picked}}, passed AS (
        SELECT key, {_MOMENTS}
        FROM picked JOIN order_events AS e ON e.order_id = picked.id
        GROUP BY key, picked.id, e.attempt
    )
    SELECT {{of}}, {_TOOK}
    FROM passed GROUP BY {{groups}}
""")  # noqa: S608

# What a venue said stands in the event that ended the routing. The amount that the mode leaves open is the
# one that venues compete on. The offset keeps the answers apart from the grouping, which else would sort the
# events' whole JSON: twice the time.
VENUES = _kinds(
    f"""
    -- venues: how often each was asked, quoted and chosen, how fast, and bps by which the choice was better
    WITH {{picked}}, answers AS (
        SELECT key, a.venue, a.latency_ms, a.amount_out IS NOT NULL AS quoted,
            e.status = 'building' AS choice, e.status = 'building' AND a.venue = e.data ->> 'venue' AS chosen,
            CASE picked.swap_mode
                WHEN 'ExactIn' THEN (best.amount_out - a.amount_out) * 10000 / nullif(a.amount_out, 0)
                ELSE (a.amount_in - best.amount_in) * 10000 / nullif(a.amount_in, 0)
            END AS gain
        FROM picked JOIN order_events AS e ON e.order_id = picked.id
        CROSS JOIN LATERAL ({ANSWERS}) AS a
        LEFT JOIN LATERAL ({ANSWERS}) AS best ON e.status = 'building' AND picked.status = 'confirmed'
            AND e.attempt = picked.attempt AND best.venue = e.data ->> 'venue'
        WHERE e.status IN {ANSWERED}
        OFFSET 0
    )
    SELECT {{of}}, count(*) AS asked, count(*) FILTER (WHERE quoted) AS quoted,
        count(*) FILTER (WHERE choice AND quoted) AS choices, count(*) FILTER (WHERE chosen) AS chosen,
        avg(gain) AS gain_mean, percentile_disc(0.5) WITHIN GROUP (ORDER BY gain) AS gain_p50,
        {_spread("latency_ms", "quoted")} AS latency
    FROM answers GROUP BY {{groups}}
    """,  # noqa: S608
    "venue",
)

PARTS = Statement(
    f"""
    -- parts: orders by parts of the length `each`, counted from `first`
    SELECT date_bin(%(each)s, created_at, %(first)s) AS begun, count(*) AS orders,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY {_EXECUTED})
            FILTER (WHERE status = 'confirmed') AS total_p50
    FROM orders WHERE {_IN_SCOPE} GROUP BY begun
    """,  # noqa: S608
    named_row,
)
