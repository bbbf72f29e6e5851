"""The SQL of a page of orders, newest first: it costs the same however many orders there are.

The order is the number's. What a filter asks for stands in an index that ends with the number, so that a
page is read where it is: `orders_market` has a run for each pair and side, `orders_missed` one for each end
without a fill, pair and side. A filter that takes several runs reads the newest of each and keeps the newest
of all; what is live is few and read whole. Only what nearly every order fulfils, like `confirmed`, is looked
for by walking. Runs are written as ranges of row values, which no other index can serve, whatever the
planner believes of the data. Nothing here commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import LIVE, MISSED, Status
from oee_daemon.orders.order import Order
from oee_daemon.store import predicates
from oee_daemon.store.order_rows import ORDER, order_row
from oee_daemon.store.sql_statement import Statement, named_row

#: Orders looked at where a time is turned into a number. A number is drawn a moment after its order's time
#: was taken, so the two may disagree among orders that were accepted at once: those are at most as many as
#: Postgres has connections, 100 unless told otherwise.
NEAR = 500
#: Past every number.
_END = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a listing is narrowed to; `None` is everything. Times with a time zone."""

    status: tuple[str, ...] = ()
    pair: str | None = None
    token: str | None = None
    side: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(conn: Connection, wanted: Filter, *, limit: int, before: int | None) -> list[Order]:
    """At most `limit` orders with numbers below `before`, newest first."""
    first, last = _span(conn, wanted)
    if first > last:
        return []
    values: dict[str, Any] = {name: getattr(wanted, name) for name in Filter.__slots__}
    values |= {"status": [*wanted.status], "first": first, "before": min(before or _END, last + 1)}
    values |= {"most": limit, "each": limit}
    found = _SPAN + _conditions_left(wanted, "status", "type", "since", "until")
    if sources := _sources(conn, wanted, values):
        numbers = _NEWEST.format(sources=" UNION ALL ".join(sources))
        _raise_first(conn, numbers, values)
        found = f"number = ANY (ARRAY({numbers}))"
    return Statement(_PAGE.format(found=found), order_row).all(conn, values)


def among(conn: Connection, ids: list[UUID], keys: list[str], *, ended: bool) -> list[Order]:
    """The orders that exist among these ids and keys, each once."""
    rest = f" AND NOT {predicates.IS_LIVE}" if ended else ""
    return Statement(_AMONG.format(rest=rest), order_row).all(conn, {"ids": ids, "keys": keys})


BETWEEN = Statement("""
    -- between: three of the orders whose ids lie there
    SELECT id FROM orders WHERE id BETWEEN %(low)s AND %(high)s LIMIT 3
""")
SWAPS = Statement(
    """
    -- swaps: of one order, by attempt
    SELECT attempt, signature, state, last_valid_height, signed_at, ended_at FROM swaps
    WHERE order_id = %(id)s ORDER BY attempt
    """,
    named_row,
)


def spent(conn: Connection, keys: list[str]) -> list[str]:
    """The keys among these whose orders are no longer kept."""
    return _SPENT.column(conn, {"keys": keys})


def has_keys(conn: Connection, prefix: str) -> bool:
    """Whether any key begins so. `prefix`: lower case letters, digits and hyphens."""
    return bool(Statement(_HAS_KEYS.format(prefix=prefix)).value(conn))


_SPENT = Statement("""
    -- spent: those of these keys whose orders were removed
    SELECT idempotency_key FROM spent_keys WHERE idempotency_key = ANY (%(keys)s::text[])
""")

# The prefix as a literal: only so can the planner make a range in the index of it, where the locale is C.
_HAS_KEYS = """
    -- has keys: whether any begins so
    SELECT EXISTS (SELECT FROM orders WHERE idempotency_key LIKE '{prefix}%%')
        OR EXISTS (SELECT FROM spent_keys WHERE idempotency_key LIKE '{prefix}%%')"""

# Found before it is narrowed, each half by its own index.
_AMONG = f"""
    -- among: those of these orders that there are
    SELECT {ORDER} FROM orders WHERE id = ANY (ARRAY(
        SELECT id FROM orders WHERE id = ANY (%(ids)s::uuid[])
        UNION SELECT id FROM orders WHERE idempotency_key = ANY (%(keys)s::text[])
    )) {{rest}}"""  # noqa: S608  # constants of ours

_SPAN = "number >= %(first)s::bigint AND number < %(before)s::bigint"

_PAGE = f"""
    -- page: newest first
    SELECT {ORDER} FROM orders WHERE {{found}} ORDER BY number DESC LIMIT %(most)s"""  # noqa: S608

_NEWEST = """
    -- newest: the numbers of a page
    SELECT number FROM ({sources}) AS source ORDER BY number DESC LIMIT %(most)s"""

_MARKET = """
    SELECT newest.number
    FROM unnest(%(pairs)s::text[], %(sides)s::text[]) AS run (pair, side)
    CROSS JOIN LATERAL (
        SELECT number FROM orders
        WHERE (pair, side, number) >= (run.pair, run.side, %(first)s::bigint)
            AND (pair, side, number) < (run.pair, run.side, %(before)s::bigint)
            {rest}
        ORDER BY pair DESC, side DESC, number DESC LIMIT %(each)s
    ) AS newest"""

