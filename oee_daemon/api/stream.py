"""Events over WebSockets. A hint says that an order moved; what happened is always read from Postgres.

A watcher of one order subscribes first, then replays, then reads what is past its last `seq` on each hint, or
each second without one: no gap, no double, however late it joins and whatever the hints do. All who watch
every order share one look at what was committed since the last (see `tail`), on each hint or each second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from uuid import UUID

import redis
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from oee_daemon.api import wire
from oee_daemon.api.problems import as_problem, is_away, problem
from oee_daemon.api.reel import Reel, told
from oee_daemon.contract.status import FINAL
from oee_daemon.errors import InvalidInput, OeeError, Unavailable
from oee_daemon.queue import feed
from oee_daemon.reads.history import History
from oee_daemon.store.tail import Tail

log = logging.getLogger(__name__)
router = APIRouter()

#: Seconds without a hint after which a watcher looks by itself.
LOOK_S = 1.0
#: Seconds that a client may take to accept a message before it is dropped; it resumes by `seq`.
SEND_TIMEOUT_S = 5.0
#: Events that a watcher of every order may fall behind before it is told that it lagged.
BACKLOG = 5000
#: Seconds between two looks for all of them: what comes at the same time is read at once.
BREATH_S = 0.01
#: Seconds between two tries to listen for hints.
LISTEN_AGAIN_S = 1.0
#: Seconds after the last watcher for which hints are still listened to.
LINGER_S = 10.0


class Hub:
    """Passes on hints and events to whoever watches in this process; where nobody does, it asks nobody."""

    def __init__(self, redis_url: str, reel: Reel, tail: Tail) -> None:
        self._url = redis_url
        self.reel = reel
        self._tail = tail
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._all: set[AllOrders] = set()
        self._looking = asyncio.Lock()
        self._interest = 0
        self._left_at = 0.0
        self._wanted = asyncio.Event()
        self._hinted = asyncio.Event()

    async def run(self) -> None:
        """Listens and looks whenever somebody watches, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._read())

    async def _listen(self) -> None:
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
            if self._wanted.is_set():
                await asyncio.sleep(LISTEN_AGAIN_S)

    def _pass_on(self, order_id: UUID | None) -> None:
        self._hinted.set()
        if order_id is not None:
            self.reel.moved(order_id)
            for watcher in self._watchers.get(order_id, ()):
                watcher.set()
            return
        # From here on hints come: whoever watched before looks once more.
        self.reel.doubt()
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.set()

    async def _read(self) -> None:
        while True:
            await self._wanted.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._hinted.wait()
            self._hinted.clear()
            try:
                async with self._looking:
                    if self._all:
                        await self._look()
                    else:
                        await run_in_threadpool(self._tail.close)
            except SQLAlchemyError as e:
                # Postgres is away. Who watches is told that it lagged once it is back.
                log.debug("not looked", extra={"reason": str(e)})
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(BREATH_S)

    async def _look(self) -> None:
        """Tells all who watch what is new. Raises `SQLAlchemyError`."""
        found = await run_in_threadpool(self._tail.look, BACKLOG)
        texts = None if found is None else [told(event).text for event in found]
        for everything in self._all:
            if texts is None:
                everything.lag()
            else:
                everything.add(texts)

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
        """ "From now on" begins with a look of its own: what comes before it is for the others.

        Raises `SQLAlchemyError` where Postgres is away.
        """
        everything = AllOrders()
        with self._interested():
            async with self._looking:
                await self._look()
                self._all.add(everything)
            try:
                yield everything
            finally:
                self._all.discard(everything)


class AllOrders:
    """One watcher of every order: what it has not been sent yet, bounded."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._wake = asyncio.Event()
        self.lagged = False

    def add(self, texts: list[str]) -> None:
        if len(self._texts) + len(texts) > BACKLOG:
            self.lag()
            return
        self._texts += texts
        if texts:
            self._wake.set()

    def lag(self) -> None:
        self._texts = []
        self.lagged = True
        self._wake.set()

    async def take(self) -> tuple[list[str], bool]:
        """What is new, and whether some was missed before it; waits until there is either."""
        await self._wake.wait()
        self._wake.clear()
        found, lagged = self._texts, self.lagged
        self._texts, self.lagged = [], False
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
    try:
        _asked(socket)
        # Before the client knows that it is let in: what it then places is never missed.
        async with hub.watch_all() as everything:
            await socket.accept()
            async with _until_gone(socket):
                await _follow_all(socket, everything)
    except (OeeError, SQLAlchemyError) as e:
        await _denied(socket, e)


async def _follow_all(socket: WebSocket, everything: AllOrders) -> None:
    while True:
        texts, lagged = await everything.take()
        if lagged:
            await _send(socket, '{"lagged":true}')
        for text in texts:
            await _send(socket, text)


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
