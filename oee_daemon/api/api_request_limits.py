"""The limits that every request has to keep to, and the headers that every answer carries.

Pure ASGI, so that nothing of the application runs for a request that is refused here. How long a client
may take over its headers is the connection's business: `api_connections`.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oee_daemon.api.api_problems import refuse
from oee_daemon.contract.protocol import (
    MAX_BODY,
    NETWORK_HEADER,
    PROTOCOL,
    PROTOCOL_HEADER,
    VERSION,
    VERSION_HEADER,
)

#: Seconds a body may take to arrive.
BODY_S = 10.0
#: On every answer, refusals too: a client checks them before it reads anything else.
VERSION_HEADERS = (
    (PROTOCOL_HEADER.lower().encode(), str(PROTOCOL).encode()),
    (VERSION_HEADER.lower().encode(), VERSION.encode()),
)
#: In a request's scope: a function that says whether its client has hung up.
CLIENT_LEFT = "oee.client_left"
_READS = frozenset({"GET", "OPTIONS"})
#: What is done though nobody waits for the answer: an order, which a key finds again, and what only makes
#: the engine do less.
_DONE_ANYHOW = frozenset({"/api/orders/execute", "/api/orders/group", "/api/halt", "/api/wallet/lock"})
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class VersionMiddleware:
    """Adds our protocol, version and network to every answer. Outermost, so that refusals carry them too."""

    def __init__(self, app: ASGIApp, network: str) -> None:
        self._app = app
        self._headers = (*VERSION_HEADERS, (NETWORK_HEADER.lower().encode(), network.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, adding_headers(send, *self._headers))


def adding_headers(send: Send, *headers: tuple[bytes, bytes]) -> Send:
    """`send`, which adds `headers` to the answer, or to the acceptance of a WebSocket."""

    async def add_and_send(message: Message) -> None:
        if message["type"] in _STARTS:
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return add_and_send


class RequestLimits:
    """Refuses another protocol version in words, and bodies that are too long or too slow.

    HEAD is GET to all that follows: the connection sends no body where it was asked for none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        asked = dict(scope["headers"]).get(PROTOCOL_HEADER.lower().encode())
        if asked is not None and asked != str(PROTOCOL).encode():
            detail = f"This daemon is {VERSION} and speaks protocol {PROTOCOL}."
            await refuse(scope, send, 426, "protocol_mismatch", detail, protocol=PROTOCOL, version=VERSION)
        elif scope["type"] == "http":
            await self._read_body_first(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _read_body_first(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body before the application does: none of our bodies is worth streaming."""
        try:
            async with asyncio.timeout(BODY_S):
                body = await _read_body(receive)
        except TimeoutError:
            detail = f"body did not arrive within {BODY_S:.0f} s."
            await refuse(scope, send, 408, "body_too_slow", detail, headers=((b"connection", b"close"),))
            return
        if body is None:
            return
        if _must_be_awaited(scope) and scope.get(CLIENT_LEFT, _never)():
            detail = "the client hung up before anything was done, so nothing was done."
            await refuse(scope, send, 408, "client_left", detail)
            return
        if len(body) > MAX_BODY:
            detail = f"body has more than {MAX_BODY} bytes."
            await refuse(scope, send, 413, "body_too_large", detail, field="body")
            return
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)


def _must_be_awaited(scope: Scope) -> bool:
    """Whether nothing is to be done for who does not wait: a daemon that was frozen would cancel or edit,
    minutes after that was given up, what is wanted by then."""
    return scope["method"] not in _READS and scope["path"] not in _DONE_ANYHOW


def _never() -> bool:
    return False


async def _read_body(receive: Receive) -> bytes | None:
    """The body, cut off after the first byte too many; `None` where the client left.

    What is too much is read to its end all the same and thrown away: an answer to a client that is still
    writing is lost in the reset that follows.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")[: MAX_BODY + 1 - len(body)]
        if not message.get("more_body", False):
            return bytes(body)
