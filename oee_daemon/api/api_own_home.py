"""Checks each request over the Unix socket: one that was meant for the daemon of another home is refused.

A home may be copied with all that its files say of a daemon, so a client names the folder itself, and every
answer names this daemon's. A request that names no home is served. Pure ASGI.
"""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from oee_daemon.api.api_problems import refuse
from oee_daemon.api.api_request_limits import adding_headers
from oee_daemon.contract.protocol import HOME_HEADER

HEADER = HOME_HEADER.lower().encode()


class HomeMiddleware:
    """`tag` is the home by device and inode, `home` its path for people."""

    def __init__(self, app: ASGIApp, *, tag: str, home: Path) -> None:
        self._app = app
        self._tag = tag.encode()
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = adding_headers(send, (HEADER, self._tag))
        asked = dict(scope["headers"]).get(HEADER, self._tag) if "headers" in scope else self._tag
        if asked != self._tag:
            detail = f"This is the daemon of {self._home}; the request is for that of another home."
            await refuse(scope, send, 421, "other_home", detail)
        else:
            await self._app(scope, receive, send)
