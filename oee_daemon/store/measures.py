"""The SQL of execution quality: which orders a report is about, and one statement for each kind of figure.

Everything is summed up in Postgres, in exact numerics and intervals; percentiles are values that really
occurred (nearest rank), so that no amount and no basis point passes through a float. Every statement stands
on `picked`, the orders of the scope with the `key` that tells them apart, and changes nothing. What the
figures mean is written in `stats`, which asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Date,
    Integer,
    Interval,
    Numeric,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import LateralFromClause

from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.store.tables import order_events, orders

#: The steps of an attempt, in their order; each ends where the next one begins, the last one confirmed.
STEPS = ("pending", "routing", "building", "submitted")
_BPS = 10_000
_FRACTIONS = literal_column("ARRAY[0.5, 0.95]", ARRAY(Numeric))

#: What is measured of an order.
_COLUMNS = (
    "id", "side", "input_token", "output_token", "swap_mode", "status", "attempt", "venue", "quote_in",
    "quote_out", "filled_in", "filled_out", "fee", "created_at", "finished_at",
)  # fmt: skip

Statement = Select[*tuple[Any, ...]]


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


def picked(scope: Scope) -> Subquery:
    """The orders of the scope, found by the index on `created_at`."""
    o = orders.c
    keys: dict[By | None, ColumnElement[Any]] = {
        By.VENUE: o.venue,
        By.PAIR: o.pair,
        # Every connection is in UTC, and so are the days.
        By.DAY: cast(o.created_at, Date),
        None: literal_column("NULL::text"),
    }
    found = select(keys[scope.by].label("key"), *(o[name] for name in _COLUMNS))
    if scope.since is not None:
        found = found.where(o.created_at >= scope.since)
    if scope.until is not None:
        found = found.where(o.created_at < scope.until)
    if scope.pair is not None:
        found = found.where(o.pair == scope.pair)
    if scope.side is not None:
        found = found.where(o.side == scope.side.value)
    return found.subquery("picked")


def bounds(orders: Subquery) -> Statement:
    """`now`, and when the first order was placed."""
    return select(func.now().label("now"), func.min(orders.c.created_at).label("first"))


def counts(orders: Subquery) -> Statement:
    """By `key`, `venue` and `status`: `orders`, `retried` and `retries`."""
    o = orders.c
    what = (o.key, o.venue, o.status)
    retried = func.count().filter(o.attempt > 1).label("retried")
    retries = func.sum(o.attempt - 1).label("retries")
    return select(*what, func.count().label("orders"), retried, retries).group_by(*what)


def amounts(orders: Subquery) -> Statement:
    """By `key`, `side` and tokens, of confirmed orders, in base units: `moved_in`, `moved_out`, `fees`."""
    o = orders.c
    what = (o.key, o.side, o.input_token, o.output_token)
    sums = (
        func.sum(o.filled_in).label("moved_in"),
        func.sum(o.filled_out).label("moved_out"),
        func.sum(o.fee).label("fees"),
    )
    return select(*what, *sums).where(o.status == Status.CONFIRMED.value).group_by(*what)


def fills(orders: Subquery, by: By | None) -> Statement:
    """Of confirmed orders, totals and groups: `slippage` in bps, above 0 is worse than quoted; `whole`.

    An order's quote columns are those of its last attempt, which is the one that filled.
    """
    o = orders.c
    # As numbers of Postgres: a ratio of base units is no longer one of them.
    quoted_in, quoted_out, filled_in, filled_out = (
        type_coerce(amount, Numeric) for amount in (o.quote_in, o.quote_out, o.filled_in, o.filled_out)
    )
    worse = case(
        (o.swap_mode == SwapMode.EXACT_IN.value, (quoted_out - filled_out) * _BPS / _over(quoted_out)),
        else_=(filled_in - quoted_in) * _BPS / _over(quoted_in),
    )
    labels, sets = _grouped(by, o.key)
    slippage, whole = _spread(worse).label("slippage"), _spread(o.finished_at - o.created_at).label("whole")
    return select(*labels, slippage, whole).where(o.status == Status.CONFIRMED.value).group_by(sets)


def steps(orders: Subquery, by: By | None) -> Statement:
    """Totals and groups: how long each of `STEPS` took in every attempt that got past it.

    A crash resumes a step without a new event, so an attempt has one event of each status at most. The first
    step begins when the order could run: what it waited for its condition is no queue. The wait before a
    later attempt is not a step but a pause on purpose, and is left out.
    """
    o, e = orders.c, order_events.c

    def at(status: str) -> ColumnElement[Any]:
        return func.max(e.at).filter(e.status == status)

    begun = case((e.attempt == 1, at(STEPS[0])))
    moments = (begun, *(at(s) for s in (*STEPS[1:], Status.CONFIRMED.value)))
    names = (*STEPS, "confirmed")
    passed = (
        select(o.key, *(moment.label(name) for moment, name in zip(moments, names, strict=True)))
        .join(order_events, e.order_id == o.id)
        .group_by(o.key, o.id, e.attempt)
        .subquery("passed")
    )
    p = passed.c
    labels, sets = _grouped(by, p.key)
    took = [_spread(p[end] - p[name]).label(name) for name, end in pairwise(names)]
    return select(*labels, *took).group_by(sets)


def quotes(orders: Subquery, by: By | None) -> Statement:
    """Totals and groups, by `venue`: `asked`, `quoted`, `choices`, `chosen`, `gain_mean`, `gain_p50` in bps,
    and `latency` in ms."""
    a = _answers(orders).c
    labels, sets = _grouped(by, a.key, a.venue)
    figures = (
        func.count().label("asked"),
        func.count().filter(a.gave).label("quoted"),
        func.count().filter(and_(a.chose, a.gave)).label("choices"),
        func.count().filter(a.chosen).label("chosen"),
        func.avg(a.gain).label("gain_mean"),
        func.percentile_disc(0.5).within_group(a.gain.asc()).label("gain_p50"),
        _spread(a.ms, a.gave).label("latency"),
    )
    return select(*labels, *figures).group_by(sets)


def _answers(orders: Subquery) -> Subquery:
    """A row for each time that a venue was asked. What it said stands in the event that ended the routing:
    `building`, or where there was no choice the failed attempt's."""
    o, e = orders.c, order_events.c
    q, best = _quotes_of("q"), _quotes_of("best")
    chose = e.status == Status.BUILDING.value
    ended = or_(chose, e.status == Status.FAILED.value, and_(e.status == Status.PENDING.value, e.seq > 1))
    choice = e.data["venue"].astext
    filled = and_(chose, o.status == Status.CONFIRMED.value, e.attempt == o.attempt)
    # The amount that the mode leaves open is the one that venues compete on.
    gain = case(
        (
            o.swap_mode == SwapMode.EXACT_IN.value,
            (best.c.amountOut - q.c.amountOut) * _BPS / _over(q.c.amountOut),
        ),
        else_=(q.c.amountIn - best.c.amountIn) * _BPS / _over(q.c.amountIn),
    )
    found = select(
        o.key,
        q.c.venue,
        q.c.amountOut.is_not(None).label("gave"),
        chose.label("chose"),
        and_(chose, q.c.venue == choice).label("chosen"),
        gain.label("gain"),
        q.c.latencyMs.label("ms"),
    ).select_from(
        orders.join(order_events, e.order_id == o.id)
        .join(q, true())
        .outerjoin(best, and_(filled, best.c.venue == choice))
    )
    # The offset keeps this apart from the grouping, which else would sort the events' whole JSON: twice
    # the time.
    return found.where(ended).offset(literal_column("0")).subquery("answers")


