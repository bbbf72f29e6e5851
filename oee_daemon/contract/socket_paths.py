"""Where the daemon of a home listens, and which accounts get as far as a path. Makes nothing."""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path

from oee_daemon.contract.home_files import SOCKET

#: Bytes that a Unix socket's path may have everywhere (108 on Linux, 104 on macOS, less a NUL).
MAX_SOCKET_PATH = 100
#: Where the socket goes if the home's path is too long. Not the runtime folder: that one ends with its login,
#: and cron and `su` know another one or none.
TEMPORARY = Path("/tmp")  # noqa: S108 - the folder in it is the daemon's alone, which checks it before use
#: Accounts that run the servers where the daemon is root and no account is named, tried in this order.
SERVICE_ACCOUNTS = ("postgres", "nobody")


def socket_path(home: Path) -> Path:
    """Where the daemon of `home` listens: in it, or where that path is too long in a folder of its own."""
    path = home / SOCKET
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return TEMPORARY / f"oee-{os.geteuid()}-{digest}" / "oee.sock"


def localnet_socket(home: Path) -> Path:
    """Where the localnet that the daemon of `home` runs listens."""
    return socket_path(home).with_name("net.sock")


def account_name(uid: int, nameless: str = "account {}") -> str:
    """What an account is called here; one without a name by its number, as `nameless`: `sudo -u` takes `#{}`,
    and `chown` `{}`."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return nameless.format(uid)


def barrier(path: Path, uid: int, gid: int) -> Path | None:
    """The first folder or file on the way to `path`, itself included, that this account may not pass.

    Extended permissions (ACLs) are not looked at.
    """
    real = path.resolve()
    for step in (*reversed(real.parents), real):
        status = step.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & 1:
            return step
    return None
