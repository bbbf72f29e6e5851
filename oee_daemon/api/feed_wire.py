"""The JSON of orders that wait, of their markets and of the watch over prices; and the shapes of these
answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from oee_daemon.api import order_wire
from oee_daemon.api.api_answer_schema import Amount, Market, Moment, Shape
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.conditions import FALLING
from oee_daemon.orders.order import Event, Order
from oee_daemon.reads.reads_waiting import WaitingOrders
from oee_daemon.store.creating_sql import Armed


class Leader(Shape):
    """The worker that watches all prices."""

    owner: str
    seen_at: Moment | None = Field(description="until when it has seen prices")


class PairFeed(Shape):
    """The newest price of one pair that somebody waits for; `bid`: selling base, `ask`: buying it."""

    pair: str
    bid: Amount | None
    ask: Amount | None
    at: Moment | None
    age_ms: int | None
    source: str
    slot: int | None
    state: Literal["live", "stale", "blind"]
    blind_ms: int | None = Field(description="for how long nobody has seen a fresh price; null: not for long")
    cadence_ms: int
    max_age_ms: int = Field(description="an older price fires nothing")
    waiting: int = Field(description="orders that wait for a price of it")
    nearest_bps: int | None = Field(description="how far the nearest one's price has to move")


class Feeds(Shape):
    """Every pair that is watched."""

    at: Moment
    leader: Leader | None = Field(description="null: nobody watches")
    waiting: int = Field(description="orders that wait, for a price or a time")
    deferred: int = Field(description="limits whose price is there, and which wait for room")
    deferred_ms: int | None = Field(description="for how long there have been some")
    latched: int = Field(description="stops that have fired and wait for their worst price")
    feeds: list[PairFeed]


class WatchState(Shape):
    """The watch over prices, at a glance."""

    leader: Leader | None = Field(description="null: nobody watches")
    waiting: int = Field(description="orders that wait, for a price or a time")
    pairs: int = Field(description="whose prices are watched")
    stale: list[str] = Field(description="of which nobody sees a fresh price; nothing fires by these")
    oldest_ms: int | None = Field(description="the age of the oldest price")
    nearest: str | None = Field(description="the pair whose price has to move least")
    nearest_bps: int | None
    deferred: int = Field(description="limits whose price is there, and which wait for room")
    latched: int = Field(description="stops that have fired and wait for their worst price")
    fired: int = Field(description="orders that have ever fired by a price")
    gaps: int = Field(description="times in which nobody saw a fresh price of a pair")


def watch_json(seen: Any, waiting: int, book: TokenBook) -> dict[str, Any]:
    """`seen`: the row of `waiting_sql.GLANCE`; `waiting` as counted with the other orders."""
    ages = [age for age in seen.ages if age is not None]
    return order_wire.told(
        WatchState,
        seen,
        leader=order_wire.told(Leader, seen) if seen.leads else None,
        waiting=waiting,
        stale=[order_wire.pair_text(pair, book) for pair in seen.stale],
        oldest_ms=round(max(ages) * 1000) if ages else None,
        nearest=None if seen.nearest_bps is None else order_wire.pair_text(seen.nearest, book),
    )


def feeds_json(seen: tuple[Any, Sequence[Any]], book: TokenBook) -> dict[str, Any]:
    """`seen`: as `WaitingOrders.watch` tells it."""
    watch, rows = seen
    feeds = [
        order_wire.told(
            PairFeed,
            feed,
            pair=order_wire.pair_text(feed.pair, book),
            age_ms=None if feed.at is None else max(0, round((watch.at - feed.at).total_seconds() * 1000)),
            blind_ms=None if feed.blind_s is None else round(feed.blind_s * 1000),
        )
        for feed in rows
    ]
    return order_wire.told(
        Feeds,
        watch,
        leader=None if watch.owner is None else order_wire.told(Leader, watch),
        deferred_ms=None if watch.deferred_s is None else round(watch.deferred_s * 1000),
        feeds=feeds,
    )


def orders_json(
    orders: Sequence[Order], waits: WaitingOrders, book: TokenBook, venues: Sequence[Venue] = ()
) -> list[dict[str, Any]]:
    """The order objects, of those that wait with their market and what holds them back. `venues`: those that
    are set."""
    waiting = [order for order in orders if order.status == "waiting"]
    markets = waits.markets([order.id for order in waiting])
    held_back = waits.held_back([order.id for order in waiting if order.group_id is not None])
    told = []
    for order in orders:
        more: dict[str, Any] = {}
        if order.status == "waiting":
            market = markets.get(order.id)
            more = {"market": market and order_wire.told(Market, market), "blocked": None}
            if order.id in held_back:
                more["blocked"] = {"code": "group_turn", "order": str(held_back[order.id])}
            elif venues and not any(order.may_ask(venue.name) for venue in venues):
                more["blocked"] = {"code": "no_venue"}
        told.append(order_wire.order_json(order, book) | more)
    return told


def armed_json(armed: Armed, order: Order) -> dict[str, Any] | None:
    """The market by which an order was just taken up: a pair that nobody has watched yet has no other price.
    None of what waits for a listing, or for nothing but a time."""
    seen = armed.data.get("market")
    if seen is None or armed.price is None:
        return None
    if order.launch_at is not None and order.launch_at > order.created_at:
        # Until its time it is compared with nothing.
        return {**seen, "awayBps": None, "stale": False}
    now = Decimal(seen["price"])
    moves = now - armed.price if armed.rule in FALLING else armed.price - now
    return {**seen, "awayBps": round(10_000 * moves / now), "stale": False}


def last_checks(events: Sequence[Event]) -> list[dict[str, Any]]:
    """What each check of a new token came to when it was last judged; none where it never was."""
    for event in reversed(events):
        found: list[dict[str, Any]] | None = event.data.get("checks")
        found = found or (event.data.get("error") or {}).get("checks")
        if found:
            return found
    return []


def story_json(order: Order, waits: WaitingOrders) -> dict[str, Any]:
    """What only an order that waited has: gaps in which nobody looked, and the other legs of its group."""
    told: dict[str, Any] = {}
    if gaps := waits.gaps(order.id):
        told["gaps"] = [
            {"begun": order_wire.moment(begun), "ended": ended and order_wire.moment(ended), "reason": why}
            for begun, ended, why in gaps
        ]
    if order.group_id is not None:
        told["group"] = [
            {"orderId": str(i), "type": kind, "status": status} for i, kind, status in waits.legs(order.id)
        ]
    return told
