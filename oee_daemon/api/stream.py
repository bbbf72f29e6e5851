"""Events over WebSockets. A hint says that an order moved; what happened is always read from Postgres.

A watcher subscribes first, then replays, then reads what is past its last `seq` on each hint, or each
second without one: no gap, no double, however late it joins and whatever the hints do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import cast
from uuid import UUID

import redis
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from oee_daemon import feed
from oee_daemon.api import wire
from oee_daemon.api.problems import as_problem, is_away, problem
from oee_daemon.api.reel import Reel, Told
from oee_daemon.errors import InvalidInput, OeeError, Unavailable
from oee_daemon.history import History
from oee_daemon.order import FINAL, Status

log = logging.getLogger(__name__)
router = APIRouter()

#: Seconds without a hint after which a watcher looks by itself.
LOOK_S = 1.0
#: Seconds that a client may take to accept a message before it is dropped; it resumes by `seq`.
SEND_TIMEOUT_S = 5.0
#: Ids that a watcher of every order may fall behind before it is told that it lagged, and that it
#: remembers the last event of.
BACKLOG = 1000
#: Seconds between two tries to listen for hints.
LISTEN_AGAIN_S = 1.0
#: Seconds after the last watcher for which hints are still listened to.
LINGER_S = 10.0
_RUNNING = frozenset({Status.ROUTING, Status.BUILDING, Status.SUBMITTED})


class Hub:
    """Passes hints on to whoever watches in this process; where nobody does, it does not listen either."""

    def __init__(self, redis_url: str, reel: Reel) -> None:
        self._url = redis_url
        self.reel = reel
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._all: set[AllOrders] = set()
        self._interest = 0
        self._left_at = 0.0
        self._wanted = asyncio.Event()
        self._listening = asyncio.Event()

    async def run(self) -> None:
        """Listens whenever somebody watches, for ever."""
        while True:
            await self._wanted.wait()
            try:
                async with aclosing(feed.listen(self._url)) as hints:
                    async for order_id in hints:
                        self._pass_on(order_id)
                        if not self._interest and time.monotonic() > self._left_at + LINGER_S:
                            self._wanted.clear()
                            break
            except (redis.RedisError, OSError, ValueError) as e:
                # Or somebody published what is no id.
                log.debug("hints lost", extra={"reason": str(e)})
            self._listening.clear()
            if self._wanted.is_set():
                await asyncio.sleep(LISTEN_AGAIN_S)

    def _pass_on(self, order_id: UUID | None) -> None:
        if order_id is not None:
            self.reel.moved(order_id)
            for watcher in self._watchers.get(order_id, ()):
                watcher.set()
            for everything in self._all:
                everything.moved(order_id)
            return
        # From here on hints come. Whoever watched before looks once more; whoever watched all orders while
        # nobody listened is told that some were missed: what is listed now is complete.
        self._listening.set()
        self.reel.doubt()
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.set()
        for everything in self._all:
            everything.lag()

    @contextmanager
    def _interested(self) -> Iterator[None]:
        self._interest += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._interest -= 1
            self._left_at = time.monotonic()

    @contextmanager
    def watch(self, order_id: UUID) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._watchers.setdefault(order_id, set()).add(event)
        try:
            with self._interested():
                yield event
        finally:
            watchers = self._watchers[order_id]
            watchers.discard(event)
            if not watchers:
                del self._watchers[order_id]

    @asynccontextmanager
    async def watch_all(self) -> AsyncIterator[AllOrders]:
        everything = AllOrders()
        with self._interested():
            # "From now on" begins where hints come. Without Valkey it begins without them, and lags later.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._listening.wait()
            self._all.add(everything)
            try:
                yield everything
            finally:
                self._all.discard(everything)


class AllOrders:
    """One watcher of every order: which orders moved since it last looked, in order, bounded."""

    def __init__(self) -> None:
        self._moved: OrderedDict[UUID, None] = OrderedDict()
        self._wake = asyncio.Event()
        self.lagged = False

    def moved(self, order_id: UUID) -> None:
        if len(self._moved) >= BACKLOG and order_id not in self._moved:
            self.lag()
        self._moved[order_id] = None
        self._wake.set()

    def lag(self) -> None:
        self._moved.clear()
        self.lagged = True
        self._wake.set()

    async def take(self) -> tuple[list[UUID], bool]:
        """The orders that moved, and whether some were missed before them; waits `LOOK_S` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        self._wake.clear()
        found, lagged = list(self._moved), self.lagged
        self._moved.clear()
        self.lagged = False
        return found, lagged