def parts(orders: Subquery, first: datetime, each: timedelta) -> Statement:
    """By parts of length `each`, counted from `first`: `begun`, `orders`, `failed`, `whole_p50`."""
    o = orders.c
    begun = func.date_bin(
        bindparam("each", each, Interval), o.created_at, bindparam("first", first, o.created_at.type)
    )
    binned = select(begun.label("begun"), o.status, (o.finished_at - o.created_at).label("took"))
    b = binned.subquery("binned").c
    ended_well = b.status == Status.CONFIRMED.value
    return select(
        b.begun,
        func.count().label("orders"),
        func.count().filter(b.status == Status.FAILED.value).label("failed"),
        func.percentile_disc(0.5).within_group(b.took.asc()).filter(ended_well).label("whole_p50"),
    ).group_by(b.begun)


def _grouped(
    by: By | None, key: ColumnElement[Any], *also: ColumnElement[Any]
) -> tuple[list[ColumnElement[Any]], ColumnElement[Any]]:
    """The columns that say what a row is of, and the grouping: the total, and each group where there are."""
    if by is None:
        nothing: ColumnElement[Any] = literal_column("NULL").label("key")
        return [nothing, literal_column("1").label("is_total"), *also], func.grouping_sets(tuple_(*also))
    sets = func.grouping_sets(tuple_(*also), tuple_(key, *also))
    return [key.label("key"), func.grouping(key).label("is_total"), *also], sets


def _spread(value: ColumnElement[Any], only: ColumnElement[bool] | None = None) -> ColumnElement[Any]:
    """p50 and p95 as an array; null where there is nothing. Values that are null don't count."""
    found: Any = func.percentile_disc(_FRACTIONS).within_group(value.asc())
    return type_coerce(found if only is None else found.filter(only), ARRAY(value.type))


def _over(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.nullif(amount, 0)


def _quotes_of(name: str) -> LateralFromClause:
    """The quotes of an event as rows; amounts in whole tokens."""
    shape = (
        column("venue", Text),
        column("amountIn", Numeric),
        column("amountOut", Numeric),
        column("latencyMs", Integer),
    )
    found = func.jsonb_to_recordset(order_events.c.data["quotes"]).table_valued(*shape, name=name)
    return found.render_derived(with_types=True).lateral()
