"""How the daemon is: alive, ready, its status for people, its figures for Prometheus."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from fastapi import APIRouter, Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, PlainTextResponse

from oee_daemon.api import schema, wire
from oee_daemon.api.openapi import answers, known_query
from oee_daemon.contract.protocol import PROTOCOL, VERSION
from oee_daemon.home.addresses import place_of
from oee_daemon.queue import roster
from oee_daemon.queue.broker import NAMESPACE, QUEUE
from oee_daemon.reads.overview import Count, Overviews
from oee_daemon.store.readiness import Readiness

T = TypeVar("T")
router = APIRouter(dependencies=[Depends(known_query)])

#: Seconds after which a server that does not answer counts as away: a frozen one never says so.
ANSWER_S = 2.5
#: How far the clock was ahead of one that nobody sets when this process came up, seconds.
CLOCK = time.time() - time.monotonic()


@router.get("/healthz", responses=answers(schema.Health))
async def healthz() -> JSONResponse:
    """The process answers; says nothing about its servers."""
    return JSONResponse({"status": "ok", "version": VERSION, "protocol": PROTOCOL})


@router.get("/readyz", responses=answers(schema.Readiness, also={503: schema.Readiness}))
async def readyz(request: Request) -> JSONResponse:
    """200 where a due order would be taken up now, 503 with what stands in its way.

    Without the queue an order begins a second or two later, and is taken up all the same.
    """
    state = request.app.state
    found, queue = await asyncio.gather(soon(_readiness, request), soon(queue_now, request))
    parts = {
        "postgres": found is not None and found.writable,
        "worker": found is not None and found.worker and found.moving,
        "accepting": not state.draining,
    }
    ready = all(parts.values())
    answer = {"status": "ready" if ready else "not ready"} | parts | {"queue": queue is not None}
    return JSONResponse(answer, 200 if ready else 503)


def _readiness(request: Request) -> Readiness | None:
    state = request.app.state
    try:
        found: Readiness = state.history.readiness(state.network.name)
    except SQLAlchemyError:
        return None
    return found


async def _asked(request: Request) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What Postgres and the queue say, asked at once; nothing from one that is away or frozen."""
    figures, queue = await asyncio.gather(soon(_figures, request), soon(queue_now, request))
    return figures, queue


async def soon(ask: Callable[[Request], T | None], request: Request) -> T | None:
    """What `ask` says; nothing where it takes too long, or has nothing to say.

    It is under way once at most, and whoever asks meanwhile gets the same answer: probes that are repeated
    while none is answered take no connection from those who trade.
    """
    state = request.app.state
    question: asyncio.Future[T | None] | None = state.probes.get(ask)
    if question is None or question.done():
        loop = asyncio.get_running_loop()
        question = state.probes[ask] = loop.run_in_executor(state.probe_pool, ask, request)
    await asyncio.wait([question], timeout=ANSWER_S)
    return question.result() if question.done() else None


def _figures(request: Request) -> dict[str, Any] | None:
    overviews: Overviews = request.app.state.overviews
    try:
        return overviews.figures(request.app.state.settings.connections)
    except SQLAlchemyError:
        return None


def queue_now(request: Request) -> dict[str, Any] | None:
    """What runs as the queue, how many messages are in it, and who works; nothing where it is away."""
    client: redis.Redis = request.app.state.broker.client
    try:
        server: Any = client.info("server")
        messages = client.llen(f"{NAMESPACE}:{QUEUE}")
        workers = roster.present(client)
    except redis.RedisError:
        return None
    kind = "valkey" if "valkey_version" in server else "redis"
    return {"server": kind, "version": server[f"{kind}_version"], "messages": messages, "workers": workers}


@router.get("/api/status", responses=answers(schema.DaemonStatus))
async def status(request: Request) -> JSONResponse:
    """Everything `oee daemon status` shows."""
    figures, queue = [found or {} for found in await _asked(request)]
    count: Count | None = figures.get("count")
    state = request.app.state
    own = {str(row["name"]): row for row in state.servers()}
    settings = state.settings
    return JSONResponse(
        {
            "version": VERSION,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "startedAt": state.started_at,
            "clockJumpedS": round(time.time() - time.monotonic() - CLOCK, 3),
            "home": str(settings.home),
            "socket": str(state.socket_path),
            "http": state.http(),
            "postgres": {
                "version": figures.get("version"),
                "own": "postgres" in own,
                "place": place_of(None if "postgres" in own else settings.database_url),
                "pid": own.get("postgres", {}).get("pid"),
                "reachable": bool(figures),
                "orders": figures.get("accepted"),
                "bytes": figures.get("bytes"),
                "revision": figures.get("revision"),
                "now": wire.moment(figures["now"]) if figures else None,
                "weaknesses": figures.get("weaknesses", []),
            },
            "queue": {
                "server": queue.get("server"),
                "version": queue.get("version"),
                "own": "valkey" in own,
                "place": place_of(None if "valkey" in own else settings.redis_url),
                "pid": own.get("valkey", {}).get("pid"),
                "reachable": bool(queue),
                "messages": queue.get("messages"),
            },
            "worker": {
                "threads": settings.worker_threads,
                "pid": state.worker_pid(),
                "running": count and count.running,
            },
            "workers": queue.get("workers"),
            "orders": {
                "live": count and count.live,
                "running": count and count.running,
                "due": count and count.due,
                "delayed": count and count.delayed,
                "stuck": count and count.stuck,
                "faulty": count and count.faulty,
                "overdueS": count and count.overdue_s,
            },
            # Addresses carry passwords.
            "settings": {k: v for k, v in settings.dump().items() if not k.endswith("_url")},
            "network": settings.network,
            "maxAttempts": settings.max_attempts,
        }
    )


@router.get("/metrics", response_class=PlainTextResponse, responses=answers(None))
async def metrics(request: Request) -> PlainTextResponse:
    """Prometheus text format 0.0.4."""
    figures, queue = await _asked(request)
    lines = [
        "# HELP oee_up Whether a part answers.",
        "# TYPE oee_up gauge",
        f'oee_up{{part="postgres"}} {int(figures is not None)}',
        f'oee_up{{part="queue"}} {int(queue is not None)}',
    ]
    if figures is not None:
        lines += ["# HELP oee_orders_live Orders that have not ended.", "# TYPE oee_orders_live gauge"]
        count: Count = figures["count"]
        lines += [f'oee_orders_live{{status="{s}"}} {n}' for s, n in sorted(count.live.items())]
        lines += _told("oee_orders_accepted_total", "Orders ever accepted.", figures["accepted"], "counter")
        lines += _told("oee_orders_due", "Orders that are due and that no worker has taken.", count.due)
        lines += _told("oee_orders_delayed", "Orders between attempts, due later.", count.delayed)
        lines += _told("oee_orders_faulty", "Orders whose runs end in faults of the engine.", count.faulty)
        lines += _told("oee_leases_held", "Orders in execution.", count.running)
        lines += _told("oee_database_bytes", "Size of the database.", figures["bytes"])
    if queue is not None:
        lines += _told("oee_queue_messages", "Messages that wait for a worker.", queue["messages"])
        lines += _told("oee_workers", "Workers that are there.", len(queue["workers"]))
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _told(name: str, help_: str, value: int, kind: str = "gauge") -> list[str]:
    return [f"# HELP {name} {help_}", f"# TYPE {name} {kind}", f"{name} {value}"]
