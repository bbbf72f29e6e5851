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

#: Seconds for a daemon to say that it is alive.
ALIVE_S = 1.0
#: Seconds for a killed process to be gone.
_GONE_S = 5.0
_LOOK_S = 0.01


def is_alive(launcher: Launcher) -> bool:
    """Whether the home's daemon says within a second that it lives."""
    with suppress(PermissionError):
        s = client_handshake.connect_socket(launcher.checked_socket(), ALIVE_S)
        if s is not None:
            with s:
                answer = client_handshake.ask_daemon(s, "/healthz", launcher.tag)
            return answer is not None and answer.status == 200
    return False


def end_engine(launcher: Launcher) -> list[int] | None:
    """Kills the home's worker and its daemon, and returns which; none where the daemon's process can't be
    seen from here. Raises `Forbidden` where it is another account's."""
    home = launcher.settings.home
    killed = []
    # The worker holds the file that names the home; the daemon the home itself, or its lock's file.
    for locks in ((home / "id",), (home, home / "run" / "daemon.lock")):
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
