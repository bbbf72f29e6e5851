"""`/healthz`, `/readyz`, `/api/status` and `/metrics`: whether the daemon lives, whether it is ready, its
state for people, and its figures for Prometheus.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, PlainTextResponse

from oee_daemon.api import api_answer_schema, order_wire
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_probes import QueueState
from oee_daemon.api.api_state import state_of
from oee_daemon.contract.addresses import place_of
from oee_daemon.contract.protocol import PROTOCOL, VERSION
from oee_daemon.contract.setting_table import BY_NAME
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.reads.reads_engine import Count

router = APIRouter(dependencies=[Depends(known_query)])

#: What is told of the orders, of `Count`.
_COUNTED = ("live", "running", "due", "delayed", "stuck", "faulty", "overdue_s")
#: How far the clock was ahead of one that nobody sets when this process came up, seconds.
CLOCK = time.time() - time.monotonic()


@router.get("/healthz", responses=answers(api_answer_schema.Health))
async def healthz() -> JSONResponse:
    """The process answers; says nothing about its servers."""
    return JSONResponse({"status": "ok", "version": VERSION, "protocol": PROTOCOL})


@router.get(
    "/readyz", responses=answers(api_answer_schema.Readiness, also={503: api_answer_schema.Readiness})
)
async def readyz(request: Request) -> JSONResponse:
    """200 where a due order would be taken up now, 503 with what stands in its way.

    Without the queue an order begins a second or two later, and is taken up all the same.
    """
    state = state_of(request)
    found, queue = await asyncio.gather(state.probes.readiness(), state.probes.queue())
    parts = {
        "postgres": found is not None and found.writable,
        "worker": found is not None and found.worker and found.moving,
        "accepting": not state.draining.is_set(),
    }
    ready = all(parts.values())
    answer = {"status": "ready" if ready else "not ready"} | parts | {"queue": queue is not None}
    return JSONResponse(answer, 200 if ready else 503)


@router.get("/api/status", responses=answers(api_answer_schema.DaemonStatus))
async def status(request: Request) -> JSONResponse:
    """Everything `oee daemon status` shows."""
    state = state_of(request)
    figures, queue = await asyncio.gather(state.probes.figures(), state.probes.queue())
    settings, around = state.settings, state.around
    own = {str(row["name"]): row for row in around.servers()}
    count: Count | None = figures and figures["count"]
    return JSONResponse(
        {
            "version": VERSION,
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "startedAt": around.started_at,
            "clockJumpedS": round(time.time() - time.monotonic() - CLOCK, 3),
            "home": str(settings.home),
            "socket": str(around.socket_path),
            "http": around.http(),
            "postgres": _server(own.get("postgres"), settings.database_url) | _postgres(figures or {}),
            "queue": _server(own.get("valkey"), settings.redis_url) | _queue(queue),
            "worker": {
                "threads": settings.worker_threads,
                "pid": around.worker_pid(),
                "running": count and count.running,
            },
            "workers": queue and queue.workers,
            "orders": {to_camel(name): count and getattr(count, name) for name in _COUNTED},
            # Addresses carry passwords and keys: of those what a screen may show.
            "settings": {k: BY_NAME[k].shown(v) for k, v in settings.dump().items() if k in BY_NAME},
            "network": settings.network,
            "wallet": around.lock and around.lock.describe(),
            "halt": order_wire.halt_json(figures and figures["halt"]),
            "maxAttempts": settings.max_attempts,
        }
    )


def _server(own: dict[str, object] | None, url: str | None) -> dict[str, object]:
    """Whether the daemon runs the server itself, and where it is."""
    place = place_of(None if own else url)
    return {"own": own is not None, "place": place, "pid": own.get("pid") if own else None}


def _postgres(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": figures.get("version"),
        "reachable": bool(figures),
        "orders": figures.get("accepted"),
        "bytes": figures.get("bytes"),
        "revision": figures.get("revision"),
        "now": order_wire.moment(figures["now"]) if figures else None,
        "weaknesses": figures.get("weaknesses", []),
    }


def _queue(queue: QueueState | None) -> dict[str, Any]:
    return {
        "server": queue and queue.server,
        "version": queue and queue.version,
        "reachable": queue is not None,
        "messages": queue and queue.messages,
    }


@router.get("/metrics", response_class=PlainTextResponse, responses=answers(None))
async def metrics(request: Request) -> PlainTextResponse:
    """Prometheus text format 0.0.4."""
    probes = state_of(request).probes
    figures, queue = await asyncio.gather(probes.figures(), probes.queue())
    up = {'part="postgres"': int(figures is not None), 'part="queue"': int(queue is not None)}
    lines = _metric("oee_up", "Whether a part answers.", up)
    if figures is not None:
        count: Count = figures["count"]
        live = {f'status="{status}"': n for status, n in sorted(count.live.items())}
        lines += _metric("oee_orders_live", "Orders that have not ended.", live)
        lines += _metric("oee_orders_accepted_total", "Orders ever accepted.", figures["accepted"], "counter")
        lines += _metric("oee_orders_due", "Orders that are due and that no worker has taken.", count.due)
        lines += _metric("oee_orders_delayed", "Orders between attempts, due later.", count.delayed)
        lines += _metric("oee_orders_faulty", "Orders whose runs end in faults of the engine.", count.faulty)
        lines += _metric("oee_leases_held", "Orders in execution.", count.running)
        lines += _metric("oee_halted", "Whether the engine is halted.", int(figures["halt"] is not None))
        lines += _watch_metrics(figures["watch"], count.live["waiting"], state_of(request).network.tokens)
        lines += _metric("oee_database_bytes", "Size of the database.", figures["bytes"])
    if queue is not None:
        lines += _metric("oee_queue_messages", "Messages that wait for a worker.", queue.messages)
        lines += _metric("oee_workers", "Workers that are there.", len(queue.workers))
        # No host has a quotation mark.
        refused = {f'host="{host}"': times for host, times in queue.refusals.items()}
        said = "How often an outside API or endpoint answered 429."
        lines += _metric("oee_source_429_total", said, refused, "counter") if refused else []
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _watch_metrics(seen: Any, waiting: int, book: TokenBook) -> list[str]:
    """What waits, and the watch over its prices; `seen`: the row of `waiting_sql.GLANCE`."""
    lines = _metric("oee_waiting_orders", "Orders that wait, for a price or a time.", waiting)
    lines += _metric("oee_watch_leader", "Whether a worker leads the watch over prices.", int(seen.leads))
    lines += _metric("oee_fired_total", "Orders that have fired by a price.", seen.fired, "counter")
    lines += _metric(
        "oee_near_misses_total", "Prices that were not so for an order's own size.", seen.missed, "counter"
    )
    lines += _metric(
        "oee_deferred_orders", "Limits whose price is there, and which wait for room.", seen.deferred
    )
    lines += _metric("oee_latched_stops", "Stops that have fired and wait for their limit.", seen.latched)
    if seen.returned:
        returned = {f'code="{code}"': n for code, n in sorted(seen.returned.items())}
        lines += _metric("oee_returned_total", "Orders that went back to wait.", returned, "counter")
    lines += _metric("oee_feed_gaps_total", "Times without a fresh price of a pair.", seen.gaps, "counter")
    lines += _metric("oee_feeds_stale", "Pairs that nobody sees a fresh price of.", len(seen.stale))
    pairs = zip(seen.names, seen.ages, strict=True)
    ages = {
        f'pair="{order_wire.pair_text(pair, book)}"': f"{age:.3f}" for pair, age in pairs if age is not None
    }
    return lines + (_metric("oee_feed_age_seconds", "The age of a pair's price.", ages) if seen.names else [])


def _metric(name: str, about: str, value: int | Mapping[str, Any], kind: str = "gauge") -> list[str]:
    """Its lines: of one value, or of one for each label."""
    rows = {f"{{{label}}}": n for label, n in value.items()} if isinstance(value, Mapping) else {"": value}
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *(f"{name}{at} {n}" for at, n in rows.items())]