async def _send(socket: WebSocket, text: str) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await socket.send_text(text)


async def _denied(socket: WebSocket, error: OeeError | SQLAlchemyError) -> None:
    """Answers the handshake as an HTTP request would be. Raises what is a fault of ours again."""
    if isinstance(error, OeeError):
        await socket.send_denial_response(as_problem(error))
    elif is_away(error):
        await socket.send_denial_response(as_problem(Unavailable("Postgres can't be reached. Try again.")))
    else:
        log.error("fault of ours", exc_info=error)
        await socket.send_denial_response(problem(500, "internal", "This is a fault of ours."))


def _asked(socket: WebSocket, *known: str) -> dict[str, str]:
    """The query of the handshake. Raises `InvalidInput` for what is not `known` or stands twice."""
    names = [name for name, _ in socket.query_params.multi_items()]
    wire.check_query(names, known)
    return dict(socket.query_params)


@router.websocket("/api/orders/execute")
async def one_order(socket: WebSocket) -> None:
    """Every event of one order from `afterSeq` on, each once; closes with 1000 after the final one."""
    history: History = socket.app.state.history
    try:
        asked = _asked(socket, "orderId", "afterSeq")
        after = wire.read_seq(asked.get("afterSeq", "0"), "afterSeq")
        if "orderId" not in asked:
            raise InvalidInput("orderId is missing.", code="missing_field", field="orderId")
        order_id = await run_in_threadpool(history.resolve, asked["orderId"])
    except (OeeError, SQLAlchemyError) as e:
        await _denied(socket, e)
        return
    await socket.accept()
    async with _until_gone(socket):
        await _follow(socket, order_id, after)
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await socket.close(1000)


async def _follow(socket: WebSocket, order_id: UUID, seq: int) -> None:
    history: History = socket.app.state.history
    hub: Hub = socket.app.state.hub
    with hub.watch(order_id) as hint:
        while True:
            # The first time, and when no hint came, it is looked at whatever is known.
            look = not hint.is_set()
            hint.clear()
            try:
                found = await hub.reel.events(order_id, seq, look=look)
                # Who asks for what follows the final event waits for nothing.
                if not found and await run_in_threadpool(_is_over, history, order_id, seq):
                    return
            except SQLAlchemyError:
                # Postgres is away: the watcher stays, and looks again.
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
    hub: Hub = socket.app.state.hub
    history: History = socket.app.state.history
    async with hub.watch_all() as everything:
        try:
            _asked(socket)
            # Before the client knows that it is let in: what it then places is never older.
            begun = await run_in_threadpool(history.now)
        except (OeeError, SQLAlchemyError) as e:
            await _denied(socket, e)
            return
        await socket.accept()
        async with _until_gone(socket):
            await _follow_all(socket, everything, begun)


async def _follow_all(socket: WebSocket, everything: AllOrders, begun: datetime) -> None:
    hub: Hub = socket.app.state.hub
    last: OrderedDict[UUID, Told] = OrderedDict()
    clock = asyncio.get_running_loop().time
    looked = clock()
    while True:
        moved, lagged = await everything.take()
        if lagged:
            await _send(socket, '{"lagged":true}')
        hinted = set(moved)
        if clock() - looked >= LOOK_S:
            # The last hint of an order may be lost too.
            looked = clock()
            moved += [i for i, e in last.items() if e.status in _RUNNING and i not in hinted]
        for order_id in moved:
            before = last.pop(order_id, None)
            try:
                after = before.seq if before else 0
                found = await hub.reel.events(order_id, after, look=order_id not in hinted)
            except SQLAlchemyError:
                everything.lag()
                await asyncio.sleep(LOOK_S)
                break
            for event in found:
                if before is not None or event.at > begun:
                    await _send(socket, event.text)
            if found or before:
                last[order_id] = found[-1] if found else cast(Told, before)
        while len(last) > BACKLOG:
            # What is forgotten must not be told again from its first event on.
            begun = max(begun, last.popitem(last=False)[1].at)


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
