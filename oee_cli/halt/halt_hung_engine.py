"""Ends the engine of a home that does not answer: its worker, then its daemon, as SIGKILL does.

That is always safe: every step of an order can be done again from what is stored. Only a process that holds a
lock of this very home is killed. Nothing here asks the daemon.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from oee_cli.api import client_handshake
from oee_cli.api.client_launcher import Launcher
from oee_cli.cli_errors import Forbidden
from oee_daemon.contract import home_files
from oee_daemon.contract.protocol import PROTOCOL, PROTOCOL_HEADER

#: Seconds for a daemon to say that it is alive.
ALIVE_S = 1.0
#: What a daemon did of which nothing is heard.
SILENT = "did not answer"
#: Seconds for a killed process to be gone.
_GONE_S = 5.0
_LOOK_S = 0.01


def what_keeps(launcher: Launcher) -> str | None:
    """What keeps the home's daemon from being asked, as a sentence about it ends; none: it says within a
    second that it lives."""
    answer = None
    with suppress(PermissionError):
        s = client_handshake.connect_socket(launcher.checked_socket(), ALIVE_S)
        if s is not None:
            with s:
                answer = client_handshake.ask_daemon(s, "/healthz", launcher.tag)
    if answer is None:
        return SILENT
    if (theirs := answer.headers.get(PROTOCOL_HEADER.lower())) != str(PROTOCOL):
        return f"speaks protocol {theirs or 'unknown'} where this command speaks {PROTOCOL}"
    return None if answer.status == 200 else f"answered with {answer.status}"


def end_engine(launcher: Launcher) -> list[int] | None:
    """Kills the home's worker and its daemon, and returns which; none where the daemon's process can't be
    seen from here. Raises `Forbidden` where it is another account's."""
    home = launcher.settings.home
    killed = []
    # The worker holds the file that names the home; the daemon the home itself, or its lock's file.
    for locks in ((home / home_files.ID,), (home, home / home_files.DAEMON_LOCK)):
        pid = client_handshake.lock_holder(locks)
        if pid is not None:
            _kill(pid)
            killed.append(pid)
    # A process that ends shows nothing of what it holds some time before it lets go of it.
    until = time.monotonic() + (_GONE_S if killed else 0)
    while launcher.held():
        if time.monotonic() > until:
            return None
        time.sleep(_LOOK_S)
    return killed


def _kill(pid: int) -> None:
    try:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    except PermissionError:
        raise Forbidden(
            f"The process {pid}, which does not answer, belongs to another account.",
            hint=f"As root: kill -9 {pid}",
        ) from None
