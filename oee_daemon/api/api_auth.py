"""Checks each request over TCP: its Host, then its Origin, then its token, HTTP and WebSocket alike.

A new route needs the token until it is named in `OPEN`. The Unix socket needs none of this: only its owner
may enter its folder. Pure ASGI, so that nothing is read or answered before the check.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from oee_daemon.api.api_problems import refuse
from oee_daemon.contract.atomic_file import atomic_write

#: Paths that need no token and no Host of ours: a load balancer asks by whatever address it knows.
OPEN = frozenset({"/healthz"})
#: Paths that carry a passphrase, or undo what somebody at this machine did with one: the socket's alone.
SOCKET_ONLY = frozenset({"/api/wallet/unlock", "/api/wallet/lock"})
#: Bytes of randomness in a token, and the fewest characters that one may have.
TOKEN_BYTES = 32
TOKEN_LENGTH = 32

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(?::\d{1,5})?")


def token_of(path: Path) -> str:
    """The home's token, made once with mode 0600; it survives restarts.

    A file that holds none (emptied, cut off) gets a new one: an empty token would be anybody's.
    """
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
        token = path.read_text(errors="replace").strip()
        if len(token) >= TOKEN_LENGTH and token.isascii():
            return token
    token = secrets.token_urlsafe(TOKEN_BYTES)
    atomic_write(path, token + "\n")
    return token


class AuthMiddleware:
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
        opened = scope["path"] in OPEN
        if not opened and not self._is_own(_read_host(headers.get(b"host", b"")), scope):
            await refuse(scope, send, 403, "foreign_host", "This service does not go by that Host.")
        elif b"origin" in headers:
            await refuse(scope, send, 403, "foreign_origin", "Web pages may not call this service.")
        elif not opened and not self._bears_token(headers.get(b"authorization", b"")):
            detail = "Send Authorization: Bearer TOKEN; `oee daemon token` prints it."
            await refuse(
                scope, send, 401, "unauthorized", detail, headers=((b"www-authenticate", b"Bearer"),)
            )
        elif scope["path"] in SOCKET_ONLY:
            detail = "A wallet is locked and unlocked on the machine of its daemon: oee wallet unlock."
            await refuse(scope, send, 403, "socket_only", detail)
        else:
            await self._app(scope, receive, send)

    def _is_own(self, host: str, scope: Scope) -> bool:
        """A page can point a name of its own at this machine, but no address: the one that was dialled is
        ours."""
        dialled = str((scope.get("server") or ("",))[0]).removeprefix("::ffff:").partition("%")[0]
        return host in self._hosts or (host != "" and host == _in_brackets(dialled))

    def _bears_token(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


def own_hosts(host: str, names: str | None = None) -> frozenset[str]:
    """The names under which this service may be asked for; `names` are more of them, separated by commas."""
    own = [host.lower(), *(names.split(",") if names else ())]
    return frozenset({"localhost", "127.0.0.1", "[::1]", *map(_in_brackets, own)})


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_host(header: bytes) -> str:
    """The name in a `Host` header, without its port; nothing where it is no such header."""
    match = _HOST.fullmatch(header.decode("latin-1").lower())
    return match[1] if match else ""
