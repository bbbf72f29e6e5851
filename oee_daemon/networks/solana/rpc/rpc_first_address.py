"""Of the addresses of a host the first that can be reached: one that swallows what is sent costs no deadline.

RFC 8305, which asyncio's own loop knows and uvloop does not: it tries one address until that fails.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque

#: Seconds after which the next address is tried as well (RFC 8305, 5).
NEXT_S = 0.25


async def reached(host: str, port: int) -> socket.socket:
    """A connection to it. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    turns: Counter[int] = Counter()

    def turn(row: tuple[int, *tuple[object, ...]]) -> int:
        turns[row[0]] += 1
        return turns[row[0]]

    # Families in turn: where one of them leads nowhere, so do all its addresses.
    found = deque(sorted(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), key=turn))
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
