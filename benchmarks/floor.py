"""The floor of accepting and executing: the same shape as the engine's, with nothing of its promise.

    python -m benchmarks.floor app SOCKET DATABASE_URL REDIS_URL
    python -m benchmarks.floor worker DATABASE_URL REDIS_URL
    python -m benchmarks.floor bell DATABASE_URL REDIS_URL
    python -m benchmarks.floor hub SOCKET REDIS_URL

The application is bare FastAPI on uvicorn: a route with a model, one INSERT of the order and its event by
a prepared statement on autocommit, one Dramatiq enqueue. The worker is stock Dramatiq, 10 threads, and for
each order does one claim, five moves of one prepared data-modifying CTE each, a publish after each, and
the one commit of a chain's ledger. The bell
is a list that blocks and one UPDATE; the hub passes on what is published. (No postponed annotations here:
FastAPI reads those of a local class.)
"""

import asyncio
import json
import queue
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4

import dramatiq
import psycopg
import redis
import redis.asyncio as aioredis
from dramatiq.brokers.redis import RedisBroker

#: As the engine's: threads of the worker, and requests that can be at the database at once.
THREADS, API_CONNECTIONS = 10, 20
#: Milliseconds between two looks of stock Dramatiq at an empty queue.
LOOK_MS = 20

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY, status text NOT NULL, attempt int NOT NULL DEFAULT 1,
    event_seq int NOT NULL DEFAULT 1,
    pair text NOT NULL, side text NOT NULL, input_token text NOT NULL, output_token text NOT NULL,
    amount numeric(20, 0) NOT NULL, venue text, quote_in numeric(20, 0), quote_out numeric(20, 0),
    filled_in numeric(20, 0), filled_out numeric(20, 0), signature text, lease_until timestamptz,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, finished_at timestamptz);
CREATE INDEX IF NOT EXISTS orders_live ON orders (created_at) WHERE finished_at IS NULL;
CREATE TABLE IF NOT EXISTS order_events (
    order_id uuid NOT NULL, seq int NOT NULL, status text NOT NULL, attempt int NOT NULL,
    at timestamptz NOT NULL, data jsonb NOT NULL, PRIMARY KEY (order_id, seq));
CREATE TABLE IF NOT EXISTS ledger (
    signature text PRIMARY KEY, order_id uuid, amount_in text, amount_out text, at timestamptz NOT NULL);
"""

ACCEPT = """
WITH new AS (
    INSERT INTO orders (id, status, pair, side, input_token, output_token, amount, created_at, updated_at)
    VALUES (%s, 'pending', 'SOL/USDC', 'sell', %s, %s, %s, statement_timestamp(), statement_timestamp())
    RETURNING id, event_seq, status, attempt, created_at)
, first AS (
    INSERT INTO order_events SELECT id, event_seq, status, attempt, created_at, '{}' FROM new)
SELECT created_at FROM new
"""

CLAIM = """
UPDATE orders SET lease_until = clock_timestamp() + interval '15 s'
WHERE id = %s AND finished_at IS NULL AND (lease_until IS NULL OR lease_until < clock_timestamp())
RETURNING status, attempt
"""

MOVE = """
WITH moved AS (
    UPDATE orders SET status = %(to)s, event_seq = event_seq + 1, updated_at = clock_timestamp(),
        venue = coalesce(%(venue)s, venue), signature = coalesce(%(signature)s, signature),
        filled_in = coalesce(%(in)s, filled_in), filled_out = coalesce(%(out)s, filled_out),
        lease_until = clock_timestamp() + interval '15 s',
        finished_at = CASE WHEN %(to)s = 'confirmed' THEN clock_timestamp() END
    WHERE id = %(id)s AND status = %(from)s RETURNING *)
, said AS (
    INSERT INTO order_events SELECT id, event_seq, status, attempt, updated_at, %(data)s::jsonb FROM moved)
