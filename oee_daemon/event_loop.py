"""Which event loop daemon and worker run on: uvloop where there is a wheel of it, Python's own elsewhere.

Nothing that the command line loads may import this.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any, TypeAlias

try:
    import uvloop as _loops
except ImportError:
    _loops = asyncio  # type: ignore[misc]

#: As `socket.getaddrinfo` tells them.
Rows: TypeAlias = list[Any]


def begin_look_up(host: str, port: int | None) -> Future[Rows]:
    """The addresses of a name, or `OSError` or `UnicodeError`. A resolver may not answer for minutes, so it
    is asked on a thread that nobody waits for at the end."""
    answer: Future[Rows] = Future()
    # Whoever stops waiting for it leaves it to answer nobody.
    answer.set_running_or_notify_cancel()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as e:
            answer.set_exception(e)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return answer


class _Loop(_loops.Loop if _loops is not asyncio else asyncio.SelectorEventLoop):  # type: ignore[misc]
    """Connects to names that it looks up itself, one look-up of a name at a time: the threads of uvloop are
    few, an abandoned look-up keeps one of them, and a loop is not closed before the last has its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._look_ups: dict[tuple[str, int | None], Future[Rows]] = {}

    async def create_connection(
        self, factory: Any, host: str | None = None, port: int | None = None, **options: Any
    ) -> Any:
        """As the loop's own, which tries the addresses of a name in turn. Raises `OSError`."""
        if host is None or is_address(host):
            return await super().create_connection(factory, host, port, **options)
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        refused: OSError | None = None
        for *_, address in await self._look_up(host, port):
            try:
                return await super().create_connection(factory, address[0], port, **options)
            except OSError as e:
                # That of the address that comes first.
                refused = refused or e
        raise refused or OSError(f"{host} has no address")

    async def _look_up(self, host: str, port: int | None) -> Rows:
        asked = self._look_ups.get((host, port))
        if asked is None or asked.done():
            asked = self._look_ups[host, port] = begin_look_up(host, port)
        return await asyncio.wrap_future(asked)


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop that runs nothing yet. Whoever makes it closes it."""
    loop: asyncio.AbstractEventLoop = _Loop()
    return loop


def name(loop: asyncio.AbstractEventLoop) -> str:
    """Whose it is, for the log: `uvloop` or `asyncio`."""
    return _loops.__name__ if isinstance(loop, _Loop) else type(loop).__module__.partition(".")[0]
