"""Execution quality over a period: asks Postgres for every figure and puts them together; changes nothing.

A period is the orders placed in it, whenever they ended; every figure is about those orders and says at its
field below what it means (docs/http.md says the same). All statements of a report see one moment and share
one time limit: who asks for too much is told so, and Postgres goes on working. The SQL is in
`store.report_sql`; how an answer looks outside is decided in `api.stats_routes`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from oee_daemon.contract.order_types import Side
from oee_daemon.errors import InvalidInput
from oee_daemon.store import report_sql
from oee_daemon.store.postgres_connection import GRACE_S
from oee_daemon.store.report_sql import STEPS, By, Kinds, Scope
from oee_daemon.store.sql_statement import Statement, driver

#: Seconds that Postgres may take for one report, all its statements together; clients wait for 10.
LIMIT_S = 8.0
#: Equal parts of the time from the period's first order to its end, for seeing how it went.
PARTS = 48
#: Postgres's word for a statement that took too long.
_CANCELED = "57014"

T = TypeVar("T")
#: Asks one statement, or the one for the scope's groups, about the scope.
Ask = Callable[..., Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Spread(Generic[T]):
    """The value that half, and 95 of 100, do not exceed; `None` where there was nothing to measure."""

    p50: T | None = None
    p95: T | None = None


@dataclass(slots=True, kw_only=True)
class VenueFigures:
    """One venue as these orders met it."""

    venue: str
    #: Orders whose last choice it was, by status.
    statuses: Counter[str] = field(default_factory=Counter)
    #: How often it was asked for a quote, and gave one.
    asked: int = 0
    quoted: int = 0
    #: Choices made while it had a quote, and those that fell on it: the second of the first is the win rate.
    choices: int = 0
    chosen: int = 0
    #: Bps, over confirmed orders, in the attempt that filled, where it had a quote: by how much the chosen
    #: quote was better than its own, net of everything; 0 where its own was chosen.
    gain_mean: Decimal | None = None
    gain_p50: Decimal | None = None
    #: Milliseconds until its quotes were there.
    latency: Spread[int] = Spread()


@dataclass(slots=True, kw_only=True)
class Figures:
    """What came of some orders. `key`: which ones, where they are told apart; `None` is no venue."""

    key: str | None = None
    statuses: Counter[str] = field(default_factory=Counter)
    #: Orders that took more than one attempt, and all attempts past each one's first.
    retried: int = 0
    retries: int = 0
    #: Base units by token, over confirmed orders: what moved of the quote token; the venues' fees.
    volume: Counter[str] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)
    #: Bps, over confirmed orders: the fill against the quote it was sent on; above 0 is worse than quoted.
    slippage: Spread[Decimal] = Spread()
    #: How long each step took, in every attempt that got past it; `total`: from when the order could run to
    #: confirmed.
    steps: dict[str, Spread[timedelta]] = field(default_factory=dict)
    total: Spread[timedelta] = Spread()
    venues: dict[str, VenueFigures] = field(default_factory=dict)

    def venue(self, name: str) -> VenueFigures:
        return self.venues.setdefault(name, VenueFigures(venue=name))


@dataclass(frozen=True, slots=True)
class Part:
    """One of the equal parts that the time is seen in; it begins at `at`."""

    at: datetime
    orders: int = 0
    failed: int = 0
    total_p50: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`since`: where none was asked for, when the first order was placed. `parts`: none without orders."""

    since: datetime | None
    until: datetime
    total: Figures
    groups: list[Figures]
    parts: list[Part]


