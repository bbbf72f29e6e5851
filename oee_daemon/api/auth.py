"""The gate of the TCP door: Host, then Origin, then token, for every route, HTTP and WebSocket alike.

A new route is closed until it is named in `OPEN`. The Unix socket needs none of this: its folder is its
owner's alone. Pure ASGI, so that nothing is read or answered before the gate has spoken.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

#: Paths that need no token.
OPEN = frozenset({"/healthz"})
#: Bytes of randomness in a token.
TOKEN_BYTES = 32


def token_of(path: Path) -> str:
    """The home's token, made once with mode 0600; it survives restarts."""
    with contextlib.suppress(FileExistsError):
        draft = path.with_name(f"token.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_text().strip()


class Gate:
    """Lets through what names an own host, comes from no page, and bears the token."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            # A header that stands twice is nobody's honest request.
            headers[name] = value if name not in headers else b"\0"
        if _host(headers.get(b"host", b"")) not in self._hosts:
            await _refuse(scope, send, 403, "foreign_host", "This Host is not ours.")
        elif b"origin" in headers:
            await _refuse(scope, send, 403, "foreign_origin", "Web pages may not call this service.")
        elif scope["path"] not in OPEN and not self._bears(headers.get(b"authorization", b"")):
            await _refuse(
                scope, send, 401, "unauthorized", "Send Authorization: Bearer TOKEN; `oee daemon token` prints it."
            )
        else:
            await self._app(scope, receive, send)

    def _bears(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


def own_hosts(host: str) -> frozenset[str]:
    """The names under which this service may be asked for."""
    return frozenset({"localhost", "127.0.0.1", "[::1]", host.lower()})


def _host(header: bytes) -> str:
    name = header.decode("latin-1").lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.partition(":")[0]


async def _refuse(scope: Scope, send: Send, status: int, code: str, detail: str) -> None:
    """The problem, on WebSockets too: the handshake is answered with it."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        kind = "websocket.http.response"
    problem = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    body = json.dumps(problem | {"retryable": False}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
