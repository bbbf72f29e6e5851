"""The Unix door's own look: a request that was meant for the daemon of another home is refused, and every
answer says whose it is.

A home may be copied with all that its files say of a daemon; what a client sends names the very folder.
A client that names none is believed to know where it knocks. Pure ASGI.
"""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oee_daemon.api.problems import refuse
from oee_daemon.contract.protocol import HOME_HEADER

HEADER = HOME_HEADER.lower().encode()
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Addressed:
    """`tag` is the home by device and inode, `home` its path for people."""

    def __init__(self, app: ASGIApp, *, tag: str, home: Path) -> None:
        self._app = app
        self._tag = tag.encode()
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] in _STARTS:
                message["headers"] = [*message.get("headers", ()), (HEADER, self._tag)]
            await send(message)

        asked = dict(scope["headers"]).get(HEADER, self._tag) if "headers" in scope else self._tag
        if asked != self._tag:
            detail = f"This is the daemon of {self._home}; the request is for that of another home."
            await refuse(scope, stamped, 421, "other_home", detail)
        else:
            await self._app(scope, receive, stamped)
