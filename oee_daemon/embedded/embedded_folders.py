"""The folders of the servers: the home, their data, their sockets, and small files written safely.

Everything a server keeps is in a folder of its own, mode 0700, owned by its account. Where that account
is not ours, its folders may hold links it made: files are written beside and moved, never through a link.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import stat
from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import atomic_file, write_remedy
from oee_daemon.contract.socket_paths import account_name
from oee_daemon.embedded.embedded_account import Account
from oee_daemon.start_errors import StartFailed

#: Longest path of a Unix socket, bytes: 107 on Linux, 103 on macOS; one limit for both.
SOCKET_LIMIT = 103
#: Where the sockets go if the home's path is too long. Not the runtime folder: that one ends with its login.
TEMPORARY = Path("/tmp")  # noqa: S108 - the folder in it is ours alone, checked before use


def make_home(home: Path, account: Account) -> None:
    """Makes the home if there is none (0700, or 0711 where the servers run under a lent account).

    Raises `StartFailed`, naming the folder, where that account can't get in.
    """
    try:
        for parent in reversed(home.parents):
            if not parent.exists():
                parent.mkdir(0o700)
                parent.chmod(0o755 if account.lent else 0o700)  # whatever our umask says
        home.mkdir(0o700, exist_ok=True)
    except OSError as e:
        raise StartFailed(
            f"The home {home} can't be made: {e.strerror} ({e.filename}). "
            f"{write_remedy(e, 'Set OEE_HOME to another folder.')}"
        ) from e
    barrier = account.barrier(home)
    if barrier == home.resolve() and _may_open(home):
        # Others may pass through, not look: what is inside keeps its own modes.
        home.chmod(stat.S_IMODE(home.stat().st_mode) | 0o011)
        barrier = account.barrier(home)
    if barrier is not None:
        raise StartFailed(
            f"The account {account.name}, under which the servers run, can't pass the folder {barrier} on "
            f"the way to {home}. Set OEE_HOME to a folder it can reach (root's default is /var/lib/oee), let "
            f"it pass with `chmod o+x {barrier}`, or set OEE_SERVICE_USER to another account."
        )


def _may_open(home: Path) -> bool:
    """Whether the home is a folder for us alone: root's, and nobody's login folder."""
    logins = {entry.pw_dir for entry in pwd.getpwall()}
    return home.stat().st_uid == os.geteuid() and str(home.resolve()) not in logins


def own(folder: Path, account: Account) -> Path:
    """`folder`, made if missing, 0700 and `account`'s. Raises `StartFailed` if it is someone else's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.stat()
    if status.st_uid == os.geteuid() != account.uid and not any(folder.iterdir()):
        os.chown(
            folder, account.uid, account.gid, follow_symlinks=False
        )  # just made, here or by a start that was interrupted
    elif status.st_uid != account.uid:
        raise StartFailed(
            f"{folder} belongs to {account_name(status.st_uid)}, but the servers run as {account.name}. "
            "Start the daemon as it was started before, or "
            f"give the folder over: `chown -R {account.name} {folder}`."
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder


def sockets(home: Path, account: Account) -> Path:
    """Where the sockets are: in the home or, where that path can't be used, in a short one elsewhere."""
    folder = home / home_files.SOCKETS
    # Postgres's has the longest name. A comma or colon means several hosts to PostgreSQL's clients.
    if len(os.fsencode(folder / home_files.POSTGRES_SOCKET)) <= SOCKET_LIMIT and not set(str(folder)) & set(
        ",:"
    ):
        return folder
    return TEMPORARY / f"oee-{account.uid}-{hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]}"


def own_sockets(folder: Path, account: Account) -> None:
    """Makes the sockets' folder. Raises `StartFailed` if somebody else was there first."""
    if folder.parent == TEMPORARY:
        with contextlib.suppress(FileNotFoundError):
            status = folder.lstat()
            ours = status.st_uid in (account.uid, os.geteuid()) and not status.st_mode & 0o077
            if not stat.S_ISDIR(status.st_mode) or not ours:
                raise StartFailed(
                    f"{folder}, the place for the servers' sockets, was made by "
                    f"{account_name(status.st_uid)} or is open to others. "
                    "Remove it, or set OEE_HOME to a shorter path."
                )
    own(folder, account)


def write(path: Path, text: str, account: Account) -> None:
    """Puts `text` into `path`, durably and whole or not at all, owned by `account`, mode 0600."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text() == text:
            return
    with atomic_file(path) as file:
        if account.lent:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text.encode())
