"""HTTP to strangers: one request, one bounded answer, within a deadline; and no address in any log.

An address may hold a key, in its path, its query or before its host: what is shown of it is the host alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from urllib.parse import unquote, urlsplit

import httpx

from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer

#: Bytes of an answer that are read; the largest honest one is a simulation's, some hundred KB.
MOST_BYTES = 4 * 1024 * 1024
#: In front of an address whose host is the path of a Unix socket, its slashes as %2F.
_SOCKET = "http+unix"


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` by small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Site:
    """One address, and the connections to it, which belong to one event loop. `name` may be shown."""

    def __init__(self, address: str, headers: Mapping[str, str] | None = None) -> None:
        """Raises `ValueError`, which does not say the address."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https", _SOCKET) or not parts.hostname:
            raise ValueError("an address that begins with https://, http:// or http+unix://")
        # httpx says each address that it asks.
        for logger in ("httpx", "httpcore"):
            logging.getLogger(logger).setLevel(logging.WARNING)
        self._socket = unquote(parts.netloc) if parts.scheme == _SOCKET else None
        self.name = "a local socket" if self._socket else parts.hostname
        #: `https`, `http`, or `local` where nothing leaves this machine.
        self.transport = "local" if self._socket or _is_loopback(parts.hostname) else parts.scheme
        self._base = address if self._socket is None else f"http://localhost{parts.path}"
        # Nothing of the environment: what is asked goes where the settings say, and by no proxy.
        self._client = httpx.AsyncClient(
            headers={"accept-encoding": "identity", "accept": "application/json", **(headers or {})},
            transport=httpx.AsyncHTTPTransport(uds=self._socket) if self._socket else None,
            # Where nothing is to be verified the authorities are not loaded.
            verify=_tls() if parts.scheme == "https" else False,
            trust_env=False,
            timeout=None,  # noqa: S113 - the whole request has a deadline
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"Site({self.name})"

    async def get(self, path: str, query: Mapping[str, str], deadline_s: float) -> Reply:
        """Raises `NoAnswer`."""
        return await self._ask("GET", path, query, None, deadline_s)

    async def post(self, path: str, body: bytes, deadline_s: float) -> Reply:
        """Raises `NoAnswer`."""
        return await self._ask("POST", path, {}, body, deadline_s)

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, deadline_s: float
    ) -> Reply:
        try:
            async with asyncio.timeout(deadline_s):
                return await self._asked(method, path, query, body)
        except TimeoutError:
            raise NoAnswer(f"nothing within {deadline_s:.3g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as e:
            # By its kind alone: its words may hold the address.
            raise NoAnswer(type(e).__name__) from None

    async def _asked(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply:
        headers = {"content-type": "application/json"} if body is not None else {}
        request = self._client.build_request(
            method, self._base + path, params=query or None, content=body, headers=headers
        )
        reply = await self._client.send(request, stream=True)
        try:
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise NoAnswer("an answer in an encoding that was not asked for")
            read = bytearray()
            async for chunk in reply.aiter_raw():
                read += chunk
                if len(read) > MOST_BYTES:
                    raise NoAnswer(f"more than {MOST_BYTES} bytes")
            return Reply(reply.status_code, dict(reply.headers), bytes(read))
        finally:
            await reply.aclose()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _tls() -> ssl.SSLContext:
    """One for all, of the well-known authorities: to load them takes some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


def now() -> datetime:
    """For `Retry-After`, which may be a date."""
    return datetime.now(UTC)
