"""One connection of HTTP/1.1 to a stranger: a request, its whole answer, and again; parsed by httptools.

A client library that does everything takes ten times the processor time, which was most of an order's. This
one follows no redirect, unpacks nothing, keeps no cookie, and waits for ever: its caller has a deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import httptools

#: Seconds after which a connection that nobody used is not used again: what is between may have forgotten it.
IDLE_S = 15.0
#: Bytes of an answer's head.
_MOST_HEAD = 64 * 1024


class LineBroken(Exception):
    """No answer, or none that is whole and understood. Its words hold no address."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` by small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(asyncio.Protocol):
    """Of one event loop, one request at a time. `most_bytes` of a body; `gone` is told once it is closed."""

    def __init__(self, most_bytes: int, gone: Callable[[Line], None]) -> None:
        self._most = most_bytes
        self._gone = gone
        self._used = time.monotonic()
        #: Whether the last answer left it open for another.
        self._keeps = True
        #: Whether it is closed for good.
        self.lost = False
        self._answered: asyncio.Future[Reply] | None = None
        self._headers: dict[str, str] = {}
        #: Bytes of the head so far, whether that is all of it, and bytes of the answer.
        self._head, self._headed, self._came = 0, False, 0
        self._transport: asyncio.Transport

    @property
    def usable(self) -> bool:
        """Whether another request may be sent on it."""
        fresh = time.monotonic() - self._used < IDLE_S
        return self._keeps and self._answered is None and fresh and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Reply:
        """Raises `LineBroken`. Where it is cancelled, or fails, the connection is closed."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body = {}, bytearray()
        self._head, self._headed, self._came = 0, False, 0
        self._keeps = False
        self._answered = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(request)
            return await self._answered
        finally:
            self._answered = None
            self._used = time.monotonic()
            if not self._keeps:
                self.close()

    def close(self) -> None:
        self._transport.abort()

    # The connection's events.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are transports by what they do, and of no common class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            # More than was asked for: whose answer the next one would be, nobody knows.
            self._keeps = False
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            self._fail(type(e).__name__)
            return
        self._came += len(data)
        # What comes and is no body, as a header without an end, is kept by the parser as well.
        if max(len(self._body), self._came - _MOST_HEAD) > self._most:
            self._fail(f"more than {self._most} bytes")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost, self._keeps = True, False
        if exc is None and self._ends_with_connection():
            self._end()
        self._fail("the connection was cut")
        self._gone(self)

    def _ends_with_connection(self) -> bool:
        """Whether the body is all that came until its end, since the answer did not say how long it is."""
        measured = "content-length" in self._headers or "transfer-encoding" in self._headers
        return self._answered is not None and self._headed and not measured

    def _end(self) -> bool:
        """Whether somebody still waits for it."""
        if self._answered is None or self._answered.done():
            return False
        self._answered.set_result(Reply(self._status, self._headers, bytes(self._body)))
        return True

    def _fail(self, reason: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(LineBroken(reason))

    # The parser's.

    def on_message_begin(self) -> None:
        self._headers, self._keeps = {}, False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head += len(name) + len(value)
        if self._head > _MOST_HEAD:
            raise LineBroken("a head that has no end")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._headed = self._status >= 200

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        # An interim answer, below 200, is followed by the one that counts.
        if self._headed:
            self._keeps = self._end() and self._parser.should_keep_alive()
