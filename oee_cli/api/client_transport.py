"""httpx for a tool that starts often: without its own command line, and over a Unix socket without httpcore.

Half of what importing httpx costs is its command line (click, Rich, pygments); half of what using it costs is
httpcore with a second HTTP parser. The first is an optional part of httpx, so it is left out the way a
missing part is; in place of the second stands a transport, httpx's own point of extension, on the
`http.client` that httpx imports anyway. A daemon elsewhere is still reached by `httpx.HTTPTransport`.
"""

from __future__ import annotations

import http.client
import select
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

import oee_cli.api.client_hush  # noqa: F401

# To Python, None is a module that is not there; httpx then does without. Should httpx one day have no such
# part, the line does nothing.
_hidden = "httpx._main" not in sys.modules
if _hidden:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
import httpx  # noqa: E402

if _hidden:
    del sys.modules["httpx._main"]

__all__ = ["UnixTransport", "httpx"]

#: The most bytes of an answer that are read at once.
_CHUNK = 64 * 1024


class UnixTransport(httpx.BaseTransport):
    """Requests over one Unix socket. Connections are kept and used again; threads may share it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions.get("timeout", {})
        connection = self._connection(timeouts.get("connect"))
        try:
            _send_request(connection, request, timeouts.get("write"))
            connection.sock.settimeout(timeouts.get("read"))
            answer = _receive_response(connection)
        except BaseException:
            connection.close()
            raise
        return httpx.Response(
            answer.status, headers=answer.getheaders(), stream=_Body(self, connection, answer)
        )

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def keep(self, connection: _Connection) -> None:
        """Takes back a connection whose answer was read to its end."""
        with self._lock:
            self._idle.append(connection)

    def _connection(self, timeout_s: float | None) -> _Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if not connection.gone():
                return connection
            connection.close()
        connection = _Connection(self.path, timeout_s)
        try:
            connection.connect()
        except TimeoutError as e:
            raise httpx.ConnectTimeout(str(e)) from e
        except OSError as e:
            raise httpx.ConnectError(str(e)) from e
        return connection


class _Connection(http.client.HTTPConnection):
    sock: socket.socket

    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost")
        self.path = path
        self.timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout_s)
            self.sock.connect(self.path)
        except BaseException:
            self.sock.close()
            raise

    def gone(self) -> bool:
        """Between two requests nothing may arrive: what does is the other end's good-bye."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))


class _Body(httpx.SyncByteStream):
    """An answer's content as it comes. Its connection is used again only if all of it was read."""

    def __init__(
        self, transport: UnixTransport, connection: _Connection, answer: http.client.HTTPResponse
    ) -> None:
        self.transport = transport
        self.connection = connection
        self.answer = answer
        self.complete = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self.answer.read1(_CHUNK):
                yield chunk
            if self.answer.length:
                # `http.client` says nothing where fewer bytes came than were promised.
                raise httpx.RemoteProtocolError("it hung up in the middle of its answer")
            self.complete = True
        except TimeoutError as e:
            raise httpx.ReadTimeout(str(e)) from e
        except (OSError, http.client.HTTPException) as e:
            raise httpx.ReadError(_describe_fault(e)) from e

    def close(self) -> None:
        self.answer.close()
        if self.complete and not self.answer.will_close:
            self.transport.keep(self.connection)
        else:
            self.connection.close()


def _send_request(connection: _Connection, request: httpx.Request, timeout_s: float | None) -> None:
    connection.sock.settimeout(timeout_s)
    headers: dict[str, Any] = {name.decode(): value for name, value in request.headers.raw}
    try:
        connection.request(request.method, request.url.raw_path.decode(), request.read() or None, headers)
    except BrokenPipeError:
        # Who hangs up before the end of a request may have answered first.
        pass
    except TimeoutError as e:
        raise httpx.WriteTimeout(str(e)) from e
    except OSError as e:
        raise httpx.WriteError(str(e)) from e


def _receive_response(connection: _Connection) -> http.client.HTTPResponse:
    try:
        return connection.getresponse()
    except TimeoutError as e:
        raise httpx.ReadTimeout(str(e)) from e
    except http.client.RemoteDisconnected as e:
        raise httpx.RemoteProtocolError("it hung up without an answer") from e
    except (OSError, http.client.HTTPException) as e:
        raise httpx.ReadError(_describe_fault(e)) from e


def _describe_fault(e: Exception) -> str:
    return str(e) or type(e).__name__
