"""Processes of this machine, as Linux tells of them; on other systems nothing is known, and nothing said."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

from oee_cli.cli_errors import Unreachable

T = TypeVar("T")
#: Seconds for the address of a name.
_NAME_S = 2.0
#: A listening socket, in /proc/net/tcp.
_LISTEN = "0A"


def runs_program(pid: int, program: str, home: Path) -> bool:
    """Whether that process is there and is that program at work in the home: an id from a file may have been
    given to another since, or be of another container."""
    with suppress(OSError):
        if pid <= 0 or Path(f"/proc/{pid}/comm").read_text().strip() != program or process_state(pid) == "Z":
            return False
        where = [Path(f"/proc/{pid}/cwd").readlink()]
        where += [Path(os.fsdecode(word)) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
        return any(path.is_relative_to(home.resolve()) for path in where)
    return False


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is another's child, or a child's child. Where it can't be known it is believed."""
    if not Path("/proc/self/stat").exists():
        return True
    with suppress(OSError, IndexError, ValueError):
        while pid > 1 and pid != ancestor:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return pid == ancestor
    return False


def process_state(pid: int) -> str | None:
    """The process's state as a letter: R, S, T (stopped), Z; `None` where it can't be known."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return None


def is_process_stopped(pid: object) -> bool:
    """Whether the process was frozen by a signal."""
    return isinstance(pid, int) and pid > 0 and process_state(pid) in ("T", "t")


def explain_frozen(pid: int | None) -> Unreachable | None:
    """Why the daemon of that process says nothing, where a signal froze it."""
    if not is_process_stopped(pid):
        return None
    hint = f"Let it go on: kill -CONT {pid}"
    return Unreachable(f"The daemon (pid {pid}) is frozen.", hint=hint, code="daemon_frozen", retryable=True)


def process_name(pid: int) -> str | None:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"oee_daemon" in words:
            return "another oee daemon"
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return None


def port_listener(port: int) -> int | None:
    """The process that listens on a TCP port here, as far as this account may see."""
    wanted = {f"socket:[{inode}]" for inode in _socket_inodes(port)}
    if not wanted:
        return None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            for link in (entry / "fd").iterdir():
                with suppress(OSError):
                    if str(link.readlink()) in wanted:
                        return int(entry.name)
    return None


def _socket_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                    found.add(words[9])
    return found


def ask_in_time(ask: Callable[[], T], limit_s: float, late: T) -> T:
    """What is answered within that time, or else `late`: some calls take no limit of their own."""
    found: list[T] = []
    asking = Thread(target=lambda: found.append(ask()), daemon=True)
    asking.start()
    asking.join(limit_s)
    return found[0] if found else late


def can_bind(host: str, port: int) -> OSError | None:
    """Why the address can't be listened on; `None` where it can. Lets go of it at once.

    A name's resolver may take for ever: after `_NAME_S` that is the answer.
    """
    late: OSError | None = TimeoutError(f"no answer in {_NAME_S:.0f} s when asked for its address")
    return ask_in_time(lambda: _try_to_bind(host, port), _NAME_S, late)


def _try_to_bind(host: str, port: int) -> OSError | None:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # IPv4 first, as the daemon takes it.
        family, address = min((row[0], row[4]) for row in rows)
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(address)
    except UnicodeError:
        return OSError("no name of a host")
    except OSError as e:
        return e
    return None
