"""What a daemon that was killed left behind, and servers that still run without one.

While a daemon holds the home it has cleaned up already, so there is nothing to look for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from oee_cli.api.client_processes import runs_program
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, ok, warn
from oee_cli.doctor.doctor_paths import socket_path
from oee_daemon.contract import home_files
from oee_daemon.contract.protocol import READY

_REMEDY = "oee daemon start"
#: What no server and no daemon leaves when it ends in order.
_LEFT_FILES = (
    home_files.RUNNING,
    f"{home_files.SOCKETS}/{home_files.POSTGRES_SOCKET}",
    f"{home_files.SOCKETS}/{home_files.VALKEY_SOCKET}",
    "postgres/postmaster.pid",
    "valkey/valkey.pid",
    "postgres.making-*",
    "servers/*.making",
)
#: The programs and the files in which they say their process ids.
_SERVERS = {"postgres": "postgres/postmaster.pid", "valkey-server": "valkey/valkey.pid"}


def check_leftovers(facts: Facts) -> Iterator[Finding]:
    if not facts.away or not facts.home_open:
        return
    home = facts.settings.home
    with suppress(PermissionError):
        running = [
            name for name, file in _SERVERS.items() if runs_program(_read_pid(home / file), name, home)
        ]
        found = [str(path.relative_to(home)) for path in _find_leftovers(home)]
        socket = socket_path(facts.settings)
        if socket.exists():
            found.append(str(socket.relative_to(home)) if socket.is_relative_to(home) else str(socket))
        if running:
            message = f"{' and '.join(running)} of a daemon that was killed still runs; a start ends it."
            yield warn("leftovers", "orphans", message, _REMEDY)
        if found:
            message = "A daemon that was killed, or that could not start, left"
            message += f" {', '.join(found)}; a start clears that up."
            yield warn("leftovers", "leftovers", message, _REMEDY)
        if not running and not found:
            yield ok("leftovers", "none")


def _find_leftovers(home: Path) -> Iterator[Path]:
    for pattern in _LEFT_FILES:
        folder, _, name = pattern.rpartition("/")
        yield from sorted((home / folder).glob(name))
    with suppress(FileNotFoundError):
        phase = home / home_files.PHASE
        words = phase.read_text(errors="replace").split()
        if words and READY not in words:
            yield phase


def _read_pid(file: Path) -> int:
    """The process id in the file; 0 where it has none."""
    with suppress(FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return int(file.read_text(errors="replace").split()[0])
    return 0
