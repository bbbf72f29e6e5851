"""`GET /api/engine`: the engine at this moment, for those who watch it, and the shapes of that answer.

The cost of an answer grows neither with the orders that are stored nor with the clients that watch events.
Nothing is read here: `reads.reads_engine` does that.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire
from oee_daemon.api.api_answer_schema import Halt, Moment, Order, Shape, WalletState
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.api.feed_wire import WatchState, watch_json
from oee_daemon.contract.protocol import VERSION
from oee_daemon.contract.status import Status
from oee_daemon.errors import Unavailable
from oee_daemon.reads.reads_engine import QUOTES_S, Overview, VenueHealth

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class Counts(Shape):
    """Orders that have not ended. Where there are very many, as they were counted a moment ago."""

    counted_at: Moment
    live: dict[Status, int] = Field(description="by status")
    running: int = Field(description="in execution")
    due: int = Field(description="due, and no worker has taken them yet")
    delayed: int = Field(description="due later: between attempts, or asked about again then")
    accepted: int = Field(description="ever, ended or not")
    max_active: int = Field(description="how many may be in execution at once")


class Queue(Shape):
    reachable: bool
    messages: int | None = Field(description="that no worker has taken; hints, not orders")


class Worker(Shape):
    """One worker, as it said of itself within the last seconds."""

    name: str = Field(description="as in leases and logs")
    host: str
    pid: int
    threads: int
    version: str
    since: str
    running: int = Field(description="orders in its hands")
    longest_s: float = Field(0.0, description="for how long it has been at one of them")
    database: str | None = Field(None, description="names the database that it works on")
    keeps: dict[str, str | None] | None = Field(
        None, description="what protects money while it executes; null: it does not say so"
    )
    contested: list[str] = Field(
        default_factory=list, description="signatures of which its endpoints tell different things for long"
    )


class Venue(Shape):
    """What a venue answered to the orders of the last minutes."""

    venue: str
    asked: int
    answered: int
    errors: int
    p50_ms: int | None = Field(description="of what it answered")
    last_error: str | None = Field(description="the code of the newest")


class Rate(Shape):
    """Orders in each of the last 60 whole seconds, the newest last."""

    accepted: list[int]
    ended: list[int]


class Engine(Shape):
    """The engine at one moment."""

    at: Moment
    version: str
    started_at: str
    network: str
    orders: Counts
    in_flight: list[Order] = Field(description="40 at most, the longest in its step first")
    ended: list[Order] = Field(description="the last 40, newest first")
    queue: Queue
    workers: list[Worker] | None = Field(description="null while the queue can't be reached")
    venues_over_s: int = Field(description="how far back `venues` looks, seconds")
    venues: list[Venue]
    rate: Rate
    watch: WatchState
    halt: Halt | None = Field(description="null while the engine works")
    wallet: WalletState | None


@router.get("/engine", responses=answers(Engine))
async def engine(request: Request) -> JSONResponse:
    """What `oee top` shows: orders in flight, the queue, workers, venues, what ended, and how fast."""
    state = state_of(request)
    seen, queue = await asyncio.gather(state.probes.overview(), state.probes.queue())
    if seen is None:
        raise Unavailable("Postgres can't be reached. Try again.")
    count = seen.count
    return JSONResponse(
        {
            "at": order_wire.moment(seen.at),
            "version": VERSION,
            "startedAt": state.around.started_at,
            "network": state.settings.network,
            "orders": order_wire.told(
                Counts,
                count,
                counted_at=count.at,
                accepted=seen.accepted,
                max_active=state.settings.max_active,
            ),
            "inFlight": [order_wire.order_json(order, state.network.tokens) for order in seen.in_flight],
            "ended": [order_wire.order_json(order, state.network.tokens) for order in seen.ended],
            "queue": {"reachable": queue is not None, "messages": queue and queue.messages},
            "workers": queue and queue.workers,
            "venuesOverS": QUOTES_S,
            "venues": _venues(seen, [venue.name for venue in state.network.venues]),
            "watch": watch_json(seen.watch, count.live["waiting"], state.network.tokens),
            "halt": order_wire.halt_json(seen.halt),
            "wallet": state.around.lock and state.around.lock.describe(),
            "rate": {"accepted": seen.accepted_by_second, "ended": seen.ended_by_second},
        }
    )


def _venues(seen: Overview, configured: list[str]) -> list[dict[str, Any]]:
    """The network's venues, asked or not, and every other venue that was asked of late."""
    found = {health.venue: health for health in seen.venues}
    blank = {name: VenueHealth(name, 0, 0, None, None) for name in configured if name not in found}
    venues = [venue for _, venue in sorted((found | blank).items())]
    return [order_wire.told(Venue, venue, errors=venue.asked - venue.answered) for venue in venues]
