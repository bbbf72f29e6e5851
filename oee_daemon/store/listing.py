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

from sqlalchemy import Connection, text

from oee_daemon.contract.status import LIVE, Status
from oee_daemon.contract.terms import Side
from oee_daemon.orders.order import Order
from oee_daemon.store import predicates, tables
from oee_daemon.store.order_rows import ORDER, order_of
from oee_daemon.store.statement import Statement

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
    found = _SPAN + _rest(wanted, "status", "type", "since", "until")
    if sources := _sources(conn, wanted, values):
        numbers = _NEWEST.format(sources=" UNION ALL ".join(sources))
        _raise_first(conn, numbers, values)
        found = f"number = ANY (ARRAY({numbers}))"
    rows = conn.execute(text(_PAGE.format(found=found)), values)
    return [order_of(row._asdict()) for row in rows]


def among(conn: Connection, ids: list[UUID], keys: list[str], *, ended: bool) -> list[Order]:
    """Those of the orders with these ids or keys that there are, each once."""
    rest = f" AND NOT {predicates.IS_LIVE}" if ended else ""
    rows = conn.execute(text(_AMONG.format(rest=rest)), {"ids": ids, "keys": keys})
    return [order_of(row._asdict()) for row in rows]


BETWEEN = Statement("""
    -- between: three of the orders whose ids lie there
    SELECT id FROM orders WHERE id BETWEEN %(low)s AND %(high)s LIMIT 3
""")
SWAPS = Statement("""
    -- swaps: of one order, by attempt
    SELECT attempt, signature, state, last_valid_height, signed_at, ended_at FROM swaps
    WHERE order_id = %(id)s ORDER BY attempt
""")


def spent(conn: Connection, keys: list[str]) -> list[str]:
    """Those of the keys whose orders are no longer kept."""
    return [*conn.execute(_SPENT, {"keys": keys}).scalars()]


def has_keys(conn: Connection, prefix: str) -> bool:
    """Whether any key begins so. `prefix`: lower case letters, digits and hyphens."""
    return bool(conn.execute(text(_HAS_KEYS.format(prefix=prefix))).scalar_one())


_SPENT = text("SELECT idempotency_key FROM spent_keys WHERE idempotency_key = ANY (CAST(:keys AS text[]))")

# The prefix as a literal: only so can the planner make a range in the index of it, where the locale is C.
_HAS_KEYS = """
    SELECT EXISTS (SELECT FROM orders WHERE idempotency_key LIKE '{prefix}%')
        OR EXISTS (SELECT FROM spent_keys WHERE idempotency_key LIKE '{prefix}%')"""

# Found before it is narrowed, each half by its own index.
_AMONG = f"""
    SELECT {ORDER} FROM orders WHERE id = ANY (ARRAY(
        SELECT id FROM orders WHERE id = ANY (CAST(:ids AS uuid[]))
        UNION SELECT id FROM orders WHERE idempotency_key = ANY (CAST(:keys AS text[]))
    )) {{rest}}"""  # noqa: S608  # constants of ours

_SPAN = "number >= CAST(:first AS bigint) AND number < CAST(:before AS bigint)"

_PAGE = f"SELECT {ORDER} FROM orders WHERE {{found}} ORDER BY number DESC LIMIT :most"  # noqa: S608

_NEWEST = "SELECT number FROM ({sources}) AS source ORDER BY number DESC LIMIT :most"

_MARKET = """
    SELECT newest.number
    FROM unnest(CAST(:pairs AS text[]), CAST(:sides AS text[])) AS run (pair, side)
    CROSS JOIN LATERAL (
        SELECT number FROM orders
        WHERE (pair, side, number) >= (run.pair, run.side, CAST(:first AS bigint))
            AND (pair, side, number) < (run.pair, run.side, CAST(:before AS bigint))
            {rest}
        ORDER BY pair DESC, side DESC, number DESC LIMIT :each
    ) AS newest"""

_MISSED = """
    SELECT newest.number
    FROM unnest(CAST(:missed AS text[]), CAST(:missed_pairs AS text[]), CAST(:missed_sides AS text[]))
        AS run (missed, pair, side)
    CROSS JOIN LATERAL (
        SELECT number FROM orders
        WHERE missed IS NOT NULL
            AND (missed, pair, side, number) >= (run.missed, run.pair, run.side, CAST(:first AS bigint))
            AND (missed, pair, side, number) < (run.missed, run.pair, run.side, CAST(:before AS bigint))
            {rest}
        ORDER BY missed DESC, pair DESC, side DESC, number DESC LIMIT :each
    ) AS newest"""

