"""Events over a WebSocket: one order's from any `seq` on, or every order's from now on.

A drop is not an end: the stream connects again after the last event it gave, bringing the daemon back where
that is its to do. Between events it yields `None` about ten times a second, so that who draws can draw and
who waits can look at the clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect

from oee_cli.api.client_http import Client
from oee_cli.api.client_response_problems import Response, check_response, error_of
from oee_cli.cli_errors import CliError, Unreachable
from oee_daemon.contract.shapes import Event
from oee_daemon.contract.status import FINAL

#: Between two `None`, seconds.
_TICK = 0.1
#: Seconds for a handshake, and for the good-bye that nobody waits for.
_OPEN_S, _CLOSE_S = 2.0, 0.1
#: How long a stream that can't be opened is tried again, seconds.
_PATIENCE = 30.0


def order_events(client: Client, order_id: str) -> Iterator[Event | None]:
    """One order's events in order, each once, up to the final one; `None` where nothing came for a tick."""
    path, after = f"/api/orders/execute?orderId={quote(order_id, safe='')}", 0
    for message in _stream_messages(client, lambda: f"{path}&afterSeq={after}"):  # noqa: B023  # the newest, on purpose
        if message is None:
            yield None
        elif isinstance(message.get("seq"), int) and message["seq"] > after:
            after = message["seq"]
            yield cast(Event, message)
            if message["status"] in FINAL:
                return


def all_events(client: Client) -> Iterator[dict[str, Any] | None]:
    """Every order's events as they come, and `{"lagged": true}` where some were missed. Never ends."""
    yield from _stream_messages(client, lambda: "/api/orders/stream", lagged=True)


def pair_prices(client: Client, pair: str) -> Iterator[dict[str, Any] | None]:
    """The price of a pair as it moves. Never ends."""
    yield from _stream_messages(client, lambda: f"/api/prices?pair={quote(pair, safe='')}")


def _stream_messages(client: Client, path: Any, *, lagged: bool = False) -> Iterator[dict[str, Any] | None]:
    lost_since: float | None = None
    pause = 0.05
    while True:
        try:
            with _open_websocket(client, path()) as connection:
                check_handshake(client, connection)
                if lost_since is not None and lagged:
                    yield {"lagged": True}
                lost_since, pause = None, 0.05
                yield from _read_messages(connection)
            reason = "it closed"
        except InvalidStatus as e:
            error = _handshake_error(e)
            if not error.retryable:
                raise error from None
            reason = error.message
        except (OSError, InvalidHandshake, ConnectionClosed, EOFError) as e:
            client.check_tls(e)
            reason = str(e) or type(e).__name__
        now = time.monotonic()
        lost_since = lost_since or now
        if now - lost_since > _PATIENCE:
            raise Unreachable(f"The stream of events was lost ({reason}).", hint="See: oee daemon status")
        yield None
        time.sleep(pause)
        pause = min(1.0, pause * 2)
        client.ready()


def _read_messages(connection: ClientConnection) -> Iterator[dict[str, Any] | None]:
    while True:
        try:
            message = json.loads(connection.recv(timeout=_TICK))
        except TimeoutError:
            yield None
            continue
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _open_websocket(client: Client, path: str) -> ClientConnection:
    limit = client.patience.left(_OPEN_S)
    client.host_name.require(limit)
    options: dict[str, Any] = {
        "additional_headers": client.headers,
        "compression": None,
        "open_timeout": limit,
        "close_timeout": _CLOSE_S,
        "proxy": None,
        "user_agent_header": None,
        "max_size": 2**20,
    }
    if client.settings.url:
        # http → ws, https → wss.
        address = "ws" + client.settings.url.removeprefix("http") + path
        return cast(ClientConnection, connect(address, ssl=client.tls, **options))
    socket = str(client.launcher.checked_socket())
    return cast(ClientConnection, unix_connect(socket, "ws://localhost" + path, **options))


def check_handshake(client: Client, connection: ClientConnection) -> None:
    """A stream of another protocol is refused as an answer of another protocol is."""
    response = connection.response
    if response is not None:
        answer = Response(200, response.headers, b"")
        client.other_network.hear(answer)
        check_response(answer)


def _handshake_error(e: InvalidStatus) -> CliError:
    status = e.response.status_code
    error = error_of(Response(status, e.response.headers, bytes(e.response.body or b"")))
    if error is None:
        return Unreachable("The daemon refused the stream of events.", hint="See: oee daemon status")
    error.retryable = status == 503
    return error
