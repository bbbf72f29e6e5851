"""What HTTP clients of other languages send of their own accord."""

from __future__ import annotations

import json
import socket

import pytest

from tests.e2e.bare_http import http_port
from tests.kit.api_daemon import SELL, Shared

BODY = json.dumps(SELL).encode()
WEBSOCKET = (
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def asked(api: Shared, method: bytes, path: bytes, headers: bytes, *parts: bytes) -> bytes:
    """A request that asks for an upgrade and one that does not, on one connection; both answers."""
    own = b"Host: localhost\r\nAuthorization: Bearer " + api.daemon.token.encode() + b"\r\n"
    with socket.create_connection(("127.0.0.1", http_port(api.daemon)), timeout=20) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            method
            + b" "
            + path
            + b" HTTP/1.1\r\n"
            + own
            + b"Connection: Upgrade, HTTP2-Settings\r\n"
            + headers
        )
        for part in (head + b"\r\n" + parts[0], *parts[1:]):
            wire.sendall(part)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += wire.recv(65_536) or pytest.fail("it was closed without an answer")
        wire.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + own + b"\r\n")
        while more := wire.recv(65_536):
            answer += more
    return answer


@pytest.mark.parametrize(
    "upgrade", [b"Upgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n", WEBSOCKET], ids=["h2c", "websocket"]
)
@pytest.mark.parametrize(
    ("framed", "parts"),
    [
        (b"Content-Length: %d\r\n" % len(BODY), [BODY]),
        (b"Content-Length: %d\r\n" % len(BODY), [b"", BODY[:9], BODY[9:]]),
        (b"Transfer-Encoding: chunked\r\n", [b"%x\r\n" % len(BODY), BODY + b"\r\n0\r\n", b"\r\n"]),
    ],
    ids=["at once", "in parts", "chunked"],
)
def test_an_order_that_comes_with_an_upgrade_is_placed(
    api: Shared, upgrade: bytes, framed: bytes, parts: list[bytes]
) -> None:
    """Java's client asks for HTTP/2 with every request, and a body must not be lost by that."""
    before = api.stored()
    answer = asked(api, b"POST", b"/api/orders/execute", upgrade + framed, *parts)
    assert answer.startswith(b"HTTP/1.1 202 ") and answer.count(b"HTTP/1.1 200 OK") == 1, answer
    assert api.stored() == before + 1


def test_a_read_that_comes_with_an_upgrade_is_answered(api: Shared) -> None:
    answer = asked(api, b"GET", b"/api/tokens", b"Upgrade: h2c\r\n", b"")
    assert answer.count(b"HTTP/1.1 200 OK") == 2, answer


def test_a_tunnel_is_not_asked_for_for_ever(api: Shared) -> None:
    with socket.create_connection(("127.0.0.1", http_port(api.daemon)), timeout=20) as wire:
        wire.sendall(
            b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
        )
        assert wire.recv(65_536).startswith(b"HTTP/1.1 4")