SELECT * FROM moved
"""

CLAIM_AND_MOVE = """
UPDATE orders SET status = 'routing', event_seq = 2, updated_at = clock_timestamp()
WHERE id = %s AND status = 'pending'
"""

LEDGER = "INSERT INTO ledger VALUES (%s, %s, %s, %s, clock_timestamp())"

_SIGNATURE = "4t6tBBAdas4QtX6CoMipPwsdiLvoMgK6WePUik7CriFUk1C4j23PqNg3KCa3aApaPhDsoZjiNdjjKHq2"
_QUOTE = {"venue": "meteora", "amountIn": "1.5", "amountOut": "216.32", "price": "144.218611", "fee": "0.004",
          "priceImpactBps": 2, "latencyMs": 0, "error": None}  # fmt: skip
#: From, to, what the event says.
MOVES: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("pending", "routing", {}),
    ("routing", "building", {"venue": "meteora", "quotes": [_QUOTE, _QUOTE]}),
    ("building", "signed", {}),
    ("signed", "submitted", {"signature": _SIGNATURE}),
    (
        "submitted",
        "confirmed",
        {"signature": _SIGNATURE, "filledIn": "1.5", "filledOut": "216.32", "slot": 9},
    ),
)


class Pool:
    """As small as a pool can be: connections that are taken and put back."""

    def __init__(self, url: str, size: int) -> None:
        self._free: queue.LifoQueue[psycopg.Connection] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(psycopg.connect(url, autocommit=True, prepare_threshold=0))

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        conn = self._free.get()
        try:
            yield conn
        finally:
            self._free.put(conn)


def _broker(url: str) -> RedisBroker:
    broker = RedisBroker(client=redis.Redis.from_url(url))  # type: ignore[no-untyped-call]
    broker.declare_queue("orders")
    return broker


def app(path: str, database_url: str, redis_url: str) -> None:
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel

    class NewOrder(BaseModel):
        inputToken: str  # noqa: N815
        outputToken: str  # noqa: N815
        amount: float

    pool, broker = Pool(database_url, API_CONNECTIONS), _broker(redis_url)
    bare = FastAPI()

    # Not `async`: FastAPI runs it in a thread.
    @bare.post("/api/orders/execute")
    def execute(new: NewOrder) -> JSONResponse:
        order_id = uuid4()
        values = (order_id, new.inputToken, new.outputToken, round(new.amount * 10**9))
        with pool.connection() as conn:
            row = conn.execute(ACCEPT, values).fetchone()
        assert row is not None
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name="orders", actor_name="execute", args=(str(order_id),), kwargs={}, options={}
        )
        broker.enqueue(message)
        answer = {"orderId": str(order_id), "status": "pending", "amount": str(new.amount)}
        return JSONResponse(answer | {"createdAt": row[0].isoformat()}, 202)

    uvicorn.run(bare, uds=path, log_level="warning", access_log=False, server_header=False)


def work(database_url: str, redis_url: str) -> None:
    pool, broker, feed = Pool(database_url, THREADS), _broker(redis_url), redis.Redis.from_url(redis_url)

    def execute(order_id: str) -> None:
        with pool.connection() as conn:
            if conn.execute(CLAIM, (order_id,)).fetchone() is None:
                return
            for before, to, data in MOVES:
                values = {"id": order_id, "from": before, "to": to, "data": json.dumps(data), "venue": None}
                values |= {"signature": None, "in": None, "out": None}
                if to == "submitted":
                    values["signature"] = _SIGNATURE
                if to == "confirmed":
                    conn.execute(LEDGER, (str(uuid4()), order_id, "1500000000", "216320000"))
                    values |= {"in": "1500000000", "out": "216320000"}
                conn.execute(MOVE, values).fetchone()
                feed.publish("moved", order_id)

    dramatiq.actor(actor_name="execute", queue_name="orders", broker=broker)(execute)
    worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=LOOK_MS)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()
    print("worker ready", flush=True)
    stop.wait()
    worker.stop()


def answer_bell(database_url: str, redis_url: str) -> None:
    conn = psycopg.connect(database_url, autocommit=True, prepare_threshold=0)
    # No time limit: an answer that comes after it would be lost, and it may be frozen meanwhile.
    bell = redis.Redis.from_url(redis_url, socket_timeout=None)
    print("ready", flush=True)
    while True:
        rung = bell.blpop(["bell"])
        assert isinstance(rung, list | tuple) and isinstance(rung[1], bytes)
        conn.execute(CLAIM_AND_MOVE, (rung[1].decode(),))


def pass_on(path: str, redis_url: str) -> None:
    import uvicorn
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect

    waiting: set[asyncio.Queue[str]] = set()

    async def listen() -> None:
        async with aioredis.Redis.from_url(redis_url, socket_timeout=None).pubsub() as channel:
            await channel.subscribe("moved")
            async for message in channel.listen():
                if message["type"] == "message":
                    for line in waiting:
                        line.put_nowait(message["data"].decode())

    @asynccontextmanager
    async def around(_: FastAPI) -> AsyncIterator[None]:
        listening = asyncio.create_task(listen())
        yield
        listening.cancel()

    hub = FastAPI(lifespan=around)

    @hub.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        line: asyncio.Queue[str] = asyncio.Queue()
        waiting.add(line)
        try:
            while True:
                await socket.send_text(await line.get())
        except WebSocketDisconnect:
            pass
        finally:
            waiting.discard(line)

    uvicorn.run(hub, uds=path, log_level="warning", ws="websockets-sansio", ws_per_message_deflate=False)


if __name__ == "__main__":
    kinds: dict[str, Callable[..., None]] = {"app": app, "worker": work, "bell": answer_bell, "hub": pass_on}
    kinds[sys.argv[1]](*sys.argv[2:])
