"""A wire to a server's Unix socket that can go silent, as a network does that forgets its connections.

A silent connection is neither closed nor answered: what either end sends arrives nowhere. Connections made
later work. Nobody is told; whoever waits without a bound waits for ever.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from pathlib import Path

#: Bytes that are passed on at once.
_CHUNK = 1 << 18
#: Milliseconds between two looks whether the wire has gone silent.
_LOOK_MS = 100
#: Seconds for which a silent connection's server side stays open: that long its server believes in it.
HALF_OPEN_S = 20.0


class Wire:
    """Listens at `path` and forwards to `target` until `close`."""

    def __init__(self, path: Path, target: Path) -> None:
        self._target = str(target)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._silences = 0
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Every connection there is now stays open and carries nothing any more."""
        self._silences += 1

    def close(self) -> None:
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                server.close()
                continue
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        born = self._silences
        with client, server, contextlib.suppress(OSError):
            look = select.poll()
            for end in (client, server):
                look.register(end, select.POLLIN)
            other = {client.fileno(): (client, server), server.fileno(): (server, client)}
            while self._silences == born and not self._closed:
                for descriptor, _ in look.poll(_LOOK_MS):
                    source, sink = other[descriptor]
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    if self._silences == born:
                        sink.sendall(data)
            until = time.monotonic() + HALF_OPEN_S
            while time.monotonic() < until and not self._closed:
                time.sleep(_LOOK_MS / 1000)