# Read whole before it is narrowed: by the number, the planner might walk through everything that ended.
_LIVE = f"""
    SELECT number FROM (SELECT * FROM orders WHERE {predicates.LIVE} OFFSET 0) AS live
    WHERE {_SPAN} {{rest}}"""  # noqa: S608  # constants of ours, here and below

_RUNS = text("""
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

_FIRST = text("""
    SELECT min(number) FROM (
        SELECT number FROM orders WHERE created_at >= :at ORDER BY created_at, number LIMIT :near
    ) AS near
""")
_LAST = text("""
    SELECT max(number) FROM (
        SELECT number FROM orders WHERE created_at < :at ORDER BY created_at DESC, number DESC LIMIT :near
    ) AS near
""")

# The times in words that no index understands: the numbers that stand for them are the better way in.
_CONDITIONS = {
    "pair": "pair = :pair",
    "token": ":token IN (input_mint, output_mint)",
    "side": "side = :side",
    "status": "status = ANY (:status)",
    "type": "type = :type",
    "since": "(created_at >= :since) IS TRUE",
    "until": "(created_at < :until) IS TRUE",
}


def _span(conn: Connection, wanted: Filter) -> tuple[int, int]:
    """The numbers between which orders are of the wanted time; each row says whether it is."""
    first, last = 1, _END - 1
    if wanted.since is not None:
        first = conn.execute(_FIRST, {"at": wanted.since, "near": NEAR}).scalar_one() or _END
    if wanted.until is not None:
        last = conn.execute(_LAST, {"at": wanted.until, "near": NEAR}).scalar_one() or 0
    return first, last


def _sources(conn: Connection, wanted: Filter, values: dict[str, Any]) -> list[str]:
    """Where the wanted orders' numbers stand, as SQL, and in `values` what it needs; none is: walk."""
    walks = not wanted.status or Status.CONFIRMED in wanted.status
    if walks and wanted.pair is wanted.token is wanted.side is None:
        return []
    runs = _runs(conn, wanted)
    if walks:
        values["pairs"], values["sides"] = ([run[n] for run in runs] for n in range(2))
        return [_MARKET.format(rest=_rest(wanted, "status", "type", "since", "until"))]
    sources = []
    if missed := [status for status in tables.MISSED if status in wanted.status]:
        ended = [(status, *run) for status, run in product(missed, runs)]
        for n, name in enumerate(("missed", "missed_pairs", "missed_sides")):
            values[name] = [str(run[n]) for run in ended]
        sources.append(_MISSED.format(rest=_rest(wanted, "type", "since", "until")))
    if LIVE.intersection(wanted.status):
        sources.append(_LIVE.format(rest=_rest(wanted, *_CONDITIONS)))
    return sources


def _raise_first(conn: Connection, numbers: str, values: dict[str, Any]) -> None:
    """Spares reading a whole page from each of many runs: a few of each tell what the page can't go below."""
    runs = max(len(values.get("pairs", ())), len(values.get("missed", ())), 1)
    few, most = 2 * values["most"] // runs + 1, values["most"]
    while few < most:
        found = list(conn.execute(text(numbers), values | {"each": few}).scalars())
        if len(found) == most:
            values["first"] = found[-1]
        if len(found) == most or len(found) < few:  # enough, or all that there are
            return
        few *= 4


def _runs(conn: Connection, wanted: Filter) -> list[tuple[str, str]]:
    """The pairs and sides that are wanted; without a pair, of those that there are."""
    if wanted.pair is None:
        there = [(row.pair, row.side) for row in conn.execute(_RUNS)]
    else:
        there = [(wanted.pair, side.value) for side in Side]
    return [
        (pair, side)
        for pair, side in there
        if wanted.side in (None, side) and (wanted.token is None or wanted.token in pair.split("/"))
    ]


def _rest(wanted: Filter, *names: str) -> str:
    """What each row still has to be asked."""
    return "".join(f" AND {_CONDITIONS[name]}" for name in names if getattr(wanted, name))
