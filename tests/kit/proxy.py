"""Stands between an engine and Postgres, and breaks the connection where a COMMIT's answer is under way."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from pathlib import Path

from sqlalchemy import make_url

#: The end of an answer to a statement that was executed, not merely prepared: its tag, and "ready for
#: the next query", which in autocommit comes after the commit.
_DONE = re.compile(rb"(SELECT|UPDATE|INSERT 0) \d+\x00Z\x00\x00\x00\x05I$")


class Proxy:
    """Forwards bytes. After `lose(text, ...)` the first connection whose client sends `text` is cut:
    before Postgres got to hear it, or after Postgres has answered but before the client hears that.
    After `hush()` nothing passes on the connections that there are, and nobody is told: half open.
    After `lead(url)` new ones lead there, and those that there are stay where they are: a failover.
    `folder`: none listens on TCP, by which a server may be anywhere."""

    def __init__(self, url: str, folder: Path | None) -> None:
        address = make_url(url)
        self.lead(url)
        if folder is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            place = address.set(host="127.0.0.1", port=self._listener.getsockname()[1])
            found = place.difference_update_query(["host", "port"])
        else:
            found = address.update_query_dict({"host": str(folder)})
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / f".s.PGSQL.{address.query['port']}"))
            self._listener.listen(64)
        self.url = found.render_as_string(hide_password=False)
        self._lock = threading.Lock()
        self._armed: tuple[bytes, bool] | None = None
        self.cut = 0
        self._hushed: threading.Event = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, text: bytes, *, heard: bool) -> None:
        with self._lock:
            self._armed = (text, heard)

    def hush(self) -> None:
        self._hushed.set()
        self._hushed = threading.Event()

    def lead(self, url: str) -> None:
        address = make_url(url)
        query = address.query
        self._target: str | tuple[str, int] = f"{query.get('host')}/.s.PGSQL.{query.get('port')}"
        if address.host is not None:
            self._target = address.host, address.port or 5432

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                over_tcp = isinstance(self._target, tuple)
                server = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX)
                server.connect(self._target)
                threading.Thread(
                    target=self._forward, args=(client, server, self._hushed), daemon=True
                ).start()

    def _forward(self, client: socket.socket, server: socket.socket, hushed: threading.Event) -> None:
        cutting = False
        with client, server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready:
                    data = client.recv(1 << 20)
                    if not data:
                        return
                    if hushed.is_set():
                        continue
                    heard = self._hit(data)
                    if heard is False:
                        return
                    cutting = cutting or heard is True
                    server.sendall(data)
                if server in ready:
                    data = server.recv(1 << 20)
                    if not data or (cutting and _DONE.search(data)):
                        return
                    if not hushed.is_set():
                        client.sendall(data)

    def _hit(self, data: bytes) -> bool | None:
        with self._lock:
            if self._armed is None or self._armed[0] not in data:
                return None
            heard = self._armed[1]
            self._armed = None
            self.cut += 1
            return heard
