"""The client that puts load on a floor and on the project alike: HTTP/1.1 over a Unix socket, kept alive.

It costs a tenth of what a real client library costs, so that on two cores it is not what is measured.
It reads answers that name their length, which is what both sides send.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


def request(method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of one request."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(content)}"]
    if body is not None:
        lines.append("content-type: application/json")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _whole(answer: bytes) -> tuple[int, bytes] | None:
    """Status and body, once all of it is there."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return None
    lower = head.lower()
    at = lower.index(b"content-length:") + 15
    length = int(lower[at:].partition(b"\r\n")[0])
    return (int(head[9:12]), body) if len(body) >= length else None


class Client:
    """One connection; every call waits for its answer."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self._socket.close()

    def exchange(self, sent: bytes) -> tuple[int, bytes]:
        self._socket.sendall(sent)
        answer = b""
        while True:
            part = self._socket.recv(1 << 20)
            if not part:
                raise ConnectionError(f"no answer to {sent[:80]!r}")
            answer += part
            whole = _whole(answer)
            if whole is not None:
                return whole

    def get(self, path: str) -> Any:
        status, body = self.exchange(request("GET", path))
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def post(self, path: str, body: object, **headers: str) -> Any:
        status, answer = self.exchange(request("POST", path, body, headers))
        if status not in (200, 202):
            raise RuntimeError(f"POST {path}: {status} {answer[:300]!r}")
        return json.loads(answer)


@dataclass(slots=True)
class Storm:
    """What came of many requests: seconds each, and the bodies of the answers."""

    begun: float
    ended: float = 0.0
    seconds: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class _Line:
    """One of many connections: sends, and knows when its answer is whole."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.sent_at = 0.0
        self.answer = b""

    def send(self, content: bytes) -> None:
        self.answer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(content)


def storm(path: str, make: Callable[[int], bytes], *, total: int, connections: int) -> Storm:
    """Sends `total` requests over `connections`, each of which sends its next when it has its answer.

    One thread for all of them: forty threads of a client would wait for each other, not for the server.
    """
    lines = [_Line(path) for _ in range(min(total, connections))]
    waiting = selectors.EpollSelector()
    for line in lines:
        waiting.register(line.socket, selectors.EVENT_READ, line)
    found = Storm(begun=time.time())
    sent = 0
    for line in lines:
        line.send(make(sent))
        sent += 1
    try:
        while len(found.seconds) < total:
            for key, _ in waiting.select(30) or _silent(path):
                line = key.data
                line.answer += line.socket.recv(1 << 18)
                whole = _whole(line.answer)
                if whole is None:
                    continue
                found.seconds.append(time.perf_counter() - line.sent_at)
                if whole[0] not in (200, 202):
                    raise RuntimeError(f"{whole[0]}: {whole[1][:300]!r}")
                found.bodies.append(whole[1])
                if sent < total:
                    line.send(make(sent))
                    sent += 1
    finally:
        for line in lines:
            line.socket.close()
        waiting.close()
    found.ended = time.time()
    return found


def _silent(path: str) -> Any:
    raise TimeoutError(f"no answer for 30 s on {path}")