class Stats:
    """Makes one report at a time; safe to share between threads."""

    def __init__(self, db: Engine, *, limit_s: float = LIMIT_S) -> None:
        self._db = db.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._limit_s = limit_s

    def report(self, scope: Scope) -> Report:
        """The report on a period. Raises `InvalidInput` where it holds more than can be summed up in time."""
        deadline = time.monotonic() + self._limit_s
        try:
            with self._db.begin() as conn:
                # Its statements have a limit of their own, which they may use up.
                driver(conn).answer_s = self._limit_s + GRACE_S

                def ask(asked: Statement[Any] | Kinds, **also: Any) -> Sequence[Any]:
                    left_ms = max(1, round((deadline - time.monotonic()) * 1000))
                    report_sql.LIMIT.first(conn, {"ms": left_ms})
                    statement = asked if isinstance(asked, Statement) else asked[scope.by]
                    return statement.all(conn, scope.values | also)

                return _report(scope, ask)
        except OperationalError as e:
            if getattr(e.orig, "sqlstate", None) != _CANCELED:
                raise
        raise InvalidInput(
            f"The period holds more orders than can be summed up in {self._limit_s:g} s.",
            code="period_too_long",
            field="since",
            hint="Ask for a shorter period, or for one pair.",
        )


def _report(scope: Scope, ask: Ask) -> Report:
    ((now, first),) = ask(report_sql.BOUNDS)
    since, until = scope.since or first, scope.until or now
    found = _Found(scope.by)
    if first is None:
        return Report(since=since, until=until, total=found.total, groups=[], parts=[])
    for row in ask(report_sql.COUNTS):
        found.add_counts(row)
    for row in ask(report_sql.AMOUNTS):
        found.add_amounts(row)
    for row in ask(report_sql.FILLS):
        figures = found.of(row)
        figures.slippage, figures.total = Spread(*row.slippage or ()), Spread(*row.total or ())
    for row in ask(report_sql.STEPS_TAKEN):
        found.of(row).steps = {name: Spread(*getattr(row, name) or ()) for name in STEPS}
    for row in ask(report_sql.VENUES):
        found.add_venue(row)
    parts = _parts(ask, first, until)
    return Report(since=since, until=until, total=found.total, groups=found.groups(), parts=parts)


def _parts(ask: Ask, first: datetime, until: datetime) -> list[Part]:
    # Rounded up, so that the last one ends no earlier than the period.
    each = (until - first) / PARTS + timedelta(microseconds=1)
    found = {row.begun: row for row in ask(report_sql.PARTS, first=first, each=each)}
    moments = [first + n * each for n in range(PARTS)]
    return [
        Part(at, found[at].orders, found[at].failed, found[at].total_p50) if at in found else Part(at)
        for at in moments
    ]


class _Found:
    """Puts each row, as it comes, to the figures that it belongs to."""

    def __init__(self, by: By | None) -> None:
        self.total = Figures()
        self._by = by
        self._groups: dict[str | None, Figures] = {}

    def groups(self) -> list[Figures]:
        """Days as they came; else the most orders first."""
        by_day = self._by is By.DAY
        return sorted(
            self._groups.values(),
            key=lambda f: (0 if by_day else -f.statuses.total(), f.key is None, f.key or ""),
        )

    def of(self, row: Any) -> Figures:
        """The figures that a row belongs to, which says itself whether it is a total."""
        return self.total if row.is_total else self._figures_of_group(row.key)

    def _figures_of_group(self, key: str | None) -> Figures:
        return self._groups.setdefault(key, Figures(key=key))

    def _total_and_group(self, row: Any) -> Iterator[Figures]:
        """The figures that a row adds to, which says only its group."""
        yield self.total
        if self._by is not None:
            yield self._figures_of_group(row.key)

    def add_counts(self, row: Any) -> None:
        for figures in self._total_and_group(row):
            figures.statuses[row.status] += row.orders
            figures.retried += row.retried
            figures.retries += row.retries
            if row.venue is not None:
                figures.venue(row.venue).statuses[row.status] += row.orders

    def add_amounts(self, row: Any) -> None:
        buys = row.side == Side.BUY
        for figures in self._total_and_group(row):
            figures.volume[row.input_mint if buys else row.output_mint] += (
                row.moved_in if buys else row.moved_out
            )
            figures.fees[row.input_mint] += row.fees

    def add_venue(self, row: Any) -> None:
        venue = self.of(row).venue(row.venue)
        venue.asked, venue.quoted = row.asked, row.quoted
        venue.choices, venue.chosen = row.choices, row.chosen
        venue.gain_mean, venue.gain_p50 = row.gain_mean, row.gain_p50
        venue.latency = Spread(*row.latency or ())
