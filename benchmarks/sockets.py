"""Many WebSocket readers in one thread: they note when bytes came, and read them when all is over.

As little as can be, so that two hundred readers on two cores do not wait for themselves: frames are told
apart as they come and pings answered, what the messages say is read later.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any


class Reader:
    """One client of a stream. `since`: when it was let in; `last`: when something came last."""

    def __init__(self, path: str, resource: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (
                f"GET {resource} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n"
            ).encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = self.socket.recv(65_536)
            if not part:
                raise ConnectionError(f"{resource}: {answer[:200]!r}")
            answer += part
        head, _, rest = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(f"{resource}: {head[:200]!r}")
        self.since = self.last = time.time()
        self.closed = False
        self._frames: list[tuple[float, bytes]] = []
        self._rest = b""
        self.take(rest)

    def take(self, chunk: bytes) -> None:
        """Notes the messages that end in what just came, and answers a ping."""
        self.last = time.time()
        content, place = self._rest + chunk, 0
        while place + 2 <= len(content):
            kind, length, start = content[place] & 0x0F, content[place + 1] & 0x7F, place + 2
            if length >= 126:
                wide = 2 if length == 126 else 8
                length = int.from_bytes(content[start : start + wide], "big")
                start += wide
            if start + length > len(content):
                break
            place = start + length
            if kind == 1:
                self._frames.append((self.last, content[start:place]))
            elif kind == 9:
                # A client's frame is masked; by zeros it stays as it is.
                self.socket.sendall(bytes([0x8A, 0x80 | length]) + bytes(4) + content[start:place])
        self._rest = content[place:]

    def messages(self) -> Iterator[tuple[float, Any]]:
        """Each message with the time at which its last byte came."""
        for at, content in self._frames:
            yield at, json.loads(content)


class Readers:
    """Reads for all that were added, in a thread of its own, until it is closed."""

    def __init__(self) -> None:
        self.all: list[Reader] = []
        self._selector = selectors.DefaultSelector()
        self._stop = False
        self._thread = threading.Thread(target=self._read, name="readers")

    def __enter__(self) -> Readers:
        self._thread.start()
        return self

    def add(self, reader: Reader) -> None:
        self.all.append(reader)
        self._selector.register(reader.socket, selectors.EVENT_READ, reader)

    def _read(self) -> None:
        while not self._stop:
            for key, _ in self._selector.select(0.05):
                reader: Reader = key.data
                part = reader.socket.recv(1 << 18)
                if part:
                    reader.take(part)
                else:
                    reader.closed = True
                    self._selector.unregister(reader.socket)

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        for reader in self.all:
            reader.socket.close()
        self._selector.close()
