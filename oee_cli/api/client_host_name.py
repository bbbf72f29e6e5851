"""The name in `OEE_URL`, whose address is waited for no longer than an answer: a resolver may say nothing for
half a minute, and no limit of a connection counts that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from urllib.parse import urlsplit


class HostName:
    """Asks for the address of one name at a time. Threads may share it."""

    def __init__(self, url: str | None) -> None:
        parts = urlsplit(url or "")
        self._host, self._port = parts.hostname, parts.port
        self._asking: Thread | None = None
        self._lock = Lock()
        #: Whether there is a connection, for which nobody has to be asked.
        self._connected = False

    @contextmanager
    def connecting(self, limit_s: float) -> Iterator[None]:
        """For what is asked over a connection that may have to be opened. Raises as `require`."""
        if not self._connected:
            self.require(limit_s)
        try:
            yield
        except BaseException:
            self._connected = False
            raise
        self._connected = True

    def require(self, limit_s: float) -> None:
        """Raises `TimeoutError` where the resolver says nothing for so many seconds. Whether there is an
        address at all is left to who connects."""
        if self._host is None:
            return
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = Thread(target=self._ask, daemon=True)
                self._asking.start()
            asking = self._asking
        asking.join(limit_s)
        if asking.is_alive():
            raise TimeoutError(f"no answer when asked for the address of {self._host}")

    def _ask(self) -> None:
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
