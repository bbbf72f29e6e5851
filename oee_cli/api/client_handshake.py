"""Who answers on a Unix socket, and who holds a home: asked of the kernel and of the other end.

A number or a path in a file may have been copied with the home, or be of another container: nothing here
believes one. A process id is given only where it is one of ours to see.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oee_cli.api.client_home import Belongings
from oee_cli.api.client_response_problems import Response
from oee_cli.network_badge import badge
from oee_daemon.contract.protocol import HOME_HEADER, NETWORK_HEADER, PROTOCOL, PROTOCOL_HEADER

#: Bytes of an answer that are looked at; ours are shorter.
_ENOUGH = 262_144


def home_tag(home: Path | Belongings) -> str:
    """The home's identity, by device and inode of its folder: a copy of a home has another. So has one that
    was made anew while a daemon lives: it keeps the folder open, so that the number is nobody else's."""
    try:
        folder = home.stat() if isinstance(home, Path) else home.folder()
    except OSError:
        return "none"
    return f"{folder.st_dev}:{folder.st_ino}"


def connect_socket(path: Path, timeout_s: float) -> socket.socket | None:
    """A connection; `None` where nothing listens. Raises `PermissionError`."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(timeout_s)
    try:
        s.connect(str(path))
    except OSError as e:
        s.close()
        if isinstance(e, PermissionError):
            raise
        return None
    return s


def peer_pid(s: socket.socket) -> int | None:
    """The process that listens at the other end; `None` where it is in another container."""
    pid = 0
    with suppress(OSError):
        if sys.platform == "linux":
            pid = struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        elif sys.platform == "darwin":
            # SOL_LOCAL and LOCAL_PEERPID of <sys/un.h>.
            pid = s.getsockopt(0, 2)
    return pid or None


def ask_daemon(s: socket.socket, path: str, home: str) -> Response | None:
    """One question over a fresh connection, for the daemon of that tag; `None` where HTTP is not spoken. The
    answer's headers are by names in small letters."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"{PROTOCOL_HEADER}: {PROTOCOL}"]
    lines += [f"{HOME_HEADER}: {home}", "Connection: close", "", ""]
    told = bytearray()
    try:
        s.sendall("\r\n".join(lines).encode())
        while len(told) < _ENOUGH and (part := s.recv(65_536)):
            told += part
    except OSError:
        return None
    head, _, content = bytes(told).partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split()
    if not first.startswith("HTTP/1.1 ") or not words[1].isdigit():
        return None
    named = (line.partition(":") for line in rest)
    headers = {name.lower(): value.strip() for name, _, value in named}
    badge.wear(headers.get(NETWORK_HEADER.lower()))
    return Response(int(words[1]), headers, content)


def lock_holder(locks: Iterable[Path]) -> int | None:
    """The process that holds one of the locks, as far as this account may look into others; `None` where it
    is not known: nobody's, another container's, or no /proc."""
    with suppress(OSError):
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return next((pid for pid in pids if any(holds_lock(pid, lock) for lock in locks)), None)
    return None


def holds_lock(pid: int, lock: Path) -> bool:
    """Whether the process holds the lock. Having it open is not enough: whoever looks has it open, too."""
    with suppress(OSError):
        wanted = lock.stat()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if os.path.samestat(entry.stat(), wanted):
                    words = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split()
                    if "FLOCK" in words and "WRITE" in words:
                        return True
    return False
