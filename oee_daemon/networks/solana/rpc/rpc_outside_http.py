"""HTTP to strangers: a request, a bounded answer; no address in any log. Its callers have deadlines.

An address may hold a key, in its path, its query or before its host: what is shown of it is the host alone.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote, unquote, urlsplit

from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_first_address import Addresses, reached
from oee_daemon.networks.solana.rpc.rpc_http_line import Line, LineBroken, Reply

#: Bytes of an answer that are read; the largest honest one is a simulation's, some hundred KB.
MOST_BYTES = 4 * 1024 * 1024
#: In front of an address whose host is the path of a Unix socket, its slashes as %2F.
_SOCKET = "http+unix"
#: Connections that are kept for the next request.
_KEPT = 20
#: What stays as it is in a path or query: letters, digits, and what has a meaning there.
_PLAIN = "/%:@!$&'()*+,;=~?"


class Site:
    """One address, and the connections to it, which belong to one event loop. `name` may be shown."""

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        """Raises `ValueError`, which does not say the address."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https", _SOCKET) or not parts.hostname:
            raise ValueError("an address that begins with https://, http:// or http+unix://")
        self._socket = unquote(parts.netloc) if parts.scheme == _SOCKET else None
        self.name = "a local socket" if self._socket else parts.hostname
        #: `https`, `http`, or `local` where nothing leaves this machine.
        self.transport = "local" if self._socket or _is_loopback(parts.hostname) else parts.scheme
        self._path, self._query = quote(parts.path, safe=_PLAIN), quote(parts.query, safe=_PLAIN)
        self._host = "localhost" if self._socket else _ascii(parts.hostname)
        # Nothing of the environment: what is asked goes where the settings say, and by no proxy.
        self._tls = _tls() if parts.scheme == "https" else None
        self._addresses = Addresses(self._host, parts.port or (443 if self._tls else 80))
        self._head = _head(self._host if self._socket else parts.netloc.rpartition("@")[2], headers)
        if parts.username is not None:
            told = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._head += f"authorization: Basic {base64.b64encode(told).decode()}\r\n"
        self._idle: list[Line] = []
        self._open: set[Line] = set()

    def __repr__(self) -> str:
        return f"Site({self.name})"

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        """Raises `NoAnswer`."""
        return await self._ask("GET", path, query, None)

    async def post(self, path: str, body: bytes) -> Reply:
        """Raises `NoAnswer`."""
        return await self._ask("POST", path, {}, body)

    async def close(self) -> None:
        while self._open:
            for line in list(self._open):
                line.close()
            # Each says itself, a turn of the loop later, that it is gone.
            await asyncio.sleep(0)

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply:
        request = self._request(method, path, query, body)
        try:
            line = await self._line()
            reply = await line.ask(request)
        except LineBroken as e:
            raise NoAnswer(str(e)) from None
        except (OSError, ValueError) as e:
            # By its kind alone: its words may hold the address.
            raise NoAnswer(_kind_of(e)) from None
        if line.usable and len(self._idle) < _KEPT:
            self._idle.append(line)
        else:
            line.close()
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise NoAnswer("an answer in an encoding that was not asked for")
        return reply

    def _request(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> bytes:
        asked = "&".join(filter(None, (self._query, *(f"{k}={_quote_value(v)}" for k, v in query.items()))))
        target = (self._path + path or "/") + (f"?{asked}" if asked else "")
        head = f"{method} {target} HTTP/1.1\r\n{self._head}"
        if body is None:
            return f"{head}\r\n".encode()
        return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def _line(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if line.usable:
                return line
            line.close()
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            _, line = await loop.create_unix_connection(self._new_line, self._socket)
        else:
            name = self._host if self._tls else None
            sock = await reached(self._addresses)
            _, line = await loop.create_connection(
                self._new_line, sock=sock, ssl=self._tls, server_hostname=name
            )
        if line.lost:
            raise LineBroken("the connection was cut")
        self._open.add(line)
        return line

    def _new_line(self) -> Line:
        return Line(MOST_BYTES, self._open.discard)


def _head(host: str, headers: Mapping[str, str] | None) -> str:
    """What each request begins with, after its first line. Raises `ValueError`."""
    told = {
        "host": host,
        "user-agent": "oee",
        "accept": "application/json",
        "accept-encoding": "identity",
        **(headers or {}),
    }
    if not all(value.isascii() and value.isprintable() for value in told.values()):
        raise ValueError("a header of plain characters")
    return "".join(f"{name}: {value}\r\n" for name, value in told.items())


def _quote_value(value: str) -> str:
    """Addresses and amounts are most of what is asked for, and stay as they are."""
    return value if value.isascii() and value.isalnum() else quote(value, safe="")


def _ascii(host: str) -> str:
    """As DNS has it. Raises `ValueError`."""
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        raise ValueError("an address whose host is no name") from None


def _kind_of(fault: OSError | ValueError) -> str:
    """What went wrong, in words of ours."""
    if isinstance(fault, ssl.SSLError):
        return "its certificate is not trusted, or it speaks no TLS"
    return "it can't be reached" if isinstance(fault, OSError) else "its address is none"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _tls() -> ssl.SSLContext:
    """One for all, of the well-known authorities: to load them takes some 20 ms."""
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def now() -> datetime:
    """For `Retry-After`, which may be a date."""
    return datetime.now(UTC)