_MISSED = """
    SELECT newest.number
    FROM unnest(%(missed)s::text[], %(missed_pairs)s::text[], %(missed_sides)s::text[])
        AS run (missed, pair, side)
    CROSS JOIN LATERAL (
        SELECT number FROM orders
        WHERE missed IS NOT NULL
            AND (missed, pair, side, number) >= (run.missed, run.pair, run.side, %(first)s::bigint)
            AND (missed, pair, side, number) < (run.missed, run.pair, run.side, %(before)s::bigint)
            {rest}
        ORDER BY missed DESC, pair DESC, side DESC, number DESC LIMIT %(each)s
    ) AS newest"""

# Read whole before it is narrowed: by the number, the planner might walk through everything that ended.
_LIVE = f"""
    SELECT number FROM (SELECT * FROM orders WHERE {predicates.LIVE} OFFSET 0) AS live
    WHERE {_SPAN} {{rest}}"""  # noqa: S608  # constants of ours, here and below

_RUNS = Statement("""
    -- runs: every pair and side that there is
    WITH RECURSIVE run AS (
        (SELECT pair, side FROM orders ORDER BY pair, side LIMIT 1)
        UNION ALL
        SELECT following.* FROM run CROSS JOIN LATERAL (
            SELECT pair, side FROM orders WHERE (pair, side) > (run.pair, run.side)
            ORDER BY pair, side LIMIT 1
        ) AS following
    )
    SELECT pair, side FROM run
""")

_FIRST = Statement("""
    -- first: the lowest number of those just after a time
    SELECT min(number) FROM (
        SELECT number FROM orders WHERE created_at >= %(at)s
        ORDER BY created_at, number LIMIT %(near)s
    ) AS near
""")
_LAST = Statement("""
    -- last: the highest number of those just before a time
    SELECT max(number) FROM (
        SELECT number FROM orders WHERE created_at < %(at)s
        ORDER BY created_at DESC, number DESC LIMIT %(near)s
    ) AS near
""")

# The times in words that no index understands: the numbers that stand for them are the better way in.
_CONDITIONS = {
    "pair": "pair = %(pair)s",
    "token": "%(token)s IN (input_mint, output_mint)",
    "side": "side = %(side)s",
    "status": "status = ANY (%(status)s)",
    "type": "type = %(type)s",
    "since": "(created_at >= %(since)s) IS TRUE",
    "until": "(created_at < %(until)s) IS TRUE",
}


def _span(conn: Connection, wanted: Filter) -> tuple[int, int]:
    """The numbers between which orders are of the wanted time; each row says whether it is."""
    first, last = 1, _END - 1
    if wanted.since is not None:
        first = _FIRST.value(conn, {"at": wanted.since, "near": NEAR}) or _END
    if wanted.until is not None:
        last = _LAST.value(conn, {"at": wanted.until, "near": NEAR}) or 0
    return first, last


def _sources(conn: Connection, wanted: Filter, values: dict[str, Any]) -> list[str]:
    """Where the wanted orders' numbers stand, as SQL, and in `values` what it needs; none is: walk."""
    walks = not wanted.status or Status.CONFIRMED in wanted.status
    if walks and wanted.pair is wanted.token is wanted.side is None:
        return []
    runs = _runs(conn, wanted)
    if walks:
        values["pairs"], values["sides"] = ([run[n] for run in runs] for n in range(2))
        return [_MARKET.format(rest=_conditions_left(wanted, "status", "type", "since", "until"))]
    sources = []
    if missed := [status for status in sorted(MISSED) if status in wanted.status]:
        ended = [(status, *run) for status, run in product(missed, runs)]
        for n, name in enumerate(("missed", "missed_pairs", "missed_sides")):
            values[name] = [str(run[n]) for run in ended]
        sources.append(_MISSED.format(rest=_conditions_left(wanted, "type", "since", "until")))
    if LIVE.intersection(wanted.status):
        sources.append(_LIVE.format(rest=_conditions_left(wanted, *_CONDITIONS)))
    return sources


def _raise_first(conn: Connection, numbers: str, values: dict[str, Any]) -> None:
    """Spares reading a whole page from each of many runs: a few of each tell what the page can't go below."""
    runs = max(len(values.get("pairs", ())), len(values.get("missed", ())), 1)
    few, most = 2 * values["most"] // runs + 1, values["most"]
    newest = Statement(numbers)
    while few < most:
        found = newest.column(conn, values | {"each": few})
        if len(found) == most:
            values["first"] = found[-1]
        if len(found) == most or len(found) < few:  # enough, or all that there are
            return
        few *= 4


def _runs(conn: Connection, wanted: Filter) -> list[tuple[str, str]]:
    """The pairs and sides that are wanted; without a pair, of those that there are."""
    there = _RUNS.all(conn) if wanted.pair is None else [(wanted.pair, side.value) for side in Side]
    return [
        (pair, side)
        for pair, side in there
        if wanted.side in (None, side) and (wanted.token is None or wanted.token in pair.split("/"))
    ]


def _conditions_left(wanted: Filter, *names: str) -> str:
    """The conditions that each row still has to pass."""
    return "".join(f" AND {_CONDITIONS[name]}" for name in names if getattr(wanted, name))
