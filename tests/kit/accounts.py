"""What only root can test, and who else a process may become."""

from __future__ import annotations

import os
import pwd
import sys
import traceback
from collections.abc import Callable

import pytest

ROOT = os.geteuid() == 0
LINUX = sys.platform == "linux"
as_root = pytest.mark.skipif(not ROOT, reason="only root lends the servers an account")
on_linux = pytest.mark.skipif(not LINUX, reason="needs /proc and death signals")


def become(name: str, act: Callable[[], object]) -> bool:
    """Whether `act` comes back with something true in a process that has turned into that account.

    Forked, not executed: the account need not be able to reach our interpreter.
    """
    account = pwd.getpwnam(name)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os._exit(0 if act() else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
