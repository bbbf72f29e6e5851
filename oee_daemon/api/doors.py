"""Two doors to one application: a Unix socket for its owner, and TCP behind the gate.

Each is a uvicorn server of its own in the same loop, so that which door a request came by is never a
guess. A TCP port that is taken is tried again every second; the socket serves meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from oee_daemon.api import connections
from oee_daemon.api.addressed import Addressed
from oee_daemon.api.auth import Gate, own_hosts
from oee_daemon.api.limits import Stamped

log = logging.getLogger(__name__)

#: Seconds between two tries to bind the TCP port.
BIND_AGAIN_S = 1.0
#: Seconds that open connections have to end at a stop.
GRACE_S = 3
#: Seconds an idle connection is kept.
KEEP_ALIVE_S = 30


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        Stamped(app),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        http=connections.Http,
        ws=connections.WebSocket,
        ws_max_size=65_536,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
    )
    return _Server(config)


class Doors:
    """Opens and closes both. `http` tells how the TCP side is doing."""

    def __init__(
        self, app: ASGIApp, *, path: Path, host: str, port: int, token: str, home: Path, tag: str
    ) -> None:
        self._path = path
        self._host, self._port = host, port
        self._unix = _server(Addressed(app, tag=tag, home=home))
        self._tcp = _server(Gate(app, token=token, hosts=own_hosts(host)))
        self._tasks: list[asyncio.Task[None]] = []
        self._http: dict[str, Any] = {"url": None, "listening": False, "problem": None}

    def http(self) -> dict[str, Any]:
        """`url`, `listening`, and `problem` in words where the port could not be had."""
        return dict(self._http)

    async def open(self) -> None:
        """Returns when the Unix socket answers; the TCP side is tried once before, then for ever."""
        listener = _unix_socket(self._path)
        bound = self._bind()
        self._tasks = [
            asyncio.create_task(self._unix.serve([listener])),
            asyncio.create_task(self._serve_tcp(bound)),
        ]
        while not self._unix.started:
            if self._tasks[0].done():
                self._tasks[0].result()
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        self._unix.should_exit = self._tcp.should_exit = True
        if not self._tcp.started:
            self._tasks[1].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve_tcp(self, bound: socket.socket | None) -> None:
        while bound is None:
            await asyncio.sleep(BIND_AGAIN_S)
            bound = self._bind()
        await self._tcp.serve([bound])

    def _bind(self) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With protocol 0 asyncio would leave Nagle's algorithm on: 40 ms more a request.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, self._port))
            bound.listen(512)
        except OSError as e:
            bound.close()
            if self._http["problem"] is None:
                log.warning("the port can't be had", extra={"port": self._port, "reason": e.strerror})
            problem = f"{self._host}:{self._port}: {e.strerror}"
            self._http = {"url": None, "listening": False, "problem": problem}
            return None
        port = bound.getsockname()[1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._http = {"url": f"http://{host}:{port}", "listening": True, "problem": None}
        return bound


def _unix_socket(path: Path) -> socket.socket:
    """A listening socket that only its owner can open; what an earlier daemon left is removed, which
    the caller's lock on the home allows."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(512)
    return listener
