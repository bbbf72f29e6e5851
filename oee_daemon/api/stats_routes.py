"""Execution quality over HTTP: the shapes of the answer, and how figures become text.

What is whole is a number: counts and milliseconds. What may be a fraction is a decimal string: amounts in
whole tokens, basis points with one decimal, shares of 1 with four. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire, request_wire
from oee_daemon.api.api_answer_schema import Amount, Moment, Shape
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import Status
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.reads.reads_quality import Figures, Report, Spread, VenueFigures
from oee_daemon.store.report_sql import STEPS, By, Scope

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

Bps = Annotated[str, Field(description="basis points", examples=["158.2"], pattern=r"^-?\d+\.\d$")]
Counts = Annotated[dict[Status, int], Field(description="orders by status, every one of them")]
Share = Annotated[str, Field(description="of 1", examples=["0.6250"], pattern=r"^[01]\.\d{4}$")]


class BpsSpread(Shape):
    """Values that occurred, at the nearest rank; null where there is nothing to measure."""

    p50: Bps | None
    p95: Bps | None


class MsSpread(Shape):
    """Values that occurred, at the nearest rank; null where there is nothing to measure."""

    p50: int | None
    p95: int | None


class Gain(Shape):
    """By how much the chosen quotes were better than this venue's own: what always using it would cost."""

    mean: Bps | None
    p50: Bps | None


class TokenAmount(Shape):
    token: str
    amount: Amount


class Latency(Shape):
    """Of each step in every attempt that got past it; `whole`: from when the order could run to confirmed."""

    pending: MsSpread = Field(description="until a worker took the order, before its first attempt")
    routing: MsSpread
    building: MsSpread
    submitted: MsSpread = Field(description="until it was confirmed")
    whole: MsSpread


class VenueStats(Shape):
    """One venue as these orders met it."""

    venue: str
    statuses: Counts = Field(description="of the orders whose last choice it was")
    asked: int = Field(description="how often it was asked for a quote")
    quoted: int = Field(description="how often it gave one")
    choices: int = Field(description="choices made while it had a quote")
    chosen: int = Field(description="those of them that fell on it")
    win_rate: Share | None = Field(description="chosen / choices")
    gain_bps: Gain = Field(description="over confirmed orders, where it had a quote too")
    quote_ms: MsSpread = Field(description="until its quotes were there")


class StatsRow(Shape):
    """What came of some orders."""

    key: str | None = Field(description="venue, pair or day; null for the total, and for no venue")
    orders: int
    statuses: Counts
    retried: int = Field(description="orders of more than one attempt")
    retries: int = Field(description="attempts past the first")
    volume: list[TokenAmount] = Field(description="of the quote token, moved by confirmed orders")
    fees: list[TokenAmount] = Field(description="the venues' part, in the input tokens")
    slippage_bps: BpsSpread = Field(description="fill against quote, above 0 is worse")
    latency_ms: Latency
    venues: list[VenueStats]


class TimelinePart(Shape):
    """One of the equal parts of the time from the first order of the period to its end."""

    at: Moment = Field(description="when it begins")
    orders: int
    failed: int
    whole_ms: int | None = Field(description="p50 of those that were confirmed")


class StatsReport(Shape):
    """Execution quality of the orders placed in a period."""

    since: Moment | None = Field(description="where none was asked for, of the first order; null without any")
    until: Moment = Field(description="where none was asked for, now")
    pair: str | None
    side: Side | None
    by: By | None
    total: StatsRow
    groups: list[StatsRow] = Field(description="empty without `by`; days as they came, else by size")
    timeline: list[TimelinePart] = Field(description="48 equal parts; none without orders")


@router.get("/stats", responses=answers(StatsReport))
def stats(
    request: Request,
    since: datetime | None = None,
    until: datetime | None = None,
    by: By | None = None,
    pair: str | None = None,
    side: Side | None = None,
) -> JSONResponse:
    """Orders by status and venue, what routing gained, slippage, retries and latency over a period."""
    tokens = state_of(request).network.tokens
    scope = Scope(
        since=request_wire.zoned(since, "since"),
        until=request_wire.zoned(until, "until"),
        pair=None if pair is None else request_wire.read_pair(pair, tokens),
        side=side,
        by=by,
    )
    if scope.since is not None and scope.until is not None and scope.since >= scope.until:
        raise InvalidInput("since has to be before until.", field="since", hint="Turn them round.")
    return JSONResponse(_report(state_of(request).stats.report(scope), scope, tokens))


def _report(report: Report, scope: Scope, tokens: TokenBook) -> dict[str, Any]:
    groups = [_row(figures, tokens) for figures in report.groups]
    if scope.by is By.PAIR:
        for group in groups:
            group["key"] = order_wire.pair_text(group["key"], tokens)
        groups.sort(key=lambda group: (-group["orders"], group["key"]))
    return {
        "since": None if report.since is None else order_wire.moment(report.since),
        "until": order_wire.moment(report.until),
        "pair": None if scope.pair is None else order_wire.pair_text(scope.pair, tokens),
        "side": scope.side,
        "by": scope.by,
        "total": _row(report.total, tokens),
        "groups": groups,
        "timeline": [
            {
                "at": order_wire.moment(p.at),
                "orders": p.orders,
                "failed": p.failed,
                "wholeMs": _ms(p.total_p50),
            }
            for p in report.parts
        ],
    }


def _row(figures: Figures, tokens: TokenBook) -> dict[str, Any]:
    nothing: Spread[timedelta] = Spread()
    steps = {name: _times(figures.steps.get(name, nothing)) for name in STEPS}
    return order_wire.told(
        StatsRow,
        figures,
        orders=figures.statuses.total(),
        statuses=_counts(figures.statuses),
        volume=_amounts(figures.volume, tokens),
        fees=_amounts(figures.fees, tokens),
        slippage_bps={"p50": _bps(figures.slippage.p50), "p95": _bps(figures.slippage.p95)},
        latency_ms=steps | {"whole": _times(figures.total)},
        venues=[_venue(figures.venues[name]) for name in sorted(figures.venues)],
    )


def _venue(venue: VenueFigures) -> dict[str, Any]:
    return order_wire.told(
        VenueStats,
        venue,
        statuses=_counts(venue.statuses),
        win_rate=_round(Decimal(venue.chosen) / venue.choices, 4) if venue.choices else None,
        gain_bps={"mean": _bps(venue.gain_mean), "p50": _bps(venue.gain_p50)},
        quote_ms=order_wire.told(MsSpread, venue.latency),
    )


def _counts(statuses: Mapping[str, int]) -> dict[str, int]:
    return {status.value: statuses.get(status, 0) for status in Status}


def _amounts(units: Mapping[str, int], tokens: TokenBook) -> list[dict[str, str]]:
    """By mint, as they are shown: by symbol."""
    known = sorted((tokens.by_mint(mint) for mint in units), key=lambda token: (token.symbol, token.mint))
    return [{"token": token.symbol, "amount": token.text(units[token.mint])} for token in known]


def _times(spread: Spread[timedelta]) -> dict[str, int | None]:
    return {"p50": _ms(spread.p50), "p95": _ms(spread.p95)}


def _ms(took: timedelta | None) -> int | None:
    """Whole milliseconds, half of one up."""
    return None if took is None else (took + timedelta(microseconds=500)) // timedelta(milliseconds=1)


def _bps(value: Decimal | None) -> str | None:
    return None if value is None else _round(value, 1)


def _round(value: Decimal, places: int) -> str:
    """Always with that many decimals, and never a negative nothing."""
    found = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{found if found else abs(found):f}"
