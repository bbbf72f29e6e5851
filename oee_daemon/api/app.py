"""Puts the application together: state, routes, problems, and what every request must pass.

`state` holds what the routes use; it is filled here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oee_daemon import __version__
from oee_daemon.api import PROTOCOL, health, orders, problems, stream
from oee_daemon.broker import Broker
from oee_daemon.feed import Feed
from oee_daemon.history import History
from oee_daemon.intake import Intake
from oee_daemon.networks import Network
from oee_daemon.settings import Settings

#: Prices asked for at once by `GET /api/quotes`, times the venues.
ASKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the daemon around the application tells it."""

    started_at: str
    socket_path: Path
    http: Callable[[], dict[str, Any]]
    servers: Callable[[], list[dict[str, object]]]
    worker_pid: Callable[[], int | None]


def build(settings: Settings, db: Engine, broker: Broker, feed: Feed, network: Network, around: Surroundings) -> FastAPI:
    assert settings.redis_url is not None
    app = FastAPI(title="oee", version=__version__, summary="Executes orders on Solana.", redoc_url=None, docs_url=None)
    state = app.state
    state.settings = settings
    state.broker = broker
    state.network = network
    state.intake = Intake(db, broker, feed, network=network.name)
    state.history = History(db)
    state.hub = stream.Hub(settings.redis_url)
    state.ask_pool = ThreadPoolExecutor(ASKS * max(1, len(network.venues)), thread_name_prefix="ask")
    state.draining = False
    state.started_at = around.started_at
    state.socket_path = around.socket_path
    state.http = around.http
    state.servers = around.servers
    state.worker_pid = around.worker_pid
    problems.install(app)
    # The WebSocket's path is also that of the POST: both are told apart by the kind of request.
    for router in (stream.router, orders.router, health.router):
        app.include_router(router)
    app.add_middleware(Limits)
    return app


class Limits:
    """Ends bodies at 64 KB, answers another protocol version in words, and says ours on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"oee-protocol", str(PROTOCOL).encode()),
                    (b"oee-version", __version__.encode()),
                ]
            await send(message)

        asked = dict(scope["headers"]).get(b"oee-protocol")
        if asked is not None and asked != str(PROTOCOL).encode():
            await _answer(scope, stamped, 426, "protocol_mismatch", "This daemon speaks another version.")
        elif scope["type"] == "http":
            await self._bounded(scope, receive, stamped)
        else:
            await self._app(scope, receive, stamped)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body before the application does: none of our bodies is worth streaming."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > orders.MAX_BODY:
                detail = f"body has more than {orders.MAX_BODY} bytes."
                await _answer(scope, send, 413, "body_too_large", detail)
                return
            if not message.get("more_body", False):
                break
        whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


async def _answer(scope: Scope, send: Send, status: int, code: str, detail: str) -> None:
    problem = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    body = json.dumps(problem | {"retryable": False, "protocol": PROTOCOL, "version": __version__}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
