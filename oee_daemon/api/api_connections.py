"""One connection: uvicorn's protocols, with a deadline for clients that take their time.

uvicorn waits for ever for the headers of a request, and for a WebSocket client that has stopped reading; the
classes here do not. What uvicorn refuses by itself is answered with a problem. Nothing here knows a route.
"""

from __future__ import annotations

import asyncio
import select
from http import HTTPStatus
from typing import Any, cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from oee_daemon.api.api_problems import problem
from oee_daemon.api.api_request_limits import CLIENT_LEFT, VERSION_HEADERS

#: Seconds from the first byte of a request, or from the connection, to the end of its headers.
HEADERS_S = 10.0
#: Bytes that headers may have.
MAX_HEADERS = 65_536
#: Seconds after its last message for which a WebSocket may still be read from.
LINGER_S = 5.0
#: The other end has closed, or the connection is broken. Only Linux tells the first before all is read.
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class _Parser(httptools.HttpRequestParser):
    """Ends no request at an upgrade that is passed over: the parser takes what follows for another protocol,
    and a body is lost."""

    def __init__(self, protocol: Http) -> None:
        super().__init__(protocol)
        # As uvicorn's own.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._of = protocol

    def feed_data(self, data: Any) -> None:
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._of.passes_over():
                raise
            self._of.read_anew(data[upgrade.args[0] :])


class Http(HttpToolsProtocol):
    """Headers have a deadline and a size; a trickle of bytes does not move the deadline.

    An upgrade to anything but a WebSocket is passed over, as HTTP has it: Java's client asks for HTTP/2 with
    each request. So is one that comes with a POST.
    """

    _deadline: asyncio.TimerHandle | None = None
    _unread = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parser = _Parser(self)

    def passes_over(self) -> bool:
        """Whether the request asks for an upgrade and is answered as if it did not."""
        if not self.parser.should_upgrade():
            return False
        wanted = {value.lower() for name, value in self.headers if name == b"upgrade"}
        return bool(wanted) and (self.parser.get_method() != b"GET" or wanted != {b"websocket"})

    def read_anew(self, rest: bytes) -> None:
        """The request whose headers were read, without what it asks for, and all that has come after them."""
        version = self.parser.get_http_version().encode()
        head = [self.parser.get_method() + b" " + self.url + b" HTTP/" + version]
        head += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = _Parser(self)
        self.parser.feed_data(b"\r\n".join([*head, b"", rest]))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # Between requests uvicorn's own timer runs; it ends with any byte, a lone line break too.
        if self.cycle is None or self.cycle.response_complete:
            self._arm()
        super().data_received(data)
        if self._deadline is None:
            return
        self._unread += len(data)
        if self._unread > MAX_HEADERS:
            self._answer_and_close(
                431, "headers_too_large", f"The headers have more than {MAX_HEADERS} bytes."
            )

    def on_message_begin(self) -> None:
        self._arm()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.passes_over():
            return
        self._disarm()
        super().on_headers_complete()
        if self.cycle is not None:
            cast(Scope, self.cycle.scope)[CLIENT_LEFT] = self._client_left

    def on_message_complete(self) -> None:
        if not self.passes_over():
            super().on_message_complete()

    def _client_left(self) -> bool:
        """Whether the client has hung up, though its request may still be there to be read."""
        if self.transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), _HUNG_UP)
        return bool(poll.poll(0))

    def send_400_response(self, msg: str) -> None:
        self._answer_and_close(400, "invalid_http", msg)

    def _arm(self) -> None:
        if self._deadline is None:
            self._unread = 0
            self._deadline = self.loop.call_later(HEADERS_S, self._refuse_slow_headers)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_slow_headers(self) -> None:
        self._answer_and_close(
            408, "headers_too_slow", f"The headers did not arrive within {HEADERS_S:.0f} s."
        )

    def _answer_and_close(self, status: int, code: str, detail: str) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        answer = problem(status, code, detail)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), b"connection: close"]
        lines += [name + b": " + value for name, value in (*answer.raw_headers, *VERSION_HEADERS)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body))
        self.transport.close()


class WebSocket(WebSocketsSansIOProtocol):
    """Closing waits for what was written to be read; a reader that has stopped would keep it for ever."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(LINGER_S, self.transport.abort)
