"""Which account the servers run under, and what that account can reach.

PostgreSQL refuses to run as root, so a daemon of root's lends both servers an unprivileged account;
any other daemon runs them as itself. Only looks: makes no folder and starts no process.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from oee_daemon.contract.socket_paths import SERVICE_ACCOUNTS, barrier
from oee_daemon.start_errors import StartFailed


@dataclass(frozen=True, slots=True)
class Account:
    """The servers' account; `daemon` is the name of ours, `lent` says that the two differ."""

    name: str
    uid: int
    gid: int
    daemon: str

    @property
    def lent(self) -> bool:
        return self.name != self.daemon

    def barrier(self, path: Path) -> Path | None:
        """What is on the way to `path` that this account may not pass. None where it is our own."""
        return barrier(path, self.uid, self.gid) if self.lent else None


def choose(service_user: str | None) -> Account:
    """The account for the servers; `service_user` counts for root only.

    Raises `StartFailed` where there is no such account, or none that PostgreSQL would take.
    """
    uid = os.geteuid()
    try:
        own = pwd.getpwuid(uid)
    except KeyError:
        raise StartFailed(
            f"The account with id {uid} has no name on this machine, and PostgreSQL needs one. "
            "Add it to /etc/passwd, or set OEE_DATABASE_URL and OEE_REDIS_URL to servers of your own."
        ) from None
    if uid != 0:
        return Account(own.pw_name, uid, own.pw_gid, own.pw_name)
    for name in (service_user,) if service_user else SERVICE_ACCOUNTS:
        try:
            lent = pwd.getpwnam(name)
        except KeyError:
            continue
        if lent.pw_uid == 0:
            raise StartFailed(
                f"OEE_SERVICE_USER is {name}, but PostgreSQL refuses to run as root: "
                "name an unprivileged account."
            )
        return Account(name, lent.pw_uid, lent.pw_gid, own.pw_name)
    asked = (
        f"OEE_SERVICE_USER is {service_user}, but there is" if service_user else "As root the servers need"
    )
    raise StartFailed(
        f"{asked} {'no such account' if service_user else 'an account to run under'} on this machine. "
        "Set OEE_SERVICE_USER to an unprivileged account that exists."
    )
