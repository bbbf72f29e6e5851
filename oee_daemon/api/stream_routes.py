"""Over WebSockets: events of one order from any `seq` on, or of every order from now on, and prices.

A watcher of one order subscribes first, then replays, then reads what is past its last `seq` on each hint, or
each second without one: no gap, no double, however late it joins and whatever the hints do.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from oee_daemon.api import request_wire
from oee_daemon.api.api_hub import LOOK_S, AllOrders
from oee_daemon.api.api_problems import as_problem, problem
from oee_daemon.api.api_state import State, state_of
from oee_daemon.contract.status import FINAL
from oee_daemon.errors import Conflict, InvalidInput, OeeError
from oee_daemon.networks.prices import Watched
from oee_daemon.reads.reads_history import History

log = logging.getLogger(__name__)
router = APIRouter()

#: Seconds that a client may take to accept a message before it is dropped; it resumes by `seq`.
SEND_TIMEOUT_S = 5.0


async def _send(socket: WebSocket, text: str) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await socket.send_text(text)


def _read_query(socket: WebSocket, *known: str) -> dict[str, str]:
    """The query of the handshake. Raises `InvalidInput` for what is not `known` or stands twice."""
    names = [name for name, _ in socket.query_params.multi_items()]
    request_wire.check_query(names, known)
    return dict(socket.query_params)


@router.websocket("/api/orders/execute")
async def one_order(socket: WebSocket) -> None:
    """Every event of one order from `afterSeq` on, each once; closes with 1000 after the final one."""
    state = state_of(socket)
    try:
        query = _read_query(socket, "orderId", "afterSeq")
        after = request_wire.read_seq(query.get("afterSeq", "0"), "afterSeq")
        if "orderId" not in query:
            raise InvalidInput("orderId is missing.", code="missing_field", field="orderId")
        order_id = await run_in_threadpool(state.history.resolve, query["orderId"])
    except (OeeError, SQLAlchemyError) as e:
        await socket.send_denial_response(as_problem(e))
        return
    await socket.accept()
    async with _until_gone(socket):
        await _send_order(socket, state, order_id, after)
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await socket.close(1000)


async def _send_order(socket: WebSocket, state: State, order_id: UUID, seq: int) -> None:
    """Sends the events past `seq` as they come; returns after the final one."""
    with state.hub.watch(order_id) as hint:
        while True:
            # At first, and after each wait without a hint, Postgres is read whatever the cache holds.
            fresh = not hint.is_set()
            hint.clear()
            try:
                found = await state.hub.cache.events(order_id, seq, fresh=fresh)
                # A client that asks for what follows the final event is not kept waiting.
                if not found and await run_in_threadpool(_is_over, state.history, order_id, seq):
                    return
            except SQLAlchemyError:
                # Postgres is away: the watcher stays, and Postgres is read again.
                found = []
            for event in found:
                await _send(socket, event.text)
                seq = event.seq
                if event.status in FINAL:
                    return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await hint.wait()


def _is_over(history: History, order_id: UUID, seq: int) -> bool:
    order = history.order(order_id)
    return order.status in FINAL and order.event_seq <= seq


@router.websocket("/api/orders/stream")
async def all_orders(socket: WebSocket) -> None:
    """Events of every order from now on; `{"lagged": true}` where some were missed."""
    try:
        _read_query(socket)
        # Before the client knows that it is let in: what it then places is never missed.
        async with state_of(socket).hub.watch_all() as everything:
            await socket.accept()
            async with _until_gone(socket):
                await _send_all(socket, everything)
    except (OeeError, SQLAlchemyError) as e:
        await socket.send_denial_response(as_problem(e))


async def _send_all(socket: WebSocket, everything: AllOrders) -> None:
    while True:
        texts, lagged = await everything.take()
        if lagged:
            await _send(socket, '{"lagged":true}')
        for text in texts:
            await _send(socket, text)


@router.websocket("/api/prices")
async def pair_prices(socket: WebSocket) -> None:
    """The price of one pair, look by look, as `GET /api/feeds` tells it; the newest alone for who is slow."""
    state = state_of(socket)
    try:
        query = _read_query(socket, "pair")
        if "pair" not in query:
            raise InvalidInput("pair is missing.", code="missing_field", field="pair")
        await state.desk.learn(*query["pair"].split("/"))
        name = request_wire.read_pair(query["pair"], state.network.tokens)
        if state.network.prices is None:
            raise Conflict("Nobody tells prices on this network.", code="no_price_source")
    except (OeeError, SQLAlchemyError) as e:
        await socket.send_denial_response(as_problem(e))
        return
    pair = Watched(name, *(state.network.tokens.by_mint(mint) for mint in name.split("/")))
    await socket.accept()
    async with _until_gone(socket), state.prices.follow(pair) as looks:
        async for seen in looks:
            await _send(socket, json.dumps(seen))


@router.get("/api/prices", include_in_schema=False)
@router.get("/api/orders/execute", include_in_schema=False)
@router.get("/api/orders/stream", include_in_schema=False)
async def no_upgrade() -> JSONResponse:
    """A plain GET where a WebSocket is; else these names would be looked for as orders."""
    answer = problem(426, "upgrade_required", "This is a WebSocket: ask for an upgrade to one.")
    answer.headers["Upgrade"] = "websocket"
    return answer


@asynccontextmanager
async def _until_gone(socket: WebSocket) -> AsyncIterator[None]:
    """Ends the block when the client leaves or stops reading; what it sends is thrown away."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def leave() -> None:
        nonlocal gone
        with suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await socket.receive()
        gone = True
        task.cancel()

    reader = asyncio.create_task(leave())
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
    except (WebSocketDisconnect, TimeoutError, RuntimeError) as e:
        log.debug("a watcher left", extra={"reason": str(e)})
    finally:
        reader.cancel()
