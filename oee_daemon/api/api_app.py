"""Makes the state that the routes work with, and the application of its routes and middleware."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from oee_daemon.api import (
    api_document,
    api_problems,
    balance_routes,
    cancel_routes,
    edit_routes,
    endpoint_routes,
    engine_routes,
    feed_routes,
    group_routes,
    halt_routes,
    health_routes,
    limit_routes,
    lookup_routes,
    notify_routes,
    order_routes,
    stats_routes,
    stream_routes,
    token_routes,
    wallet_routes,
)
from oee_daemon.api.api_endpoint_checks import EndpointChecks
from oee_daemon.api.api_event_cache import EventCache
from oee_daemon.api.api_hub import Hub
from oee_daemon.api.api_price_stream import PriceWatch
from oee_daemon.api.api_probes import Probes
from oee_daemon.api.api_request_limits import RequestLimits
from oee_daemon.api.api_state import State, Surroundings
from oee_daemon.contract.protocol import VERSION
from oee_daemon.engine.editing import Editing
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.engine.group_intake import GroupIntake
from oee_daemon.engine.intake import Intake
from oee_daemon.engine.placing import Placing
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.queue.queue_broker import Broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.reads.reads_engine import Overviews
from oee_daemon.reads.reads_fills import Fills
from oee_daemon.reads.reads_history import History
from oee_daemon.reads.reads_quality import Stats
from oee_daemon.reads.reads_waiting import WaitingOrders
from oee_daemon.settings import Settings
from oee_daemon.store.postgres_line import Line
from oee_daemon.store.tail_sql import Tail


def open_state(
    settings: Settings, db: Engine, broker: Broker, feed: Feed, network: Network, around: Surroundings
) -> State:
    assert settings.redis_url is not None and settings.database_url is not None
    history = History(db)
    line = Line(settings.database_url)
    desk = TokenDesk(db, network)
    desk.load()
    limits, waits = SpendingLimits(settings, db, network), WaitingOrders(db)
    limited = limits if limits.any else None
    intake = Intake(
        db,
        line,
        broker,
        feed,
        network=network.name,
        identity=around.identity,
        lock=around.lock,
        limits=limited,
        home=settings.home,
        keeps=settings.keeps,
    )
    placing, editing, groups = _open_waiting(settings, db, feed, network, around, limited, intake)
    return State(
        settings=settings,
        around=around,
        network=network,
        fills=Fills(db, BoundedChain(network.chain, FaultLog())),
        intake=intake,
        placing=placing,
        editing=editing,
        groups=groups,
        line=line,
        limits=limits,
        desk=desk,
        checks=OrderChecks(network, desk, FaultLog(), courtesy_s=settings.timing.courtesy_s),
        history=history,
        stats=Stats(db),
        waits=waits,
        prices=PriceWatch(network, waits),
        hub=Hub(settings.redis_url, EventCache(history, network.tokens), Tail(db)),
        endpoints=EndpointChecks(network.endpoints),
        probes=Probes(settings, history, Overviews(db), broker.client),
    )


def _open_waiting(
    settings: Settings,
    db: Engine,
    feed: Feed,
    network: Network,
    around: Surroundings,
    limits: SpendingLimits | None,
    intake: Intake,
) -> tuple[Placing, Editing, GroupIntake]:
    """What accepts and changes orders that wait, beside `intake`."""
    placing = Placing(network)
    shared: dict[str, Any] = {"limits": limits, "home": settings.home, "keeps": settings.keeps}
    shared["soon"] = intake.look_ahead
    editing = Editing(db, feed, network, placing, identity=around.identity, **shared)
    groups = GroupIntake(db, feed, network=network.name, lock=around.lock, **shared)
    return placing, editing, groups


def build(state: State) -> FastAPI:
    app = FastAPI(title="oee", version=VERSION, redoc_url=None, docs_url=None, redirect_slashes=False)
    app.state.oee = state
    api_problems.install(app)
    api_document.install(app, *order_routes.documented.routes)
    app.add_route(order_routes.EXECUTE, order_routes.execute, methods=["POST"])
    # The WebSocket's path is also that of the POST: both are told apart by the kind of request.
    for router in (
        stream_routes.router,
        group_routes.router,
        order_routes.router,
        lookup_routes.router,
        cancel_routes.router,
        token_routes.router,
        balance_routes.router,
        stats_routes.router,
        engine_routes.router,
        feed_routes.router,
        edit_routes.router,
        endpoint_routes.router,
        halt_routes.router,
        limit_routes.router,
        notify_routes.router,
        health_routes.router,
        wallet_routes.router,
    ):
        # As they are: to include a router makes each of its routes anew, at the first request.
        app.routes.extend(router.routes)
    app.add_middleware(RequestLimits)
    return app
