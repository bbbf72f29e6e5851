"""Puts the application together: state, routes, problems, and what every request must pass.

`state` holds what the routes use; it is filled here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from oee_daemon import calls
from oee_daemon.api import engine, health, lookup, openapi, orders, problems, stats, stream
from oee_daemon.api.limits import Limits
from oee_daemon.api.reel import Reel
from oee_daemon.api.turns import Turns
from oee_daemon.contract.protocol import VERSION
from oee_daemon.engine.identity import Identity
from oee_daemon.engine.intake import Intake
from oee_daemon.networks.network import Network
from oee_daemon.queue.broker import Broker
from oee_daemon.queue.feed import Feed
from oee_daemon.reads.history import History
from oee_daemon.reads.overview import Overviews
from oee_daemon.reads.stats import Stats
from oee_daemon.settings import Settings
from oee_daemon.store.tail import Tail

#: Orders accepted at once: enough to keep Postgres busy, and few, since they share one interpreter.
ACCEPTS = 8
#: Prices asked for at once by `GET /api/quotes`, times the venues.
ASKS = 16
#: Kinds of questions that are asked of the servers for those who watch, at once.
PROBES = 4
#: Seconds that a repeated request waits for the one before it; clients wait for 10.
TURN_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the daemon around the application tells it."""

    started_at: str
    socket_path: Path
    http: Callable[[], dict[str, Any]]
    servers: Callable[[], list[dict[str, object]]]
    worker_pid: Callable[[], int | None]
    identity: Identity | None = None


def build(
    settings: Settings, db: Engine, broker: Broker, feed: Feed, network: Network, around: Surroundings
) -> FastAPI:
    assert settings.redis_url is not None
    app = FastAPI(title="oee", version=VERSION, redoc_url=None, docs_url=None, redirect_slashes=False)
    state = app.state
    state.settings = settings
    state.broker = broker
    state.network = network
    state.intake = Intake(db, broker, feed, network=network.name, identity=around.identity)
    state.history = History(db)
    state.overviews = Overviews(db)
    state.stats = Stats(db)
    state.hub = stream.Hub(settings.redis_url, Reel(state.history), Tail(db))
    state.ask_pools = calls.for_each([venue.name for venue in network.venues], ASKS)
    state.accept_pool = ThreadPoolExecutor(ACCEPTS, thread_name_prefix="accept")
    #: What is asked of the servers right now, in few threads: each question is asked once at a time.
    state.probes = {}
    state.probe_pool = ThreadPoolExecutor(PROBES, thread_name_prefix="probe")
    state.turns = Turns(within_s=TURN_S)
    state.draining = False
    state.started_at = around.started_at
    state.socket_path = around.socket_path
    state.http = around.http
    state.servers = around.servers
    state.worker_pid = around.worker_pid
    problems.install(app)
    openapi.install(app, *orders.documented.routes)
    app.add_route(orders.EXECUTE, orders.execute, methods=["POST"])
    # The WebSocket's path is also that of the POST: both are told apart by the kind of request.
    for router in (stream.router, orders.router, lookup.router, stats.router, engine.router, health.router):
        app.include_router(router)
    app.add_middleware(Limits)
    return app
