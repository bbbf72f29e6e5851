"""The two listeners of one application: a Unix socket for the home's owner, a TCP port for who has the token.

Each is a uvicorn server of its own in the same loop, so that which way a request came is never a guess. A TCP
port that is taken is tried again every second, and a name is looked up on a thread; the socket serves
meanwhile. A socket whose file was removed is made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from oee_daemon.api import api_connections
from oee_daemon.api.api_auth import AuthMiddleware, own_hosts
from oee_daemon.api.api_own_home import HomeMiddleware
from oee_daemon.api.api_request_limits import VersionMiddleware
from oee_daemon.event_loop import begin_look_up
from oee_daemon.start_errors import StartFailed

log = logging.getLogger(__name__)

#: Seconds between two tries to bind the TCP port.
BIND_AGAIN_S = 1.0
#: Seconds for which a start waits for the address of a name; the lookup itself may take longer.
NAME_S = 1.0
#: Seconds that open connections have to end at a stop.
GRACE_S = 3
#: Seconds an idle connection is kept.
KEEP_ALIVE_S = 30
#: Seconds for which answers have the same date.
TICK_S = 1.0


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon, and wakes once a second and when it is to end:
    uvicorn's own looks ten times a second, which was half of what an idle daemon cost."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        # A tick of the number 0 is one that puts the date of answers right.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ended.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _make_server(app: ASGIApp, network: str) -> _Server:
    config = uvicorn.Config(
        VersionMiddleware(app, network),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        http=api_connections.Http,
        ws=api_connections.WebSocket,
        ws_max_size=65_536,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
    )
    return _Server(config)


class Listeners:
    """Opens and closes both. `path` says where the socket belongs; `http` tells how the TCP side is doing."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: Callable[[], Path],
        host: str,
        port: int,
        names: str | None,
        token: str,
        home: Path,
        tag: str,
        network: str,
    ) -> None:
        self._app = HomeMiddleware(app, tag=tag, home=home)
        self._path = path
        self._network = network
        self._host, self._port = host, port
        self._name_to_dial = _name_to_dial(host, names)
        self._unix: list[_Server] = []
        self._file: tuple[Path, os.stat_result] | None = None
        #: The last try to make the socket anew failed, which is logged once.
        self._failed = False
        self._tcp = _make_server(AuthMiddleware(app, token=token, hosts=own_hosts(host, names)), network)
        self._tried = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._http: dict[str, Any] = {"url": None, "listening": False, "problem": None}

    def http(self) -> dict[str, Any]:
        """`url`, `listening`, and `problem` in words where the port could not be had."""
        return dict(self._http)

    async def open(self) -> None:
        """Returns when the Unix socket answers and the TCP side was tried, or a name takes its time.

        Raises `StartFailed` where the socket can't be had.
        """
        self._tasks.append(asyncio.create_task(self._serve_tcp()))
        await self._open_unix()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), NAME_S)

    async def mend(self) -> None:
        """Makes the socket anew where its file was removed; who is connected stays. Raises nothing."""
        if self._is_ours():
            return
        try:
            await self._open_unix()
        except StartFailed as e:
            if not self._failed:
                log.error("the socket can't be made anew", extra={"reason": e.message})
            self._failed = True
        else:
            log.warning("the socket was gone", extra={"path": str(self._path())})
            self._failed = False
            for server in self._unix[-2].servers:
                server.close()

    async def close(self) -> None:
        for server in (*self._unix, self._tcp):
            server.end()
        if not self._tcp.started:
            for task in self._tasks[:1]:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._file is not None and self._is_ours():
            self._file[0].unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Whether the socket's path still names what was bound there."""
        assert self._file is not None
        path, bound = self._file
        try:
            return os.path.samestat(path.lstat(), bound)
        except OSError:
            return False

    async def _open_unix(self) -> None:
        path = self._path()
        try:
            listener = _unix_socket(path)
            self._file = path, path.lstat()
        except OSError as e:
            raise StartFailed(
                f"The socket {path} can't be made: {e.strerror}. Check that folder, or set OEE_HOME to "
                "another."
            ) from None
        server = _make_server(self._app, self._network)
        task = asyncio.create_task(server.serve([listener]))
        self._unix.append(server)
        self._tasks.append(task)
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.002)

    async def _serve_tcp(self) -> None:
        while (bound := await self._bind()) is None:
            self._tried.set()
            await asyncio.sleep(BIND_AGAIN_S)
        self._tried.set()
        await self._tcp.serve([bound])

    async def _bind(self) -> socket.socket | None:
        bound = None
        try:
            family, address = await self._find_address()
            # With protocol 0 asyncio would leave Nagle's algorithm on: 40 ms more a request.
            bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((address, self._port))
            bound.listen(512)
        except (OSError, UnicodeError) as e:
            if bound is not None:
                bound.close()
            reason = e.strerror if isinstance(e, OSError) else "no name of a host"
            problem = f"{self._host}:{self._port}: {reason}"
            if self._http["problem"] != problem:
                log.warning("the port can't be had", extra={"port": self._port, "reason": reason})
            self._http["problem"] = problem
            return None
        url = f"http://{self._name_to_dial}:{bound.getsockname()[1]}"
        self._http = {"url": url, "listening": True, "problem": None}
        return bound

    async def _find_address(self) -> tuple[int, str]:
        """The family and the address to listen on. Raises `OSError` where a name has none."""
        try:
            found = ip_address(self._host)
        except ValueError:
            pass
        else:
            return socket.AF_INET if found.version == 4 else socket.AF_INET6, self._host
        if self._http["problem"] is None:
            self._http["problem"] = f"{self._host}: its address is still being looked up"
        rows = await asyncio.wrap_future(begin_look_up(self._host, None))
        # IPv4 first, as for the default.
        return min((int(row[0]), str(row[4][0])) for row in rows)


def _name_to_dial(host: str, names: str | None) -> str:
    """The name in our address: one that can be dialled, which "every address" can't."""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if found.is_unspecified and names:
        return names.partition(",")[0]
    address = host
    if found.is_unspecified:
        address = "127.0.0.1" if found.version == 4 else "::1"
    return f"[{address}]" if found.version == 6 else address


def _unix_socket(path: Path) -> socket.socket:
    """A listening socket that only its owner can open; what an earlier daemon left is removed, which
    the caller's lock on the home allows."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(512)
    return listener
