"""The daemon at a glance: one fact a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import short_path
from oee_cli.text.amount_text import counted
from oee_cli.text.layout_text import Cell, Line, cell_len, draw_line, fold_value
from oee_cli.text.order_text import name_process
from oee_cli.text.time_text import minute_text, parse_moment
from oee_daemon.contract.real_money import KEYLESS

#: Cells of the facts' names, and between two parts of a fact.
_NAMES, _GAP = 11, 3


def draw_status(output: Output, status: dict[str, Any]) -> None:
    lines = [
        ("daemon", _describe_daemon(status)),
        ("socket", [short_path(Path(status["socket"])) if status.get("socket") else None]),
        ("http", _describe_http(status.get("http") or {})),
        ("postgres", _describe_postgres(status.get("postgres") or {})),
        ("queue", _describe_queue(status.get("queue") or {}, status.get("orders") or {})),
        *_describe_workers(status),
        ("network", [status.get("network")]),
        *([("halted", _describe_halt(halt))] if (halt := status.get("halt")) else []),
        *([("wallet", _describe_wallet(status))] if status.get("wallet") else []),
    ]
    width, colors = output.width(sys.stdout), output.color(sys.stdout)
    # No width is handed on: nothing is cut. What is wider than a terminal is folded; a script gets it whole.
    room = max(1, width - _NAMES) if sys.stdout.isatty() else None
    rows = [
        draw_line(row, None, colors=colors)
        for name, parts in lines
        for row in _fact_lines(name, parts, width, room)
    ]
    output.say("\n".join(rows))


def _fact_lines(name: str, parts: list[Any], width: int, room: int | None) -> Iterator[Line]:
    """A fact's name and its parts, as many on a line as fit; one that is wider than `room` is folded."""
    told = ""
    for part in (clean(str(part)) for part in parts if part):
        if told and _NAMES + cell_len(told) + _GAP + cell_len(part) > width:
            yield from _told_lines(name, told, room)
            name, told = "", part
        else:
            told = f"{told}{' ' * _GAP}{part}" if told else part
    yield from _told_lines(name, told, room)


def _told_lines(name: str, told: str, room: int | None) -> Iterator[Line]:
    wrong = "not reachable" in told or "taken" in told or "oee wallet unlock" in told
    for n, piece in enumerate([told] if room is None else fold_value(told, room)):
        yield [Cell(("" if n else name).ljust(_NAMES), "dim"), Cell(piece, "red" if wrong else "")]


def _describe_daemon(status: dict[str, Any]) -> list[Any]:
    since = status.get("startedAt")
    shown = f"since {parse_moment(since).astimezone():%H:%M}" if since else None
    return ["running", name_process(status.get("pid")), shown, status.get("version")]


def _describe_halt(halt: dict[str, Any]) -> list[Any]:
    since = f"since {minute_text(halt['since'])}"
    return [since, halt.get("reason"), halt.get("by") and f"by {halt['by']}", "(to go on: oee resume)"]


def _describe_wallet(status: dict[str, Any]) -> list[Any]:
    """Whether an order could be signed now."""
    wallet = status["wallet"]
    if status.get("network") in KEYLESS:
        return ["none", "nothing is signed"]
    state = wallet.get("kind")
    if wallet.get("locked"):
        return [wallet.get("address"), f"locked: {wallet.get('reason')}", "oee wallet unlock"]
    if state == "sealed":
        until = wallet.get("unlockedUntil")
        state = f"unlocked until {parse_moment(until).astimezone():%a %H:%M}" if until else "unlocked"
    return [wallet.get("address"), state]


def _describe_http(http: dict[str, Any]) -> list[Any]:
    if http.get("listening"):
        return [http.get("url"), "(token: oee daemon token)"]
    return [http.get("url"), http.get("problem") or "not listening"]


def _describe_postgres(postgres: dict[str, Any]) -> list[Any]:
    parts = [postgres.get("version"), _describe_ownership(postgres)]
    if postgres.get("orders") is not None:
        parts.append(f"{counted(int(postgres['orders']), 'order')} accepted")
    if postgres.get("bytes") is not None:
        parts.append(f"{round(int(postgres['bytes']) / 1_000_000):,} MB")
    return parts


def _describe_queue(queue: dict[str, Any], orders: dict[str, Any]) -> list[Any]:
    """The orders that wait; the queue holds hints of them, some lost and some double."""
    named = " ".join(str(part) for part in (queue.get("server"), queue.get("version")) if part)
    told = [f"{int(orders[n]):,} {n}" for n in ("due", "delayed") if orders.get(n) is not None]
    # Between attempts there is mostly nobody.
    return [named, _describe_ownership(queue), *(text for text in told if text != "0 delayed")]


def _describe_workers(status: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """The daemon's own worker; a line each where there are others."""
    own, found = status.get("worker") or {}, status.get("workers") or []
    running = own.get("running")
    if not found or (len(found) == 1 and found[0].get("pid") == own.get("pid")):
        parts = [
            f"{own.get('threads')} threads" if own.get("pid") else "not running",
            None if running is None else f"{int(running):,} running",
        ]
        return [("worker", parts)]
    return [
        (
            "workers" if n == 0 else "",
            [
                f"{worker.get('threads')} threads",
                f"{int(worker.get('running') or 0):,} running",
                f"{worker.get('host')} pid {worker.get('pid')}",
                f"since {parse_moment(worker['since']).astimezone():%H:%M}",
                None if worker.get("version") == status.get("version") else worker.get("version"),
            ],
        )
        for n, worker in enumerate(found)
    ]


def _describe_ownership(server: dict[str, Any]) -> str:
    if not server.get("reachable"):
        return "not reachable"
    return "own" if server.get("own") else "outside"
