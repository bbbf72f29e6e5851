"""How a command learns that a daemon is frozen: by its process, since it would answer no question."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oee_cli.api.client_processes import is_process_stopped
from oee_cli.api.client_resident_daemon import Resident
from oee_cli.settings.settings_load import Settings
from tests.kit.daemons import until

#: Listens, and says what the first who connects has said, or nothing of who has gone without a word.
_LISTENS = """
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.bind(sys.argv[1])
    s.listen()
    print("listens", flush=True)
    print(s.accept()[0].recv(1000), flush=True)
"""


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_daemon_is_asked_nothing(homes: Path, frozen: bool) -> None:
    """Each question to it would cost a wait that is over two seconds more."""
    settings = Settings(home=homes)
    settings.run_dir.mkdir(mode=0o700)
    listens = subprocess.Popen(
        [sys.executable, "-c", _LISTENS, str(settings.socket)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert listens.stdout is not None and listens.stdout.readline() == "listens\n"
        if frozen:
            os.kill(listens.pid, signal.SIGSTOP)
            until(lambda: is_process_stopped(listens.pid))
        assert Resident(settings).pid() == listens.pid
        os.kill(listens.pid, signal.SIGCONT)
        heard = listens.stdout.readline()
        assert heard == "b''\n" if frozen else heard.startswith("b'GET /healthz")
    finally:
        listens.kill()
        listens.communicate()
