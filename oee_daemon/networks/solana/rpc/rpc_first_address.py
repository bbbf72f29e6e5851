"""Of the addresses of a host the first that can be reached: one that swallows what is sent costs no deadline.

RFC 8305, which asyncio's own loop knows and uvloop does not: it tries one address until that fails.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, deque
from contextlib import suppress
from typing import Any, TypeAlias

#: Seconds after which the next address is tried as well (RFC 8305, 5).
NEXT_S = 0.25
#: Seconds for which DNS is waited for where it has told the addresses before.
LOOKUP_S = 0.5

_Row: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class Addresses:
    """Where a host is, for one event loop. One look-up at a time, in a thread of its own: the loop's threads
    are few, and one host whose name server hangs would hold up the look-ups of all others. While it hangs or
    fails, what it told last counts."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._known: list[_Row] = []
        self._told: asyncio.Future[list[_Row]] | None = None

    async def found(self) -> list[_Row]:
        """Raises `OSError`."""
        told = self._told = self._told or self._look()
        await asyncio.wait([told], timeout=LOOKUP_S if self._known else None)
        failed = not told.done() or told.exception() is not None
        return self._known if failed and self._known else told.result()

    def _look(self) -> asyncio.Future[list[_Row]]:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[list[_Row]] = loop.create_future()

        def tell(found: list[_Row] | OSError) -> None:
            self._told = None
            if isinstance(found, OSError):
                told.set_exception(found)
                # Whoever asked may have left by now.
                told.exception()
            else:
                self._known = found
                told.set_result(found)

        def look() -> None:
            try:
                found: Any = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            except OSError as e:
                found = e
            with suppress(RuntimeError):  # The loop has ended.
                loop.call_soon_threadsafe(tell, found)

        threading.Thread(target=look, name="look-up", daemon=True).start()
        return told


async def reached(addresses: Addresses) -> socket.socket:
    """A connection to it. Raises `OSError`."""
    turns: Counter[int] = Counter()

    def turn(row: _Row) -> int:
        turns[row[0]] += 1
        return turns[row[0]]

    # Families in turn: where one of them leads nowhere, so do all its addresses.
    found = deque(sorted(await addresses.found(), key=turn))
    tries: list[asyncio.Task[socket.socket]] = []
    try:
        while True:
            if found:
                family, kind, protocol, _, address = found.popleft()
                tries.append(asyncio.ensure_future(_reach(family, kind, protocol, address)))
            waiting = [one for one in tries if not one.done()]
            done, waits = await asyncio.wait(
                waiting, timeout=NEXT_S if found else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                if one.exception() is None:
                    tries.remove(one)
                    return one.result()
            if not waits and not found:
                # That of the address that comes first.
                return tries[0].result()
    finally:
        for one in tries:
            one.cancel()
        for said in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(said, socket.socket):
                said.close()


async def _reach(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    line = socket.socket(family, kind, protocol)
    try:
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(line, address)
    except BaseException:
        line.close()
        raise
    return line
