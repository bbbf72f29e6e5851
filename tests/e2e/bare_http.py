"""One HTTP request with exactly the headers that are given: no client's own come along."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any

from tests.kit.daemons import Daemon


def http_port(daemon: Daemon) -> int:
    return int(daemon.facts["http"].rpartition(":")[2])


def ask(
    daemon: Daemon, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b""
) -> tuple[int, dict[str, Any], http.client.HTTPResponse]:
    """One request with exactly these headers; `WS` asks for a WebSocket."""
    connection = http.client.HTTPConnection("127.0.0.1", http_port(daemon), timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(
            "GET" if method == "WS" else method, path, skip_host=True, skip_accept_encoding=True
        )
        if method == "WS":
            key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            upgrade = [
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                key,
            ]
            headers = headers + upgrade
        for name, value in headers:
            connection.putheader(name, value)
        if method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        text = b"" if answer.status == 101 else answer.read()
        is_json = text and "json" in (answer.getheader("content-type") or "")
        return answer.status, json.loads(text) if is_json else {}, answer
